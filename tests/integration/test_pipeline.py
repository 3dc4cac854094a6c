"""The whole way, step by step, on real PostgreSQL and real HTTP, against the embedded CRM and a restored Odoo 17."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from crm_records import add_lead
from database_snapshot import snapshot
from mined_runs import set_aside
from psycopg.rows import dict_row
from scheduled_actions import add_cron

from lead_mining import buying, pipeline, reconciliation, runs
from lead_mining.credits import ledger
from lead_mining.exceptions import (
    CostNotApproved,
    InsufficientCredits,
    InvalidRequest,
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderOutcomeUnknown,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.matching import duplicates
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.summary import summary
from provider_simulator.testing import Simulator, running_simulator

KEY = "lead_mining/test"
COMPANIES = {"countries": ["US", "DE"], "lead_number": 12, "tags": ["Lead mining", "Zoë's <b>"]}
PEOPLE_BY_ROLE = {
    "countries": ["US", "DE", "IN"],
    "search_type": "people",
    "lead_number": 8,
    "contact_number": 2,
    "preferred_role": "CEO",
    "other_roles": ["Marketing", "Sale"],
}
PEOPLE_BY_SENIORITY = {
    "countries": ["US", "BR"],
    "search_type": "people",
    "lead_number": 6,
    "contact_filter_type": "seniority",
    "seniority": "manager",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def token(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[str]:
    yield f"trial-{request.node.name}"
    simulator.clear_faults()


@pytest.fixture
def provider(simulator: Simulator, token: str, monkeypatch: pytest.MonkeyPatch) -> OdooIap:
    monkeypatch.setattr(OdooIap, "answer_within", 0.2)  # the simulator is never at work on a call for longer
    return OdooIap(simulator.url, token, "2a8a5d34-0000-4000-8000-000000000001")


@pytest.fixture
def mine(conn: psycopg.Connection, provider: OdooIap, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """All steps of one run in order, as the DAG calls them; gives each step's result."""

    def run(params: dict[str, Any], key: str = KEY, connection: psycopg.Connection = conn) -> dict[str, Any]:
        plan = pipeline.prepare_request(connection, key, params)
        run_id = plan["run_id"]
        return {
            "plan": plan,
            "extract": pipeline.extract(connection, run_id, provider),
            "validate": pipeline.validate(connection, run_id, tmp_path),
            "deduplicate": pipeline.deduplicate(connection, run_id),
            "debit": pipeline.debit_credits(connection, run_id),
            "load": pipeline.load_leads(connection, run_id),
            "notes": pipeline.write_enrichment_notes(connection, run_id),
            "release": pipeline.release(connection, key),
        }

    return run


def one(conn: psycopg.Connection, query: str, *params: Any) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cur:
        row = cur.execute(query, params).fetchone()
    assert row is not None
    return row


def request_state(conn: psycopg.Connection) -> tuple[str, str | None]:
    row = one(conn, "SELECT state, error_type FROM crm_iap_lead_mining_request ORDER BY id DESC LIMIT 1")
    return row["state"], row["error_type"]


def count(conn: psycopg.Connection, table: str) -> int:
    return one(conn, f"SELECT count(*) AS n FROM {table}")["n"]


@pytest.mark.parametrize(
    "params", [COMPANIES, PEOPLE_BY_ROLE, PEOPLE_BY_SENIORITY], ids=["companies", "role", "seniority"]
)
def test_what_is_loaded_is_what_is_paid_for(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], params: dict[str, Any]
) -> None:
    leads_before = count(conn, "crm_lead")
    done = mine(params)

    loaded = done["load"]
    assert loaded["leads"] > 0
    assert count(conn, "crm_lead") - leads_before == loaded["leads"] == done["notes"]["notes"]
    balance = ledger.balance(conn, "default")
    assert loaded["captured"] == loaded["leads"] + loaded["contacts"] == balance.spent
    assert (balance.available, balance.held) == (1000 - balance.spent, 0)
    assert request_state(conn) == ("done", None)

    # Every candidate is accounted for: loaded, or rejected with a reason.
    states = dict(conn.execute("SELECT state, count(*) FROM lead_mining.candidate GROUP BY state").fetchall())
    assert set(states) <= {"loaded", "rejected"}
    unexplained = one(
        conn,
        "SELECT count(*) AS n FROM lead_mining.candidate AS c WHERE state = 'rejected' AND NOT EXISTS"
        " (SELECT FROM lead_mining.rejection AS r WHERE r.candidate_id = c.id AND r.severity = 'reject')",
    )
    assert unexplained["n"] == 0


def test_what_the_crm_would_do_and_loading_does_not_is_said_before_and_after(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]
) -> None:
    conn.execute("ALTER TABLE crm_lead ADD CONSTRAINT our_rule CHECK (name <> 'Forbidden')")
    add_cron(conn, "mail", "ir_cron_mail_scheduler_action")
    (notice,) = mine(COMPANIES)["plan"]["notices"]
    assert "our_rule" in notice
    came_to = summary(conn, KEY)
    assert came_to is not None
    assert ("notice", notice) in came_to.lines()


def test_contacts_are_those_asked_for(conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]) -> None:
    mine(PEOPLE_BY_ROLE)
    rows = conn.execute(
        "SELECT contact->>'role', contacts FROM lead_mining.candidate, jsonb_array_elements(company->'contacts') AS contact"
        " WHERE state = 'loaded'"
    ).fetchall()
    assert rows
    assert {role for role, _ in rows} <= {"CEO", "marketing", "sale"}
    assert max(contacts for _, contacts in rows) <= 2


def test_every_step_called_again_changes_nothing(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], simulator: Simulator, token: str
) -> None:
    first = mine(PEOPLE_BY_ROLE)
    before, charged = snapshot(conn), simulator.account(token)["charged"]
    again = mine(PEOPLE_BY_ROLE)
    assert snapshot(conn) == before
    assert simulator.account(token)["charged"] == charged
    assert again | {"release": None} == first | {"release": None}


def test_a_second_run_finds_what_is_new(conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]) -> None:
    first = mine(COMPANIES, key="lead_mining/one")
    second = mine(COMPANIES, key="lead_mining/two")
    assert second["load"]["leads"] > 0
    assert second["plan"]["request_number"] > first["plan"]["request_number"]
    twice = one(
        conn,
        "SELECT count(*) AS n FROM (SELECT reveal_id FROM crm_lead WHERE reveal_id IS NOT NULL"
        " GROUP BY reveal_id HAVING count(*) > 1) AS twice",
    )
    assert twice["n"] == 0


def test_the_same_answer_again_loads_nothing_and_costs_nothing(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], simulator: Simulator
) -> None:
    first = mine(COMPANIES, key="lead_mining/one")
    simulator.add_fault("repeated_page")
    second = mine(COMPANIES, key="lead_mining/two")
    assert second["deduplicate"]["accepted"] == 0
    assert second["deduplicate"]["duplicates"] == second["validate"]["valid"] > 0
    assert ledger.balance(conn, "default").spent == first["load"]["captured"]
    assert request_state(conn) == ("draft", "no_result")


def test_a_wrong_param_is_named_before_anything_is_written(conn: psycopg.Connection) -> None:
    before = snapshot(conn)
    with pytest.raises(InvalidRequest, match=r"team: 'Moon base' is not allowed"):
        pipeline.prepare_request(conn, KEY, {"countries": ["US"], "team": "Moon base"})
    assert snapshot(conn) == before


def test_too_few_credits_fail_before_the_provider_is_asked(
    conn: psycopg.Connection, simulator: Simulator, token: str
) -> None:
    with pytest.raises(InsufficientCredits, match="1001 credits needed, 1000 available"):
        pipeline.prepare_request(conn, KEY, COMPANIES | {"lead_number": 1001})
    assert request_state(conn) == ("error", "credits")
    assert simulator.client.get(f"/simulator/account/{token}").status_code == 404


def test_the_same_run_id_with_another_request_is_refused(conn: psycopg.Connection) -> None:
    first = pipeline.prepare_request(conn, KEY, COMPANIES)
    with pytest.raises(InvalidRequest) as caught:
        pipeline.prepare_request(conn, KEY, COMPANIES | {"lead_number": 77, "crm_conn_id": "another_crm"})
    said = f"the run {KEY!r} is in this CRM already, as LMR001, and asked for"
    assert f"lead_number: 77 is not allowed; {said} {COMPANIES['lead_number']}" in str(caught.value)
    assert f"crm_conn_id: 'another_crm' is not allowed; {said} 'lead_mining_crm'" in str(caught.value)
    assert pipeline.prepare_request(conn, KEY, COMPANIES | {"notify": ["boss@example.com"]}) == first
    assert count(conn, "lead_mining.run") == 1


def test_after_a_top_up_the_same_run_goes_on(conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(InsufficientCredits):
        mine(COMPANIES | {"lead_number": 1001})
    with conn.transaction():
        ledger.top_up(conn, "default", 1, key="more", reference="INV-1")
    done = mine(COMPANIES | {"lead_number": 1001})
    assert done["load"]["leads"] > 0
    assert request_state(conn) == ("done", None)
    assert count(conn, "crm_iap_lead_mining_request") == 1


@pytest.mark.parametrize("limit", ["balance", "max_credits"])
def test_trimmed_to_what_can_be_paid(conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], limit: str) -> None:
    params = COMPANIES | {"lead_number": 50, "on_insufficient_credits": "trim"}
    if limit == "balance":
        with conn.transaction():
            ledger.top_up(conn, "small", 5, key="small", reference="INV-1")
        params |= {"credit_account": "small"}
    else:
        params |= {"max_credits": 5}
    done = mine(params)
    assert done["plan"]["lead_number"] == 5
    assert 0 < done["load"]["captured"] <= 5


def test_credits_gone_between_failing_and_paying(conn: psycopg.Connection, provider: OdooIap, tmp_path: Path) -> None:
    run_id = pipeline.prepare_request(conn, KEY, COMPANIES)["run_id"]
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    pipeline.release(conn, KEY)  # a task had failed for good
    with conn.transaction():
        set_aside(conn, "default", 998, key="somebody else")
    leads = count(conn, "crm_lead")
    with pytest.raises(InsufficientCredits):
        pipeline.debit_credits(conn, run_id)
    assert request_state(conn) == ("error", "credits")
    assert count(conn, "crm_lead") == leads


def test_what_was_held_when_it_was_prepared_cannot_be_taken_by_others(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]
) -> None:
    pipeline.prepare_request(conn, KEY, COMPANIES)
    with conn.transaction(), pytest.raises(InsufficientCredits):
        set_aside(conn, "default", 998, key="somebody else")
    assert mine(COMPANIES)["load"]["captured"] > 0


def test_the_providers_account_is_empty(conn: psycopg.Connection, provider: OdooIap, simulator: Simulator) -> None:
    run_id = pipeline.prepare_request(conn, KEY, COMPANIES)["run_id"]
    simulator.add_fault("insufficient_credits")
    with pytest.raises(ProviderCreditsExhausted):
        pipeline.extract(conn, run_id, provider)
    pipeline.release(conn, KEY)
    assert request_state(conn) == ("error", "credits")
    assert ledger.balance(conn, "default").available == 1000


def test_nothing_found(conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]) -> None:
    done = mine({"countries": ["AQ"]})
    assert done["load"]["leads"] == 0
    assert request_state(conn) == ("draft", "no_result")
    assert ledger.balance(conn, "default").available == 1000


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", ProviderUnavailable),
        ("http_429", ProviderUnavailable),
        ("not_json", MalformedAnswer),
        ("user_error", ProviderRejected),
        ("access_error", ProviderAccessDenied),
    ],
)
def test_a_failing_provider_loses_nothing_and_the_retry_ends_well(
    mine: Callable[..., dict[str, Any]], simulator: Simulator, fault: str, error: type[Exception]
) -> None:
    simulator.add_fault(fault, calls=1)
    with pytest.raises(error):
        mine(COMPANIES)
    assert mine(COMPANIES)["load"]["leads"] > 0


@pytest.mark.parametrize("fault", ["cut_off", "charged_then_500"])
def test_what_was_paid_and_never_came_is_not_bought_again_before_a_person_has_decided(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], simulator: Simulator, token: str, fault: str
) -> None:
    simulator.add_fault(fault, calls=1)
    with pytest.raises(ProviderUnavailable):
        mine(COMPANIES)
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown, match="its balance is 9988, and would be 10000"):
            mine(COMPANIES)
    assert simulator.account(token)["charged"] == 12
    (call,) = reconciliation.unsettled_calls(conn)
    buying.settle_call(conn, call.id, "lost", 12, by="ada")
    done = mine(COMPANIES)
    assert (done["load"]["leads"], done["extract"]["stopped"]) == (0, "the most it may cost is charged")
    assert simulator.account(token)["charged"] == 12
    assert ledger.balance(conn, "default").available == 1000, "our own credits are spent on leads alone"


@pytest.mark.parametrize("fault", ["missing_keys", "wrong_types", "duplicate_companies", "hostile"])
def test_bad_records_do_not_cost_the_good_ones(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]], simulator: Simulator, fault: str
) -> None:
    simulator.add_fault(fault, calls=1)
    done = mine(PEOPLE_BY_ROLE)
    assert done["load"]["captured"] == ledger.balance(conn, "default").spent
    came_to = summary(conn, KEY)
    assert came_to is not None
    assert came_to.loaded + sum(r.count for r in came_to.rejected()) > 0


def test_pages_bought_before_a_failure_are_not_bought_again(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OdooIap, "page_size", 5)
    simulator.add_fault("http_500", skip=1, calls=1)
    run_id = pipeline.prepare_request(conn, KEY, COMPANIES | {"lead_number": 12})["run_id"]
    with pytest.raises(ProviderUnavailable):
        pipeline.extract(conn, run_id, provider)
    assert count(conn, "lead_mining.raw_page") == 1
    done = pipeline.extract(conn, run_id, provider)
    assert (done["pages"], done["candidates"]) == (3, 12)
    assert simulator.account(token)["charged"] == done["provider_charged"] == 12


def test_above_the_threshold_nothing_is_bought_before_a_person_approves(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    plan = pipeline.prepare_request(conn, KEY, COMPANIES | {"approval_threshold": 11})
    assert plan["needs_approval"]
    with pytest.raises(CostNotApproved):
        pipeline.extract(conn, plan["run_id"], provider)
    assert simulator.client.get(f"/simulator/account/{token}").status_code == 404
    runs.set_approved_by(conn, KEY, "ada")
    assert pipeline.extract(conn, plan["run_id"], provider)["candidates"] == 12
    assert one(conn, "SELECT approved_by FROM lead_mining.run")["approved_by"] == "ada"


def test_at_the_threshold_nobody_is_asked(conn: psycopg.Connection) -> None:
    assert not pipeline.prepare_request(conn, KEY, COMPANIES | {"approval_threshold": 12})["needs_approval"]


def test_a_dry_run_writes_nothing_to_the_crm_and_the_ledger(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, token: str, tmp_path: Path
) -> None:
    before = snapshot(conn, schema="public") | {"spent": ledger.balance(conn, "default").spent}
    run_id = pipeline.prepare_request(conn, KEY, COMPANIES | {"dry_run": True})["run_id"]
    assert pipeline.extract(conn, run_id, provider)["would_find"] is None
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    assert snapshot(conn, schema="public") | {"spent": ledger.balance(conn, "default").spent} == before
    assert simulator.client.get(f"/simulator/account/{token}").status_code == 404


def test_a_failed_run_gives_back_its_hold_and_can_be_cleared(
    conn: psycopg.Connection, provider: OdooIap, tmp_path: Path
) -> None:
    run_id = pipeline.prepare_request(conn, KEY, COMPANIES)["run_id"]
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    held = pipeline.debit_credits(conn, run_id)["held"]
    assert ledger.balance(conn, "default").held == held > 0
    assert pipeline.release(conn, KEY)["released"] == held
    assert ledger.balance(conn, "default").available == 1000

    loaded = pipeline.load_leads(conn, run_id)
    assert loaded["captured"] == held == ledger.balance(conn, "default").spent
    assert ledger.balance(conn, "default").held == 0


def test_release_of_a_run_that_was_never_prepared(conn: psycopg.Connection) -> None:
    assert pipeline.release(conn, "lead_mining/never") == {"released": 0}


def two_runs_with_the_same_companies(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, docs: Path, *, first_has_failed: bool
) -> list[int]:
    """Both up to debit_credits. A run that has failed holds nothing, until it goes on."""
    run_ids = []
    for key in ("lead_mining/one", "lead_mining/two"):
        run_id = pipeline.prepare_request(conn, key, COMPANIES)["run_id"]
        pipeline.extract(conn, run_id, provider)
        simulator.add_fault("repeated_page")
        pipeline.validate(conn, run_id, docs)
        pipeline.deduplicate(conn, run_id)
        pipeline.debit_credits(conn, run_id)
        if first_has_failed and not run_ids:
            pipeline.release(conn, key)
        run_ids.append(run_id)
    return run_ids


def test_what_is_new_is_not_asked_again_while_nothing_new_is_known(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = two_runs_with_the_same_companies(conn, provider, simulator, tmp_path, first_has_failed=True)
    asked = Mock(wraps=duplicates.find_duplicates)
    monkeypatch.setattr(duplicates, "find_duplicates", asked)
    assert pipeline.load_leads(conn, one)["leads"] > 0
    assert not asked.called
    assert pipeline.load_leads(conn, two)["leads"] == 0
    assert asked.called


def test_companies_that_were_bought_meanwhile_are_known_even_if_their_leads_are_gone(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, tmp_path: Path
) -> None:
    one, two = two_runs_with_the_same_companies(conn, provider, simulator, tmp_path, first_has_failed=True)
    bought = pipeline.load_leads(conn, one)["leads"]
    # Before our index of the CRM has seen them.
    gone = conn.execute("DELETE FROM crm_lead USING lead_mining.candidate c WHERE crm_lead.id = c.lead_id").rowcount
    assert gone == bought > 0
    second = pipeline.load_leads(conn, two)
    assert (second["leads"], second["duplicates_since"]) == (0, bought)


def test_a_lead_that_somebody_enters_meanwhile_is_known(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, tmp_path: Path
) -> None:
    one, _ = two_runs_with_the_same_companies(conn, provider, simulator, tmp_path, first_has_failed=True)
    accepted = "SELECT company->>'domain' FROM lead_mining.candidate WHERE run_id = %s AND state = 'accepted' LIMIT 1"
    (domain,) = conn.execute(accepted, [one]).fetchone()
    add_lead(conn, name="Entered by hand", website=f"https://{domain}")
    assert pipeline.load_leads(conn, one)["duplicates_since"] == 1


@pytest.mark.parametrize("first_has_failed", [False, True])
def test_two_runs_with_the_same_companies_load_each_once(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, tmp_path: Path, first_has_failed: bool
) -> None:
    one, two = two_runs_with_the_same_companies(conn, provider, simulator, tmp_path, first_has_failed=first_has_failed)
    first, second = pipeline.load_leads(conn, one), pipeline.load_leads(conn, two)
    assert first["leads"] > 0
    assert (second["leads"], second["duplicates_since"]) == (0, first["leads"] if first_has_failed else 0)
    steps, reasons = conn.execute(
        "SELECT array_agg(DISTINCT step), array_agg(DISTINCT duplicate_of ORDER BY duplicate_of)"
        " FROM lead_mining.rejection WHERE run_id = %s AND rule LIKE 'duplicate%%'",
        [two],
    ).fetchone()
    if first_has_failed:
        assert steps == ["load_leads"]
        assert all(reason.startswith("crm.lead ") for reason in reasons)
    else:
        assert (steps, reasons) == (["deduplicate"], ["held by LMR001"])
    for key in ("lead_mining/one", "lead_mining/two"):
        pipeline.release(conn, key)
    assert ledger.balance(conn, "default").spent == first["captured"]
    assert ledger.balance(conn, "default").held == 0


def test_the_same_task_twice_at_once(
    conn: psycopg.Connection, crm_dsn: str, mine: Callable[..., dict[str, Any]]
) -> None:
    results: list[Any] = []

    def run() -> None:
        with psycopg.connect(crm_dsn, autocommit=True) as connection:
            try:
                results.append(mine(PEOPLE_BY_ROLE, connection=connection))
            except Exception as error:  # shown by the assertions below
                results.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    plans = [result["plan"] for result in results]
    assert plans == [plans[0]] * 3
    assert [result["load"] for result in results] == [results[0]["load"]] * 3
    assert ledger.balance(conn, "default").spent == results[0]["load"]["captured"]
    assert count(conn, "crm_iap_lead_mining_request") == 1


def test_the_summary_tells_what_came_and_what_it_cost(
    conn: psycopg.Connection, mine: Callable[..., dict[str, Any]]
) -> None:
    done = mine(PEOPLE_BY_ROLE)
    came_to = summary(conn, KEY)
    assert came_to is not None
    assert came_to.loaded == done["load"]["leads"]
    assert came_to.credits_spent == done["load"]["captured"]
    assert came_to.credits_left == 1000 - came_to.credits_spent
    table = came_to.table()
    assert "leads loaded" in table and str(came_to.credits_left) in table
    assert summary(conn, "lead_mining/never") is None
