"""The audit finds nothing in a clean database, and each planted discrepancy."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from lead_mining import pipeline
from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import running_simulator


@pytest.fixture(scope="module")
def provider() -> Iterator[OdooIap]:
    with running_simulator() as simulator:
        yield OdooIap(simulator.url, "trial-audit", "2a8a5d34-0000-4000-8000-000000000003")


@pytest.fixture
def mined(conn: psycopg.Connection, provider: OdooIap, tmp_path) -> psycopg.Connection:  # type: ignore[no-untyped-def]
    """A CRM after one finished run."""
    run_id = pipeline.prepare_request(conn, "lead_mining/audit", {"countries": ["US"], "lead_number": 4})["run_id"]
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    assert pipeline.load_leads(conn, run_id)["leads"]
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, "lead_mining/audit")
    return conn


def test_a_clean_run_has_no_discrepancy(mined: psycopg.Connection) -> None:
    assert audit(mined) == []


PLANTED = {
    "balance_is_sum_of_entries": "UPDATE lead_mining.ledger_account SET balance = balance + 1 WHERE bucket = 'available'",
    "entries_sum_to_zero": "DELETE FROM lead_mining.ledger_entry WHERE amount < 0",
    "held_is_sum_of_holds": "UPDATE lead_mining.ledger_account SET balance = balance + 1 WHERE bucket = 'held'",
    "captured_is_loaded": "UPDATE lead_mining.candidate SET state = 'accepted', lead_id = NULL WHERE id ="
    " (SELECT min(id) FROM lead_mining.candidate WHERE state = 'loaded')",
    "loaded_lead_is_in_the_crm": "UPDATE lead_mining.candidate SET lead_id = 2000000000, note_message_id = NULL WHERE id ="
    " (SELECT min(id) FROM lead_mining.candidate WHERE state = 'loaded')",
    "answer_is_stored": "UPDATE lead_mining.provider_call SET charged = charged + 1",
    "bought_companies_are_kept": "UPDATE lead_mining.raw_page SET found = 0",
    "rejection_has_a_reason": "UPDATE lead_mining.candidate SET state = 'rejected', lead_id = NULL WHERE id ="
    " (SELECT min(id) FROM lead_mining.candidate WHERE state = 'loaded')",
    "page_is_bought_once": "DROP INDEX lead_mining.provider_call_one_answer_a_page; INSERT INTO lead_mining.provider_call"
    " (run_id, page_number, provider, asked, most, state, charged, pending_until, ended_at) SELECT run_id, page_number,"
    " provider, asked, most, state, charged, pending_until, ended_at FROM lead_mining.provider_call",
    "run_is_paid_once": "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id) SELECT 'again',"
    " kind, owner, credits, hold_id FROM lead_mining.ledger_transaction WHERE kind = 'capture'",
}


@pytest.mark.parametrize("check", PLANTED)
def test_what_is_planted_is_found(mined: psycopg.Connection, check: str) -> None:
    mined.execute("SET session_replication_role = replica")  # switches the ledger's guards off
    mined.execute(PLANTED[check])  # type: ignore[arg-type]
    assert check in {found.check for found in audit(mined)}


def test_an_account_without_runs_agrees(conn: psycopg.Connection) -> None:
    with conn.transaction():
        ledger.hold(conn, "default", 5, key="nobody's")
    assert audit(conn) == []
