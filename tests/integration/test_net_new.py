"""Net-new before paying: a provider is asked for as many more as turn out to be known or bad, within the run's budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_records import add_lead
from known_ones import known_of
from paid_catalogue import PaidCatalogue, name_of, write_catalogue

from lead_mining import pipeline, runs
from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.credits.ledger import Spendable
from lead_mining.messages import Troubles, about_ended
from lead_mining.providers.base import Provider
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.summary import RunSummary, summary

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
REQUEST = {"countries": ["DE"], "lead_number": 10}
SOME = [f"r{number}" for number in range(1, 13)]


def mine(conn: psycopg.Connection, provider: Provider, docs: Path, key: str, **params: Any) -> RunSummary:
    run_id = pipeline.prepare_request(conn, key, REQUEST | params)["run_id"]
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, key)
    found = summary(conn, key)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("excludes_known", "expected"),
    [
        # night by night: net-new leads, paid, lost to rejections
        (True, [(10, 11, 1), (10, 12, 2), (10, 12, 2)]),
        (False, [(10, 11, 1), (10, 23, 13), (10, 35, 25)]),
    ],
)
def test_the_same_request_three_nights_running(
    conn: psycopg.Connection,
    tmp_path: Path,
    excludes_known: bool,
    expected: list[tuple[int, int, int]],
) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100, bad_every=6), excludes_known=excludes_known)
    nights = [mine(conn, provider, tmp_path, f"night/{n}", max_credits=40) for n in range(3)]
    found = [(night.loaded, night.provider_charged, night.lost_to_rejections) for night in nights]
    assert found == expected
    assert provider.paid == sum(paid for _, paid, _ in expected)
    assert audit(conn) == []


def test_a_saved_search_says_when_it_finds_nothing_new_run_after_run(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 5), excludes_known=True)
    mine(conn, provider, tmp_path, "of another search", saved_search="Other", states=[])
    nights = [mine(conn, provider, tmp_path, f"night/{n}", saved_search="Spring") for n in range(4)]
    assert [night.loaded for night in nights] == [0, 0, 0, 0]
    assert [night.notices[0] if night.notices else None for night in nights] == [
        None,
        None,
        "nothing new in 3 runs of 'Spring' in a row: widen its filters, or mine it less often",
        "nothing new in 4 runs of 'Spring' in a row: widen its filters, or mine it less often",
    ]
    write_catalogue(tmp_path / "more.csv", 9)
    found = mine(
        conn, PaidCatalogue(tmp_path / "more.csv", excludes_known=True), tmp_path, "night/4", saved_search="Spring"
    )
    assert (found.loaded, found.notices) == (4, ())
    assert mine(conn, provider, tmp_path, "by hand").notices == ()


def test_without_a_larger_budget_no_more_is_bought_than_asked_for(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100, bad_every=5), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one")
    assert (found.loaded, found.provider_charged, found.lost_to_rejections, found.max_cost) == (8, 10, 2, 10)
    assert ("of that, lost to rejections", "2") in found.lines()


def test_a_free_provider_has_lost_nothing(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = LeadCatalog(write_catalogue(tmp_path / "c.csv", 3, bad_every=2))
    found = mine(conn, provider, tmp_path, "one")
    assert (found.loaded, found.provider_charged, found.lost_to_rejections) == (2, 0, 0)
    conn.execute("SET session_replication_role = replica")  # past whatever guards what was done
    conn.execute(
        "UPDATE lead_mining.run_step SET result = jsonb_set(result, '{lost_to_rejections}', '-2') WHERE step = 'load_leads'"
    )  # as earlier versions stored it
    told = summary(conn, "one")
    assert told
    assert told.lost_to_rejections == 0
    message = about_ended(runs.get(conn, told.run_id), told, Troubles((), (), 0, Spendable(9, None)), {}, None)
    assert not any("for what was turned down" in line for line in message.lines)
    assert "lost to rejections" not in told.table()


@pytest.mark.parametrize("budget", [11, 13])
def test_the_budget_is_never_passed(conn: psycopg.Connection, tmp_path: Path, budget: int) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100, bad_every=2), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one", max_credits=budget)
    assert provider.paid == found.provider_charged == budget
    assert found.loaded == (budget + 1) // 2
    assert found.stopped == "the most it may cost is charged"


def test_a_provider_that_has_no_more_ends_the_search(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 12, bad_every=3), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one", max_credits=100)
    assert (found.loaded, found.provider_charged, found.stopped) == (8, 12, "the provider has no more")


def test_what_the_account_cannot_pay_is_not_in_the_budget(conn: psycopg.Connection, tmp_path: Path) -> None:
    with conn.transaction():
        ledger.top_up(conn, "small", 12, "small", "small")
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100, bad_every=2), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one", max_credits=100, credit_account="small")
    assert (found.max_cost, found.provider_charged, found.loaded) == (12, 12, 6)
    assert ledger.balance(conn, "small").available == 6


def test_companies_that_the_crm_has_are_replaced_by_others(conn: psycopg.Connection, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        add_lead(conn, website=f"https://firm-{number}.example")
    add_lead(
        conn,
        partner_name=name_of(4).removesuffix(" GmbH"),
        country_id=conn.execute("SELECT id FROM res_country WHERE code = 'DE'").fetchone()[0],
    )
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one", max_credits=20)
    assert (found.loaded, found.lost_to_rejections) == (10, 4)
    assert {(r.rule, r.count) for r in found.rejected()} == {("duplicate_domain", 3), ("possible_duplicate", 1)}


def test_likely_duplicates_are_loaded_with_a_warning_where_the_request_says_so(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    (germany,) = conn.execute("SELECT id FROM res_country WHERE code = 'DE'").fetchone()
    lead = add_lead(conn, partner_name=name_of(4).removesuffix(" GmbH"), country_id=germany)
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 100), excludes_known=False)
    found = mine(conn, provider, tmp_path, "one", on_possible_duplicate="load")
    assert found.loaded == 10
    assert [(r.rule, r.count) for r in found.rejected("warn") if r.step == "deduplicate"] == [("possible_duplicate", 1)]
    (of, value) = conn.execute(
        "SELECT duplicate_of, value FROM lead_mining.rejection WHERE rule = 'possible_duplicate'"
    ).fetchone()
    assert of == f"crm.lead {lead}"
    assert value.endswith("% likely: like name, same country")


def test_what_was_bought_and_turned_down_for_good_is_not_bought_again(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 10, bad_every=5), excludes_known=True)
    mine(conn, provider, tmp_path, "one")
    assert known_of(conn, SOME) == set(SOME[:10])
    assert mine(conn, provider, tmp_path, "two").provider_charged == 0


def test_what_only_that_request_did_not_ask_for_may_be_bought_again(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 3), excludes_known=True)
    run_id = pipeline.prepare_request(conn, "one", REQUEST)["run_id"]
    pipeline.extract(conn, run_id, provider)
    conn.execute(
        "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{country_code}', '\"FR\"') WHERE position = 2"
    )
    pipeline.validate(conn, run_id, tmp_path)
    assert known_of(conn, SOME) == set()
    pipeline.deduplicate(conn, run_id)
    assert known_of(conn, SOME) == {"r1", "r3"}


def test_a_trial_run_has_bought_nothing(conn: psycopg.Connection, tmp_path: Path) -> None:
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 3), excludes_known=True)
    run_id = pipeline.prepare_request(conn, "one", REQUEST | {"dry_run": True})["run_id"]
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    assert known_of(conn, SOME) == set()
