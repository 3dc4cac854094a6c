"""The whole way from a file of companies: counted for free, known companies left out before anything is paid."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from known_ones import known_of

from lead_mining import pipeline
from lead_mining.credits import ledger
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.summary import summary

REQUEST = {"countries": ["DE", "US"], "lead_number": 30}


@pytest.fixture
def catalogue(tmp_path: Path) -> LeadCatalog:
    path = tmp_path / "companies.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Firma", "Web", "Land"])
        for number in range(50):
            country = "Germany" if number % 2 else "United States"
            writer.writerow([f"Müller & Söhne {number}", f"http://www.mueller-{number}.example/start", country])
    return LeadCatalog(str(path), {"name": "Firma", "domain": "Web", "country_code": "Land"})


@pytest.fixture
def mine(conn: psycopg.Connection, catalogue: LeadCatalog, tmp_path: Path) -> Callable[..., int]:
    def run(key: str, **params: Any) -> int:
        """Mines up to deduplication, and loads where it is no trial run; gives the leads accepted."""
        run_id = pipeline.prepare_request(conn, key, REQUEST | params)["run_id"]
        pipeline.extract(conn, run_id, catalogue)
        pipeline.validate(conn, run_id, tmp_path / "docs")
        accepted = pipeline.deduplicate(conn, run_id)["accepted"]
        if not params.get("dry_run"):
            pipeline.debit_credits(conn, run_id)
            pipeline.load_leads(conn, run_id)
            pipeline.write_enrichment_notes(conn, run_id)
        return int(accepted)

    return run


def test_each_run_finds_what_is_new_until_there_is_no_more(conn: psycopg.Connection, mine: Callable[..., int]) -> None:
    assert [mine("a/1"), mine("a/2"), mine("a/3")] == [30, 20, 0]
    assert ledger.balance(conn, "default").spent == 50
    last = summary(conn, "a/3")
    assert last is not None
    assert last.stopped == "the provider has no more"
    duplicates = conn.execute(
        "SELECT website FROM crm_lead WHERE lead_mining_request_id IS NOT NULL GROUP BY website HAVING count(*) > 1"
    )
    assert duplicates.fetchall() == []


def test_a_trial_run_counts_and_checks_a_sample(conn: psycopg.Connection, mine: Callable[..., int]) -> None:
    assert mine("a/1", dry_run=True) == 30
    came_to = summary(conn, "a/1")
    assert came_to is not None
    assert (came_to.would_find, came_to.candidates, came_to.loaded) == (50, 30, 0)
    assert ("would find", "50 companies") in came_to.lines()
    assert ledger.balance(conn, "default").spent == 0
    assert mine("a/2") == 30, "a trial run makes nothing known"


def test_known_companies_are_those_of_the_crm_and_those_bought_before(
    conn: psycopg.Connection, mine: Callable[..., int]
) -> None:
    conn.execute(
        "INSERT INTO crm_lead (name, type, active, website, reveal_id) VALUES ('Lost', 'lead', false, %s, 'r-1')",
        ["https://www.Mueller-1.example/"],
    )
    domains = [f"mueller-{number}.example" for number in range(50)]
    assert known_of(conn, domains=[*domains, "gmail.com"]) == {"mueller-1.example"}
    assert known_of(conn, ["r-1", "r-2"]) == {"r-1"}
    assert mine("a/1", lead_number=2) == 2
    conn.execute("DELETE FROM mail_followers")
    conn.execute("DELETE FROM crm_lead WHERE name <> 'Lost'")
    assert len(known_of(conn, domains=domains)) == 3, "what was bought stays known when somebody deletes the lead"


def test_a_rejected_contact_is_taken_out_and_not_charged_and_its_company_stays(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    contacts = [
        {"full_name": "Ada Example", "email": "ada@mueller.example", "role": "CEO"},
        {"full_name": "Bo Example", "email": "bo@", "role": "CEO"},
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "contacts"])
        writer.writerow(["Müller", "mueller.example", "DE", json.dumps(contacts)])
        writer.writerow(["Other", "other.example", "DE", json.dumps(contacts[1:])])
    params = {"countries": ["DE"], "search_type": "people", "preferred_role": "CEO", "contact_number": 2}
    run_id = pipeline.prepare_request(conn, "a/1", params)["run_id"]
    pipeline.extract(conn, run_id, LeadCatalog(str(path)))
    assert pipeline.validate(conn, run_id, tmp_path / "docs")["contacts_rejected"] == 2
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    assert pipeline.load_leads(conn, run_id)["captured"] == 3
    loaded = conn.execute(
        "SELECT company->>'name', contacts, jsonb_path_query_array(company, '$.contacts[*].full_name')"
        " FROM lead_mining.candidate ORDER BY position"
    ).fetchall()
    assert loaded == [("Müller", 1, ["Ada Example"]), ("Other", 0, [])]
    kept = conn.execute("SELECT record->>'full_name' FROM lead_mining.rejection WHERE severity = 'reject'").fetchall()
    assert kept == [("Bo Example",), ("Bo Example",)], "what was left out is never lost"
