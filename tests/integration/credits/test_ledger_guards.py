"""What the database itself refuses, to the tables' own owner and to a superuser."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest
from mined_runs import lose_call, make_run, mine, set_aside
from psycopg import errors

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance

Conn = psycopg.Connection[Any]


@pytest.fixture
def hold_id(conn: Conn, account: str) -> int:
    """A hold of 40 of 100 credits, committed."""
    ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    held = set_aside(conn, account, 40, f"{account} h")
    conn.commit()
    return held


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lead_mining.ledger_entry SET amount = amount + 1",
        "DELETE FROM lead_mining.ledger_entry",
        "TRUNCATE lead_mining.ledger_entry",
        "INSERT INTO lead_mining.ledger_entry SELECT transaction_id, account_id, 1, 1 FROM lead_mining.ledger_entry",
        "UPDATE lead_mining.ledger_transaction SET credits = 1",
        "DELETE FROM lead_mining.ledger_transaction",
        "TRUNCATE lead_mining.ledger_transaction CASCADE",
        "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference)"
        " SELECT key, kind, owner, credits, reference FROM lead_mining.ledger_transaction WHERE kind = 'top_up'"
        " ON CONFLICT (key) DO UPDATE SET credits = 9",
        "UPDATE lead_mining.ledger_account SET balance = 1000000 WHERE bucket = 'available'",
        "UPDATE lead_mining.ledger_account SET owner = 'me'",
        "DELETE FROM lead_mining.ledger_account",
        "TRUNCATE lead_mining.ledger_account CASCADE",
        "INSERT INTO lead_mining.ledger_account (owner, bucket, balance) VALUES ('me', 'available', 1000000)",
        "UPDATE lead_mining.hold SET captured = 0, released = 0",
        "DELETE FROM lead_mining.hold",
        "TRUNCATE lead_mining.hold CASCADE",
        "INSERT INTO lead_mining.hold (id, owner, credits, expires_at)"
        " SELECT max(id), 'me', 1, now() FROM lead_mining.ledger_transaction",
        "TRUNCATE lead_mining.run CASCADE",
    ],
)
def test_direct_writes_are_refused(conn: Conn, account: str, hold_id: int, statement: LiteralString) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match=r"the ledger refuses (INSERT|UPDATE|DELETE|TRUNCATE) on"):
        conn.execute(statement)
    conn.rollback()
    assert ledger.balance(conn, account) == Balance(available=60, held=40)


INSERT = (
    "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id, reference, run_id)"
    " SELECT *, CASE kind WHEN 'hold' THEN (SELECT max(id) FROM lead_mining.run WHERE credit_account = owner) END"
    " FROM (VALUES (%s, %s, %s, %s::bigint::integer, %s::bigint, %s)) AS given (key, kind, owner, credits, hold_id, reference)"
)


@pytest.mark.parametrize(
    ("kind", "credits", "with_hold", "reference", "error"),
    [
        ("hold", 61, False, None, errors.CheckViolation),  # more than is available
        ("capture", 41, True, None, errors.CheckViolation),  # more than is held
        ("release", 41, True, None, errors.CheckViolation),
        ("hold", 0, False, None, errors.CheckViolation),
        ("hold", -5, False, None, errors.CheckViolation),
        ("top_up", 5, False, None, errors.CheckViolation),  # no payment named
        ("capture", 5, False, None, errors.CheckViolation),  # no hold named
        ("hold", 5, True, None, errors.CheckViolation),
        ("gift", 5, False, "why not", errors.CheckViolation),
        ("hold", 2**31, False, None, errors.NumericValueOutOfRange),
    ],
)
def test_a_transaction_that_makes_no_sense_is_refused(
    conn: Conn,
    account: str,
    hold_id: int,
    kind: str,
    credits: int,
    with_hold: bool,
    reference: str | None,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        conn.execute(INSERT, [f"{account} x", kind, account, credits, hold_id if with_hold else None, reference])
    conn.rollback()
    assert ledger.balance(conn, account) == Balance(available=60, held=40)


def test_one_hold_cannot_spend_what_another_holds(conn: Conn, account: str, hold_id: int) -> None:
    small = set_aside(conn, account, 1, f"{account} small")
    with pytest.raises(errors.CheckViolation, match="hold"):
        conn.execute(INSERT, [f"{account} x", "capture", account, 2, small, None])


def test_a_hold_cannot_be_captured_on_another_account(conn: Conn, account: str, hold_id: int) -> None:
    other = f"{account} other"
    ledger.top_up(conn, other, 10, f"{other} t", "invoice 8")
    set_aside(conn, other, 10, f"{other} h")
    with pytest.raises(errors.ForeignKeyViolation, match=f'hold {hold_id} of credit account "{other}" does not exist'):
        conn.execute(INSERT, [f"{account} x", "capture", other, 5, hold_id, None])


def test_a_transaction_on_an_unknown_account_is_refused(conn: Conn, account: str) -> None:
    make_run(conn, account, account)
    with pytest.raises(errors.ForeignKeyViolation, match=f'credit account "{account}" does not exist'):
        conn.execute(INSERT, [f"{account} h", "hold", account, 1, None, None])


def test_a_hold_for_an_unknown_run_is_refused(conn: Conn, account: str, hold_id: int) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="run"):
        ledger.hold(conn, account, 1, f"{account} h2", run_id=10**12)


@pytest.mark.parametrize("amounts", [(), (5,), (5, -4), (5, -3, -2)])
def test_an_unbalanced_transaction_is_refused_at_commit(
    conn: Conn, account: str, hold_id: int, amounts: tuple[int, ...]
) -> None:
    """Only an owner who switches the guards off gets as far as this; the commit still refuses."""
    conn.execute("ALTER TABLE lead_mining.ledger_transaction DISABLE TRIGGER ledger_post")
    conn.execute("ALTER TABLE lead_mining.ledger_entry DISABLE TRIGGER posted_only")
    written = conn.execute(INSERT + " RETURNING id", [f"{account} x", "top_up", account, 5, None, "invoice"]).fetchone()
    assert written
    buckets = conn.execute("SELECT id FROM lead_mining.ledger_account WHERE owner = %s ORDER BY id", [account])
    for (account_id,), amount in zip(buckets.fetchall(), amounts, strict=False):
        conn.execute("INSERT INTO lead_mining.ledger_entry VALUES (%s, %s, %s, 0)", [written[0], account_id, amount])
    refusal = f"ledger transaction {written[0]} is not balanced: {len(amounts)} entries"
    with pytest.raises(errors.CheckViolation, match=refusal):
        conn.commit()
    assert ledger.balance(conn, account) == Balance(available=60, held=40)


def test_entries_cannot_be_added_to_an_old_transaction(conn: Conn, account: str, hold_id: int) -> None:
    conn.execute("ALTER TABLE lead_mining.ledger_entry DISABLE TRIGGER posted_only")
    buckets = conn.execute(
        "SELECT id FROM lead_mining.ledger_account WHERE owner = %s AND bucket IN ('spent', 'issued')", [account]
    ).fetchall()
    for (account_id,), amount in zip(buckets, (5, -5), strict=True):
        conn.execute("INSERT INTO lead_mining.ledger_entry VALUES (%s, %s, %s, 0)", [hold_id, account_id, amount])
    with pytest.raises(errors.CheckViolation, match="4 entries with sum 0"):
        conn.commit()


def test_a_hold_is_for_a_run_and_on_its_account(conn: Conn, account: str, hold_id: int) -> None:
    other = f"{account} other"
    ledger.top_up(conn, other, 10, f"{other} t", "invoice 8")
    run_of_other = make_run(conn, other, other)
    conn.commit()
    with pytest.raises(errors.CheckViolation, match=f'pays from the account "{other}", not from "{account}"'):
        ledger.hold(conn, account, 1, f"{account} elsewhere", run_of_other)
    conn.rollback()
    with pytest.raises(errors.CheckViolation, match="a hold is for a run, and none is named"):
        conn.execute(
            "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits) VALUES ('x', 'hold', %s, 1)",
            [account],
        )


def test_a_call_is_paid_from_the_holds_of_its_own_run(conn: Conn, account: str, hold_id: int) -> None:
    call_id = lose_call(conn, make_run(conn, account, f"{account} other"))
    with pytest.raises(errors.CheckViolation, match=f"call {call_id} is not of the run that hold {hold_id} is for"):
        ledger.capture(conn, hold_id, 1, f"{account} c", call_id)


@pytest.mark.parametrize(
    "change",
    [
        "contacts = contacts + 1",
        "lead_id = lead_id + 1000000",
        "state = 'accepted', lead_id = NULL",
        "run_id = (SELECT max(id) FROM lead_mining.run)",
        "company = '{\"contacts\": []}'",
        'company = \'{"reveal_id": "another"}\'',
    ],
)
def test_what_was_loaded_stays_as_it_is(conn: Conn, account: str, change: LiteralString) -> None:
    ledger.top_up(conn, account, 9, f"{account} t", "invoice 7")
    (lead_id,) = conn.execute("SELECT coalesce(max(lead_id), 0) + 1 FROM lead_mining.candidate").fetchone() or (1,)
    candidate = mine(conn, account, {lead_id: 2}, account)[lead_id]
    make_run(conn, account, f"{account} other")
    with pytest.raises(errors.InsufficientPrivilege, match=f"candidate {candidate} is settled, and stays as it is"):
        conn.execute(f"UPDATE lead_mining.candidate SET {change} WHERE id = %s", [candidate])


@pytest.mark.parametrize(
    ("state", "charged", "change"),
    [
        ("lost", 5, "state = 'not_charged', charged = 0"),
        ("answered", 5, "state = 'not_charged', charged = 0"),
        ("answered", 5, "charged = 6"),
        ("not_charged", 0, "state = 'answered'"),
        ("unknown", None, "state = 'not_charged', charged = 0"),
        ("unknown", None, "state = 'not_charged', charged = 0, settled_by = 'balance'"),
    ],
)
def test_what_came_of_a_call_stays_and_a_lost_one_is_settled_by_somebody(
    conn: Conn, account: str, state: str, charged: int | None, change: LiteralString
) -> None:
    call_id = lose_call(conn, make_run(conn, account, account))
    if state != "unknown":
        conn.execute(
            "UPDATE lead_mining.provider_call SET state = %s, charged = %s, settled_by = 'ada' WHERE id = %s",
            [state, charged, call_id],
        )
    with pytest.raises(errors.InsufficientPrivilege, match=f"provider_call {call_id} is settled, and stays as it is"):
        conn.execute(f"UPDATE lead_mining.provider_call SET {change} WHERE id = %s", [call_id])
