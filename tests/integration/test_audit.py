"""The audit finds nothing after real runs, and each planted discrepancy, by psql and from Python."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_role import apply_role, logged_in
from mined_runs import set_aside

from lead_mining import buying, pipeline, prices, runs
from lead_mining.audit import audit
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.exceptions import ProviderOutcomeUnknown, ProviderUnavailable
from lead_mining.providers.odoo_iap import OdooIap
from local_stack.postgres import client_binary
from provider_simulator.testing import Simulator, running_simulator

AUDIT = Path(__file__).parents[2] / "include" / "sql" / "audit.sql"
CHECKS = set(re.findall(r"SELECT \d, '(\w+)'", AUDIT.read_text(encoding="utf-8")))
PEOPLE = {
    "countries": ["US", "DE"],
    "search_type": "people",
    "lead_number": 6,
    "contact_number": 2,
    "preferred_role": "CEO",
    "saved_search": "everybody",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def run(
    conn: psycopg.Connection,
    simulator: Simulator,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., int]:
    """Mines by all steps, on the test's own account at the provider; the run's id."""
    monkeypatch.setattr(OdooIap, "answer_within", 0.1)
    monkeypatch.setattr(OdooIap, "page_size", 3)
    provider = OdooIap(simulator.url, f"trial-{request.node.name}", "2a8a5d34-0000-4000-8000-000000000003")

    def run(key: str, **params: Any) -> int:
        plan = pipeline.prepare_request(conn, key, PEOPLE | params)
        run_id = int(plan["run_id"])
        if plan["needs_approval"]:
            runs.set_approved_by(conn, key, "ada")
        try:
            pipeline.extract(conn, run_id, provider)
            pipeline.validate(conn, run_id, tmp_path)
            pipeline.deduplicate(conn, run_id)
            pipeline.debit_credits(conn, run_id)
            pipeline.load_leads(conn, run_id)
            pipeline.write_enrichment_notes(conn, run_id)
        finally:
            pipeline.release(conn, key)
        return run_id

    return run


@pytest.fixture
def mined(conn: psycopg.Connection, run: Callable[..., int], simulator: Simulator) -> psycopg.Connection:
    """A CRM after runs of all kinds: local, mirrored, an answer lost, leads refunded, deleted and merged since."""
    simulator.clear_faults()
    first = run("one", approval_threshold=1)
    simulator.add_fault("duplicate_companies", calls=1)
    run("some of it twice", countries=["IN", "BR"])
    accounts.set_up(conn, Account("mirror", provider_conn_id="lead_mining_provider"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 500, "opening", "opening balance")
    simulator.add_fault("charged_then_500", skip=1, calls=1)
    mirrored = {"credit_account": "mirror", "countries": ["FR"], "lead_number": 5}
    with pytest.raises(ProviderUnavailable):
        run("mirrored", **mirrored)
    with pytest.raises(ProviderOutcomeUnknown):
        run("mirrored", **mirrored)
    ((call_id, most),) = conn.execute(
        "SELECT id, most FROM lead_mining.provider_call WHERE state = 'unknown'"
    ).fetchall()
    buying.settle_call(conn, call_id, "lost", most, by="ada")
    run("mirrored", **mirrored)
    with conn.transaction():
        ledger.charge(conn, "mirror", 3, "by hand", "used in the provider's own shop")
    refunded, deleted, merged, kept = conn.execute(
        "SELECT id, lead_id FROM lead_mining.candidate WHERE run_id = %s AND state = 'loaded' ORDER BY id LIMIT 4",
        [first],
    ).fetchall()
    with conn.transaction():
        ledger.refund(conn, refunded[0], "closed")
    conn.execute("DELETE FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", [deleted[1]])
    conn.execute("UPDATE mail_message SET res_id = %s WHERE model = 'crm.lead' AND res_id = %s", [kept[1], merged[1]])
    conn.execute("DELETE FROM crm_lead WHERE id IN (%s, %s)", [deleted[1], merged[1]])
    return conn


def by_psql(dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [client_binary("psql"), "-X", "-d", dsn, "-f", AUDIT], capture_output=True, text=True, check=False
    )


def test_after_real_runs_all_agrees_and_each_check_has_looked(mined: psycopg.Connection, crm_dsn: str) -> None:
    assert audit(mined) == []
    done = by_psql(crm_dsn)
    assert (done.returncode, done.stderr) == (0, "")
    looked_at = dict(
        re.findall(r"^ +\d \| ((?:for information: )?\w+) +\| +([1-9]\d*) \| +0$", done.stdout, re.MULTILINE)
    )
    informed = {"lead_was_deleted_in_the_crm", "lead_was_refunded", "answer_never_came"}
    assert looked_at.keys() == CHECKS | {f"for information: {what}" for what in informed}


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_a_price_is_the_same_in_plan_hold_capture_refund_and_audit(
    conn: psycopg.Connection, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed while the run is under way, too: a run keeps the prices that it was prepared with."""
    with monkeypatch.context() as dear:
        dear.setattr(prices, "CONTACT_CREDITS", 2)
        plan = pipeline.prepare_request(conn, "dear", PEOPLE)
        assert (plan["max_cost"], plan["cost"].rpartition(": ")[2]) == (6 + 6 * 2 * 2, "at most 30 credits")
        assert ledger.balance(conn, "default").held == 30
    run_id = run("dear")
    debited, loaded = (runs.results(conn, run_id)[step] for step in ("debit_credits", "load_leads"))
    assert loaded["contacts"] > 0
    spent = loaded["leads"] + 2 * loaded["contacts"]
    assert debited["held"] == loaded["captured"] == ledger.balance(conn, "default").spent == spent
    assert audit(conn) == []
    candidates = conn.execute("SELECT id, contacts FROM lead_mining.candidate WHERE state = 'loaded'").fetchall()
    with conn.transaction():
        for candidate_id, contacts in candidates:
            assert ledger.refund(conn, candidate_id, "closed") == 1 + 2 * contacts
    assert ledger.balance(conn, "default").spent == 0
    assert audit(conn) == []


def test_a_run_under_way_is_no_discrepancy(
    conn: psycopg.Connection, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OdooIap, "page_size", 3)
    provider = OdooIap(simulator.url, "trial-under-way", "2a8a5d34-0000-4000-8000-000000000003")
    run_id = int(pipeline.prepare_request(conn, "k", PEOPLE)["run_id"])
    for step in (
        lambda: pipeline.extract(conn, run_id, provider),
        lambda: pipeline.validate(conn, run_id, tmp_path),
        lambda: pipeline.deduplicate(conn, run_id),
        lambda: pipeline.debit_credits(conn, run_id),
        lambda: pipeline.load_leads(conn, run_id),
    ):
        assert audit(conn) == []
        step()
    assert audit(conn) == []


LOADED = (
    "(SELECT min(c.id) FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id WHERE state = 'loaded'"
)
LOCAL = f"{LOADED} AND credit_account = 'default' AND EXISTS (SELECT FROM crm_lead l WHERE l.id = c.lead_id))"
AGO = "now() - interval '8 days'"
PLANTED = {
    "balance_is_the_sum_of_its_entries": "UPDATE lead_mining.ledger_account SET balance = 7 WHERE bucket = 'available'",
    "transaction_has_two_entries": "DELETE FROM lead_mining.ledger_entry WHERE transaction_id = 1 AND amount > 0",
    "held_is_the_sum_of_holds": "UPDATE lead_mining.ledger_account SET balance = 1 WHERE bucket = 'held'",
    "hold_is_what_was_done_with_it": "UPDATE lead_mining.hold SET released = released - 1 WHERE released > 0",
    "budget_counts_what_was_used": "UPDATE lead_mining.monthly_use SET credits = credits + 1 WHERE scope = 'search'",
    "expired_hold_is_given_back": "UPDATE lead_mining.hold SET released = 0, expires_at = now() - interval '4 days'"
    " WHERE released > 0",
    "spent_is_what_was_paid": "UPDATE lead_mining.ledger_account SET balance = balance + 1 WHERE bucket = 'spent'",
    "run_paid_for_what_it_loaded": f"UPDATE lead_mining.candidate SET contacts = contacts + 1 WHERE id = {LOCAL}",
    "booked_by_who_may": "UPDATE lead_mining.ledger_transaction SET booked_by = 'pg_monitor' WHERE kind = 'refund'",
    "payment_is_booked_once": "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference)"
    " SELECT 'again', kind, owner, credits, reference FROM lead_mining.ledger_transaction WHERE kind = 'top_up' LIMIT 1",
    "settings_are_changed_by_who_may": "UPDATE lead_mining.credit_account_change SET changed_by = 'pg_monitor'",
    "settings_are_the_last_ones_kept": "UPDATE lead_mining.credit_account SET monthly_budget = 5 WHERE name = 'default'",
    "approval_was_asked_for": "UPDATE lead_mining.run SET needs_approval = false WHERE needs_approval",
    "cost_was_approved_before_it_was_spent": "UPDATE lead_mining.run SET approved_at = now() WHERE needs_approval",
    "movement_is_on_the_account_of_its_run": "UPDATE lead_mining.ledger_transaction SET owner = 'mirror'"
    " WHERE kind = 'hold' AND owner = 'default'",
    "refund_is_what_was_paid": "UPDATE lead_mining.ledger_transaction SET credits = credits + 1 WHERE kind = 'refund'",
    "run_is_as_it_was_planned": "UPDATE lead_mining.run SET max_cost = max_cost + 1",
    "spent_by_a_run": "UPDATE lead_mining.hold SET run_id = NULL WHERE captured > 0 AND owner = 'default'",
    "spent_on_a_call_or_by_a_person": "UPDATE lead_mining.ledger_transaction SET call_id = NULL WHERE kind = 'capture'",
    "call_is_paid_as_charged": "UPDATE lead_mining.provider_call SET charged = charged + 1 WHERE state = 'lost'",
    "contacts_paid_are_contacts_loaded": "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{contacts}', '[]')"
    " WHERE state = 'loaded' AND contacts > 0",
    "lead_is_in_the_crm": f"UPDATE lead_mining.candidate SET lead_id = 2000000000 WHERE id = {LOCAL}",
    "lead_is_the_company_bought": "UPDATE crm_lead SET reveal_id = 'another' WHERE id ="
    f" (SELECT lead_id FROM lead_mining.candidate WHERE id = {LOCAL})",
    "note_is_written": f"UPDATE lead_mining.candidate SET note_message_id = NULL WHERE id = {LOCAL}",
    "answer_is_kept": "DELETE FROM lead_mining.raw_page WHERE run_id = 1 AND page_number = 1",
    "page_was_written_down_before": "DELETE FROM lead_mining.provider_call WHERE run_id = 1 AND page_number = 1",
    "each_company_bought_is_kept": "DELETE FROM lead_mining.candidate WHERE state = 'rejected'",
    "candidate_came_to_an_end": "UPDATE lead_mining.candidate SET state = 'accepted' WHERE state = 'rejected'",
    "rejection_has_a_reason": "DELETE FROM lead_mining.rejection",
    "bought_is_loaded_within_7_days": f"UPDATE lead_mining.raw_page SET received_at = {AGO};"
    " DELETE FROM lead_mining.run_step WHERE step = 'load_leads'",
    "call_is_settled_within_7_days": f"UPDATE lead_mining.provider_call SET asked_at = {AGO}, state = 'unknown',"
    " charged = NULL WHERE state = 'lost'",
    "page_is_bought_once": "DROP INDEX lead_mining.provider_call_one_answer_a_page; INSERT INTO lead_mining.provider_call"
    " (run_id, page_number, provider, asked, most, state, charged, pending_until, ended_at) SELECT run_id, page_number,"
    " provider, asked, most, state, charged, pending_until, ended_at FROM lead_mining.provider_call WHERE state = 'answered'",
    "run_is_paid_once": "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id) SELECT 'again',"
    " kind, owner, credits, hold_id FROM lead_mining.ledger_transaction WHERE kind = 'capture' AND call_id IS NULL LIMIT 1",
    "lead_is_paid_once": "ALTER TABLE lead_mining.candidate DROP CONSTRAINT candidate_lead_id_key;"
    " UPDATE lead_mining.candidate SET lead_id = (SELECT max(lead_id) FROM lead_mining.candidate) WHERE state = 'loaded'",
    "company_is_loaded_once": "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{reveal_id}', '\"same\"')"
    " WHERE state = 'loaded'",
}


def test_each_check_has_a_planted_discrepancy() -> None:
    assert PLANTED.keys() == CHECKS


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_what_is_planted_is_found_and_fails_loudly(mined: psycopg.Connection, crm_dsn: str) -> None:
    """One database for all: each is planted, looked at from Python and by psql, and taken back."""
    for check, planted in PLANTED.items():
        with mined.transaction(force_rollback=True):
            mined.execute("SET LOCAL session_replication_role = replica")  # switches the ledger's guards off
            mined.execute(planted)  # type: ignore[arg-type]
            found = audit(mined)
            assert check in {each.check for each in found}, check
            lines = AUDIT.read_text(encoding="utf-8").splitlines(keepends=True)
            with pytest.raises(psycopg.DataError, match=f"{len(found)} DISCREPANCIES") as failed, mined.transaction():
                mined.execute("".join(line for line in lines if not line.startswith("\\")).encode())
            for each in found:
                assert f"claim {each.claim}, {each.check}: {each.what}: expected" in str(failed.value)
    assert audit(mined) == []


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_psql_fails_as_the_role_that_mines(mined: psycopg.Connection, crm_dsn: str) -> None:
    apply_role(mined)
    with logged_in(mined) as role:
        assert audit(role) == []
    mined.execute("SET session_replication_role = replica")
    mined.execute("UPDATE lead_mining.ledger_account SET balance = 7 WHERE (owner, bucket) = ('default', 'available')")
    done = by_psql(crm_dsn)
    assert done.returncode == 3
    assert (
        "1 DISCREPANCIES\n  claim 0, balance_is_the_sum_of_its_entries: available of account default: expected"
        in done.stderr
    )


def test_a_run_that_only_holds_credits_agrees(conn: psycopg.Connection) -> None:
    with conn.transaction():
        set_aside(conn, "default", 5, key="nobody's")
    assert audit(conn) == []
