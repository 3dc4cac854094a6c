"""Loading is done in sets: as many statements for a thousand leads as for one."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from statement_counter import counted_statements

from lead_mining import candidates, judging, pipeline, runs
from lead_mining.matching import crm_index
from lead_mining.providers.lead_catalog import LeadCatalog

MOST = 76
"""Statements for loading leads of another salesperson and writing their notes. Odoo 17: 12,330 for 200 leads."""


@pytest.fixture(autouse=True)
def index_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many statements bring our index of the CRM in step depends on what others write in the meantime."""
    monkeypatch.setattr(crm_index, "refresh", lambda conn: 0)


def ready_to_load(conn: psycopg.Connection, folder: Path, key: str, leads: int, salesperson: str) -> int:
    """A run whose credits are held; returns its id."""
    path = folder / f"{leads}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "emails", "phones"])
        for n in range(leads):
            domain = f"works-{n}.of-{leads}.example"
            country = ("US", "DE", "FR", "JP")[n % 4]
            writer.writerow([f"Works {leads}/{n}", domain, country, f"info@{domain}", f"+1 775 {leads:03d} {n:04d}"])
    params = {
        "countries": ["US", "DE", "FR", "JP"],
        "lead_number": leads,
        "salesperson": salesperson,
        "tags": ["A", "B"],
    }
    run_id = int(pipeline.prepare_request(conn, key, params)["run_id"])
    pipeline.extract(conn, run_id, LeadCatalog(str(path)))
    assert candidates.move(conn, run_id, "extracted", "accepted") == leads  # the checks are not what is counted
    runs.set_judged_as_of(conn, run_id, judging.known_now(conn))
    pipeline.debit_credits(conn, run_id)
    return run_id


def test_as_many_statements_for_200_leads_as_for_20(
    conn: psycopg.Connection,
    tmp_path: Path,
    users: tuple[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    sent = {}
    for leads in (20, 200):
        run_id = ready_to_load(conn, tmp_path, f"count/{leads}", leads, users[0])
        with counted_statements(conn) as statements:
            assert pipeline.load_leads(conn, run_id)["leads"] == leads
            assert pipeline.write_enrichment_notes(conn, run_id)["notes"] == leads
        sent[leads] = statements
    assert Counter(sent[20]) == Counter(sent[200])
    assert len(sent[200]) <= MOST, "\n".join(sent[200])
    record_property("statements", len(sent[200]))


def test_the_counter_counts(crm: psycopg.Connection) -> None:
    with counted_statements(crm) as statements:
        crm.execute("CREATE TEMPORARY TABLE counted (id int)")
        with crm.cursor() as cursor:
            cursor.execute("SELECT  %s", [1])
            cursor.executemany("INSERT INTO counted VALUES (%s)", iter([[1], [2]]))
            with cursor.copy("COPY counted FROM STDIN") as copy:
                copy.write_row([3])
    crm.execute("SELECT 'not counted'")
    assert statements == [
        "CREATE TEMPORARY TABLE counted (id int)",
        "SELECT %s",
        *["INSERT INTO counted VALUES (%s)"] * 2,
        "COPY counted FROM STDIN",
    ]
    assert crm.execute("SELECT count(*) FROM counted").fetchone() == (3,)


@pytest.mark.parametrize("leads", [0, 1])
def test_few_leads_take_no_more(conn: psycopg.Connection, tmp_path: Path, users: tuple[str, str], leads: int) -> None:
    run_id = ready_to_load(conn, tmp_path, "count/few", max(leads, 1), users[0])
    if not leads:
        candidates.move(conn, run_id, "accepted", "rejected")
    with counted_statements(conn) as statements:
        assert pipeline.load_leads(conn, run_id)["leads"] == leads
        pipeline.write_enrichment_notes(conn, run_id)
    assert len(statements) <= MOST
