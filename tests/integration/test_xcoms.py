"""What the steps of a run hand on through Airflow, which keeps it and shows it to viewers, names no person."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from personal_data import PEOPLE

from lead_mining import pipeline
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import running_simulator

LOGIN, TOLD, ASKED_BY = "vera.log-in@crm.example", "boss@example.com", "anna.asks@airflow.example"


@pytest.fixture
def crm_kind() -> str:
    return "embedded"


def test_no_step_hands_on_who_asked_who_sells_who_is_told_or_who_was_mined(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    conn.execute("UPDATE res_users SET login = %s WHERE login = 'admin'", [LOGIN])
    request = PEOPLE | {"acting_user": LOGIN, "salesperson": LOGIN, "notify": [TOLD], "approval_threshold": 0}
    plan = pipeline.prepare_request(conn, "lead_mining/people", request, asked_by=ASKED_BY)
    assert "Salesperson" in plan["approval"]
    run_id = plan["run_id"]
    with running_simulator() as simulator:
        provider = OdooIap(simulator.url, "a-token-of-the-test", "2a8a5d34-0000-4000-8000-000000000001")
        pipeline.approve(conn, "lead_mining/people", "somebody")
        pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    conn.execute("UPDATE res_users SET active = false WHERE login = %s", [LOGIN])
    assert any("salesperson is no longer active" in each for each in pipeline.load_leads(conn, run_id)["notices"])
    pipeline.write_enrichment_notes(conn, run_id)
    released = pipeline.release(conn, "lead_mining/people")

    contacts = conn.execute(
        "SELECT c->>'full_name', c->>'email', c->>'phone' FROM lead_mining.candidate, jsonb_array_elements("
        "company->'contacts') AS c WHERE state = 'loaded'"
    ).fetchall()
    people = {value for contact in contacts for value in contact if value} | {LOGIN, TOLD, ASKED_BY}
    assert len(people) > 10
    handed_on = conn.execute("SELECT step, result::text FROM lead_mining.run_step").fetchall()
    assert {step for step, _ in handed_on} >= {"prepare_request", "extract", "load_leads", "write_enrichment_notes"}
    handed_on.append(("release", str(released)))
    assert [(step, who) for step, result in handed_on for who in people if who in result.replace("\\\\", "")] == []
