"""Runs, leads that were paid for, and calls whose answer is lost, without a CRM and a provider."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from lead_mining import candidates, provider_calls
from lead_mining.credits import ledger, run_holds


def make_run(conn: Connection, account: str = "default", number: str = "LMR001") -> int:
    """A mining run that nothing was done for yet; its id."""
    conn.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval, request_number) VALUES (%s, '{}', '{}', 'a_provider', %s, false, 9, 99, false, %s)"
        " ON CONFLICT (run_key) DO NOTHING",
        [f"lead_mining/{number}", account, number],
    )
    row = conn.execute("SELECT id FROM lead_mining.run WHERE run_key = %s", [f"lead_mining/{number}"]).fetchone()
    assert row
    return int(row[0])


def set_aside(conn: Connection[Any], account: str, credits: int, key: str, run_id: int | None = None) -> int:
    """A hold for a run that holds nothing else, the same for the same key; its id."""
    if run_id is None:
        run_id = make_run(conn, account, f"run of {key}")
    return ledger.hold(conn, account, credits, key, run_id)


def mine(conn: Connection, account: str, leads: dict[int, int], number: str = "LMR001") -> dict[int, int]:
    """Leads loaded and paid from the account. `leads`: crm_lead id to contacts; returns crm_lead id to candidate id."""
    with conn.transaction():
        run_id = make_run(conn, account, number)
        conn.execute(
            "INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body)"
            " VALUES (%s, 1, %s, %s, 0, '{}')",
            [run_id, len(leads), len(leads)],
        )
        found = {}
        for position, (lead_id, contacts) in enumerate(leads.items(), 1):
            row = conn.execute(
                "INSERT INTO lead_mining.candidate (run_id, position, page_number, company, contacts)"
                " VALUES (%s, %s, 1, '{}', %s) RETURNING id",
                [run_id, position, contacts],
            ).fetchone()
            assert row
            found[lead_id] = int(row[0])
        if conn.execute("SELECT to_regclass('public.crm_lead')").fetchone() != (None,):
            conn.execute(
                "INSERT INTO crm_lead (id, name, type) SELECT id, 'A lead', 'lead' FROM unnest(%s::int[]) AS id"
                " WHERE id NOT IN (SELECT id FROM crm_lead)",
                [list(leads)],
            )
        candidates.set_loaded(conn, {candidate_id: lead_id for lead_id, candidate_id in found.items()})
        cost = sum(1 + contacts for contacts in leads.values())
        hold = run_holds.hold_for_run(conn, account, cost, run_id)
        ledger.capture(conn, hold, cost, f"run/{run_id}/capture")
    return found


def lose_call(conn: Connection, run_id: int, most: int = 20, answer_within: float = -1) -> int:
    """A paid call whose answer is lost; its id. `answer_within`: seconds; positive, the provider may be at work yet."""
    call_id = provider_calls.intend(
        conn,
        run_id,
        1,
        10,
        most,
        asked_at=provider_calls.clock(conn),
        balance_before=None,
        answer_within=answer_within,
    )
    provider_calls.mark_unknown(conn, call_id, "timed out", pending=True)
    return call_id
