"""Who may do what with credits: each forgery is refused to the role that mines, and what people decide is not its own."""

from __future__ import annotations

import sys

import psycopg
import pytest
from crm_role import apply_role, is_refused, logged_in
from mined_runs import lose_call, make_run, mine

from lead_mining.credits import ledger

_, KEEPS, _ = ROLES = ("lead_mining", "lead_mining_credits", "lead_mining_privacy")
TRANSACTION = "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits"
CAPTURE = "SELECT 'x', 'capture', 'other', 1, max(id) FROM lead_mining.hold"
ACTIONS = {  # what is done, as SQL, and the roles that may
    "change what was paid for": ("UPDATE lead_mining.candidate SET contacts = 5", ()),
    "hold on another account": (
        f"{TRANSACTION}, run_id) SELECT 'x', 'hold', 'other', 1, max(id) FROM lead_mining.run",
        (),
    ),
    "capture on another account": (f"{TRANSACTION}, hold_id) {CAPTURE}", ()),
    "hold without a run": (f"{TRANSACTION}) VALUES ('x', 'hold', 'default', 1)", ()),
    "load a lead that is not there": (
        "UPDATE lead_mining.candidate SET state = 'loaded', lead_id = nextval('public.crm_lead_id_seq')"
        " WHERE lead_id IS NULL",
        (),
    ),
    "mark a paid call as free": (
        "UPDATE lead_mining.provider_call SET state = 'not_charged', charged = 0 WHERE state = 'answered'",
        (),
    ),
    "widen a run's plan": ("UPDATE lead_mining.run SET max_cost = 1000 WHERE needs_approval", ()),
    "ask nobody": ("UPDATE lead_mining.run SET needs_approval = false WHERE needs_approval", ()),
    "widen a budget": ("UPDATE lead_mining.credit_account SET monthly_budget = NULL", (KEEPS,)),
    "open an account": ("INSERT INTO lead_mining.credit_account (name) VALUES ('mine')", (KEEPS,)),
    "approve": ("UPDATE lead_mining.run SET approved_by = 'ada' WHERE needs_approval", (KEEPS,)),
    "top up": (f"{TRANSACTION}, reference) VALUES ('x', 'top_up', 'default', 9, 'invoice')", (KEEPS,)),
    "refund": (
        f"{TRANSACTION}, reference, candidate_id) SELECT 'x', 'refund', 'default', 3, 'bad', min(id)"
        " FROM lead_mining.candidate",
        (KEEPS,),
    ),
    "settle a lost call for a person": (
        "UPDATE lead_mining.provider_call SET state = 'not_charged', charged = 0, settled_by = 'ada'"
        " WHERE state = 'unknown'",
        (KEEPS,),
    ),
    "forge the history of settings": (
        "INSERT INTO lead_mining.credit_account_change (account, refund_days) VALUES ('default', 1)",
        (),
    ),
    "hold for a run": (
        f"{TRANSACTION}, run_id) SELECT 'x', 'hold', 'default', 1, max(id) FROM lead_mining.run",
        ROLES,
    ),
    "read people": ("SELECT company FROM lead_mining.candidate", ROLES),
}


@pytest.fixture
def superuser(conn: psycopg.Connection) -> psycopg.Connection:
    """A lead with two contacts that was paid, a paid call and a lost one, and a run that waits for an approval."""
    with conn.transaction():
        ledger.top_up(conn, "other", 100, "other", "invoice 8")
    mine(conn, "default", {700: 2})
    for number, state in (("LMR002", "answered"), ("LMR003", "unknown")):
        call = lose_call(conn, make_run(conn, number=number))
        if state == "answered":
            conn.execute("UPDATE lead_mining.provider_call SET state = %s, charged = 8 WHERE id = %s", [state, call])
    waits = make_run(conn, number="LMR004")
    conn.execute("UPDATE lead_mining.run SET needs_approval = true WHERE id = %s", [waits])
    conn.execute(
        "INSERT INTO lead_mining.run_step (run_id, step, result) VALUES (%s, 'prepare_request', '{}')", [waits]
    )
    conn.execute(
        "INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body) VALUES (%s, 1, 1, 1, 0, '{}')",
        [waits],
    )
    conn.execute(
        "INSERT INTO lead_mining.candidate (run_id, position, page_number, company, contacts) VALUES (%s, 1, 1, '{}', 0)",
        [waits],
    )
    apply_role(conn)
    return conn


def refused(conn: psycopg.Connection, statement: str) -> bool:
    try:
        return is_refused(conn, statement)
    except psycopg.errors.CheckViolation:
        return True


def test_each_role_may_do_what_it_is_for(superuser: psycopg.Connection) -> None:
    found: dict[str, tuple[str, ...]] = {}
    for role in ROLES:
        with logged_in(superuser, role) as conn:
            for action, (statement, _) in ACTIONS.items():
                if not refused(conn, statement):
                    found[action] = (*found.get(action, ()), role)
    for action in ACTIONS:
        words = ("allowed" if role in found.get(action, ()) else "refused" for role in ROLES)
        line = " | ".join(f"{role}: {word}" for role, word in zip(ROLES, words, strict=True))
        sys.stdout.write(f"{action:32} | {line}\n")
    assert found == {action: tuple(who) for action, (_, who) in ACTIONS.items() if who}
