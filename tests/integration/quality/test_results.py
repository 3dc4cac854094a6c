"""What the suites found, kept with the run; rates over time; and the rejected rows as a person looks at them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from crm_records import add_lead
from paid_catalogue import PaidCatalogue

from lead_mining import pipeline, retrying
from lead_mining.credits import ledger
from lead_mining.exceptions import QualityError
from lead_mining.privacy import retention
from lead_mining.quality import results
from lead_mining.rejections import rejected_rows

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
COMPANIES = [  # name, domain, country_code, phones
    ("Good Werke", "good.example", "DE", "+49 2161 3173535"),
    ("In the CRM", "known.example", "DE", ""),
    ("Free Mail", "gmail.com", "DE", ""),
    ("No Number", "number.example", "DE", "12"),
    ("Elsewhere", "gmail.com", "FR", ""),
]
KEY = "lead_mining/night 1"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "companies.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "phones", "reveal_id"])
        writer.writerows((*company, f"r{number}") for number, company in enumerate(COMPANIES))
    return path


def mine(conn: psycopg.Connection, catalogue: Path, key: str = KEY, **params: Any) -> int:
    """A run from prepare_request to the notes; its id."""
    request = {"countries": ["DE", "FR"], "lead_number": 5, "saved_search": "Berlin"} | params
    run_id = int(pipeline.prepare_request(conn, key, request)["run_id"])
    pipeline.extract(conn, run_id, PaidCatalogue(catalogue, excludes_known=False))
    finish(conn, run_id, key, catalogue.parent / "docs", dry_run=bool(params.get("dry_run")))
    return run_id


def finish(conn: psycopg.Connection, run_id: int, key: str, docs: Path, dry_run: bool = False) -> None:
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    if not dry_run:
        pipeline.debit_credits(conn, run_id)
        pipeline.load_leads(conn, run_id)
        pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, key)


def rates(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    found = results.over_time(conn, 100)
    return [(one.run_key, one.provider, one.saved_search, one.suite, one.checked, one.passed) for one in found]


def test_each_suite_and_each_rule_leaves_its_figures(conn: psycopg.Connection, catalogue: Path) -> None:
    run_id = mine(conn, catalogue)
    assert rates(conn) == [
        (KEY, "lead_mining_provider", "Berlin", "company", 5, 3),
        (KEY, "lead_mining_provider", "Berlin", "lead", 5, 5),
    ]
    rows = conn.execute(
        "SELECT rule, severity, checked, failed FROM lead_mining.quality_rule_result WHERE run_id = %s AND failed > 0"
        " ORDER BY rule",
        [run_id],
    ).fetchall()
    assert ("domain_is_not_free_mail", "reject", 5, 2) in rows
    assert ("phone_is_valid", "warn", 5, 1) in rows
    counted = conn.execute(
        "SELECT rule, count(*) FROM lead_mining.rejection WHERE run_id = %s AND step = 'validate' GROUP BY 1 ORDER BY 1",
        [run_id],
    ).fetchall()
    assert [(rule, failed) for rule, _, _, failed in rows] == counted


def test_called_again_it_counts_nothing_twice(conn: psycopg.Connection, catalogue: Path) -> None:
    run_id = mine(conn, catalogue)
    pipeline.validate(conn, run_id, catalogue.parent / "docs")
    assert len(rates(conn)) == 2


def test_trial_runs_count_and_rejections_tried_again_do_not(conn: psycopg.Connection, catalogue: Path) -> None:
    mine(conn, catalogue)
    mine(conn, catalogue, key="lead_mining/trial", dry_run=True)
    (candidate,) = conn.execute("SELECT min(candidate_id) FROM lead_mining.rejected_company").fetchone()
    plan = retrying.prepare_retry(conn, "retry_rejections/x", [candidate], [], {})
    finish(conn, plan["run_id"], "retry_rejections/x", catalogue.parent / "docs")
    assert {row[0] for row in rates(conn)} == {KEY, "lead_mining/trial"}
    assert conn.execute("SELECT count(DISTINCT run_id) FROM lead_mining.quality_suite_result").fetchone() == (3,)


def test_figures_outlive_the_rejections(conn: psycopg.Connection, catalogue: Path) -> None:
    mine(conn, catalogue)
    before = rates(conn)
    conn.execute("UPDATE lead_mining.raw_page SET received_at = now() - interval '400 days'")
    conn.execute("UPDATE lead_mining.rejection SET created_at = now() - interval '400 days'")
    retention.apply(conn, 365)
    assert rates(conn) == before
    assert [row for row in rejected_rows(conn, KEY, None, 100) if row.can_be_tried_again] == []


def test_the_newest_come_first_and_no_more_than_asked_for(conn: psycopg.Connection, catalogue: Path) -> None:
    for night in (1, 2, 3):
        mine(conn, catalogue, key=f"lead_mining/night {night}")
    assert [one.run_key for one in results.over_time(conn, 4)] == ["lead_mining/night 3"] * 2 + [
        "lead_mining/night 2"
    ] * 2


def test_rejected_rows_say_which_company_and_why(conn: psycopg.Connection, catalogue: Path) -> None:
    lead_id = add_lead(conn, website="https://known.example")
    mine(conn, catalogue)
    rows = {(row.company, row.rule): row for row in rejected_rows(conn, KEY, None, 100)}
    duplicate = rows["In the CRM", "duplicate_domain"]
    assert (duplicate.step, duplicate.severity, duplicate.duplicate_of) == (
        "deduplicate",
        "reject",
        f"crm.lead {lead_id}",
    )
    assert (duplicate.value, duplicate.lead_id, duplicate.can_be_tried_again) == ("known.example", None, True)
    free_mail = rows["Free Mail", "domain_is_not_free_mail"]
    assert (free_mail.domain, free_mail.country, free_mail.value, free_mail.contact) == (
        "gmail.com",
        "DE",
        "gmail.com",
        None,
    )
    number = rows["No Number", "phone_is_valid"]
    assert (number.severity, number.value, number.missing) == ("warn", None, False)  # a number may be somebody's
    assert number.lead_id is not None
    assert not number.can_be_tried_again


def test_rows_of_one_rule_and_no_more_than_asked_for(conn: psycopg.Connection, catalogue: Path) -> None:
    mine(conn, catalogue)
    assert {row.company for row in rejected_rows(conn, KEY, "domain_is_not_free_mail", 100)} == {
        "Free Mail",
        "Elsewhere",
    }
    assert len(rejected_rows(conn, KEY, "domain_is_not_free_mail", 1)) == 1
    assert rejected_rows(conn, KEY, "'; DROP TABLE lead_mining.run; --", 100) == []
    assert rejected_rows(conn, "lead_mining/no such run", None, 100) == []


def test_once_loaded_it_says_which_lead_it_is(conn: psycopg.Connection, catalogue: Path) -> None:
    mine(conn, catalogue)
    (row,) = [row for row in rejected_rows(conn, KEY, "domain_is_not_free_mail", 9) if row.company == "Free Mail"]
    assert row.can_be_tried_again
    assert row.candidate_id is not None
    plan = retrying.prepare_retry(conn, "retry_rejections/x", [row.candidate_id], ["domain_is_not_free_mail"], {})
    finish(conn, plan["run_id"], "retry_rejections/x", catalogue.parent / "docs")
    (again,) = [row for row in rejected_rows(conn, KEY, "domain_is_not_free_mail", 9) if row.company == "Free Mail"]
    assert (again.can_be_tried_again, again.lead_id is None) == (False, False)


def own_rule(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    rule = {
        "type": "expect_column_values_to_not_match_regex",
        "kwargs": {"column": "name", "regex": "Good"},
        "severity": "critical",
        "description": "No good ones.",
        "meta": {"name": "no_good_ones"},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump({"suite": "company", "expectations": [rule | changes]}))
    monkeypatch.setenv("LEAD_MINING_EXPECTATIONS", str(folder))


def test_a_rule_of_ones_own_turns_down_and_can_be_overruled(
    conn: psycopg.Connection, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_rule(tmp_path, monkeypatch)
    mine(conn, catalogue)
    (row,) = rejected_rows(conn, KEY, "no_good_ones", 9)
    assert (row.company, row.value, row.lead_id) == ("Good Werke", "Good Werke", None)
    (version,) = conn.execute("SELECT version FROM lead_mining.quality_suite_result WHERE suite = 'company'").fetchone()
    assert version.startswith("2+")
    plan = retrying.prepare_retry(conn, "retry_rejections/x", [row.candidate_id], ["no_good_ones"], {})
    finish(conn, plan["run_id"], "retry_rejections/x", tmp_path / "docs")
    assert conn.execute("SELECT count(*) FROM crm_lead WHERE partner_name = 'Good Werke'").fetchone() == (1,)


def test_a_wrong_rule_of_ones_own_stops_the_run_before_anything_is_held(
    conn: psycopg.Connection, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_rule(tmp_path, monkeypatch, kwargs={"column": "nam", "regex": "x"})
    with pytest.raises(QualityError, match=r"own\.yaml, expectation 1 .*there is no column 'nam'; did you mean 'name'"):
        mine(conn, catalogue)
    assert QualityError.permanent
    assert ledger.balance(conn, "default").held == 0
    assert conn.execute("SELECT count(*) FROM crm_iap_lead_mining_request").fetchone() == (0,)
