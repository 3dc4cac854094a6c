"""A step's process is killed (SIGKILL) in the middle of its transaction; called again, it ends as if nothing had been."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lead_mining import pipeline
from lead_mining.credits import ledger
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import running_simulator

KEY = "lead_mining/killed"
STEPS = ["deduplicate", "debit_credits", "load_leads", "write_enrichment_notes"]
# Each step, and a table that it writes late: locked by somebody else, it holds the step in the middle of its work.
KILLED_AT = {
    "deduplicate": "lead_mining.rejection",
    "debit_credits": "lead_mining.ledger_account",
    "load_leads": "mail_followers",
    "write_enrichment_notes": "mail_message",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OdooIap]:
    with running_simulator() as simulator:
        yield OdooIap(simulator.url, "trial-killed", "2a8a5d34-0000-4000-8000-000000000002")


def wait_until_blocked(conn: psycopg.Connection) -> None:
    end = time.monotonic() + 60
    while not conn.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone():
        assert time.monotonic() < end, "the step did not come to the locked table"
        time.sleep(0.05)


@pytest.mark.parametrize("killed", STEPS)
def test_a_step_killed_in_the_middle_is_done_once(
    conn: psycopg.Connection, crm_dsn: str, crm_kind: str, provider: OdooIap, tmp_path: Path, killed: str
) -> None:
    request = {"countries": ["US"], "lead_number": 8, "salesperson": {"embedded": "alex", "odoo17": "mia"}[crm_kind]}
    run_id = pipeline.prepare_request(conn, KEY, request)["run_id"]
    pipeline.extract(conn, run_id, provider)
    valid = pipeline.validate(conn, run_id, tmp_path)["valid"]
    for step in STEPS[: STEPS.index(killed)]:
        getattr(pipeline, step)(conn, run_id)

    code = (
        "import sys, psycopg; from lead_mining import pipeline\n"
        f"with psycopg.connect(sys.argv[1], autocommit=True) as conn: pipeline.{killed}(conn, {run_id})"
    )
    with psycopg.connect(crm_dsn) as somebody:
        somebody.execute(f"LOCK TABLE {KILLED_AT[killed]} IN SHARE ROW EXCLUSIVE MODE")
        process = subprocess.Popen([sys.executable, "-c", code, crm_dsn])
        wait_until_blocked(conn)
        process.kill()
        assert process.wait(timeout=30) < 0
        somebody.rollback()

    for step in STEPS[STEPS.index(killed) :]:
        getattr(pipeline, step)(conn, run_id)
    pipeline.release(conn, KEY)

    (leads,) = conn.execute("SELECT count(*) FROM crm_lead WHERE lead_mining_request_id IS NOT NULL").fetchone() or (0,)
    (notes,) = conn.execute("SELECT count(note_message_id) FROM lead_mining.candidate").fetchone() or (0,)
    (mails,) = conn.execute("SELECT count(*) FROM mail_mail WHERE state = 'outgoing'").fetchone() or (0,)
    balance = ledger.balance(conn, "default")
    assert 0 < leads == notes == mails == balance.spent <= valid
    assert (balance.held, balance.available) == (0, 1000 - leads)
