"""Refunds of bad leads, charges of mirrored accounts, holds whose time is over, and the statement of it all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from mined_runs import make_run, mine, set_aside
from psycopg.errors import CheckViolation, UniqueViolation

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InsufficientCredits, LedgerError

Conn = psycopg.Connection[Any]


@pytest.fixture
def leads(conn: Conn, account: str) -> list[int]:
    """Candidates of two leads, one with two contacts, paid from the account, which had 100 credits."""
    ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    row = conn.execute("SELECT coalesce(max(lead_id), 0) FROM lead_mining.candidate").fetchone()
    assert row
    found = mine(conn, account, {row[0] + 1: 2, row[0] + 2: 0}, account)
    conn.commit()
    return list(found.values())


def later(conn: Conn, account: str, ago: str) -> None:
    """All that the account did was done so long ago; the guards are switched off for it."""
    conn.execute("SET LOCAL session_replication_role = replica")
    for table, column in (("ledger_transaction", "created_at"), ("hold", "expires_at")):
        conn.execute(
            f"UPDATE lead_mining.{table} SET {column} = {column} - %s::interval WHERE owner = %s",  # type: ignore[arg-type]
            [ago, account],
        )
    conn.execute("SET LOCAL session_replication_role = origin")


def test_a_bad_lead_is_refunded_with_its_contacts_once(conn: Conn, account: str, leads: list[int]) -> None:
    assert ledger.balance(conn, account) == Balance(available=96, spent=4)
    assert [ledger.refund(conn, leads[0], "closed") for _ in range(3)] == [3, 3, 3]
    assert ledger.balance(conn, account) == Balance(available=99, spent=1)
    assert ledger.refund(conn, leads[1], "bounces") == 1
    assert ledger.balance(conn, account) == Balance(available=100)


def test_a_refund_at_once_is_one_refund(ledger_dsn: str, conn: Conn, account: str, leads: list[int]) -> None:
    start = Barrier(6)

    def refund(_: int) -> int:
        with psycopg.connect(ledger_dsn) as own:
            start.wait()
            return ledger.refund(own, leads[0], "closed")

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(refund, range(6))) == [3] * 6
    assert ledger.balance(conn, account) == Balance(available=99, spent=1)


@pytest.mark.parametrize(("ago", "in_time"), [("29 days 23 hours", True), ("30 days 1 minute", False)])
def test_only_within_the_days_that_the_account_allows(
    conn: Conn, account: str, leads: list[int], ago: str, in_time: bool
) -> None:
    later(conn, account, ago)
    if in_time:
        assert ledger.refund(conn, leads[0], "closed") == 3
        return
    with pytest.raises(LedgerError, match="more than 30 days ago"):
        ledger.refund(conn, leads[0], "closed")
    assert ledger.balance(conn, account).spent == 4, "the transaction is still usable"
    accounts.set_up(conn, Account(account, refund_days=31))
    assert ledger.refund(conn, leads[0], "closed") == 3


def test_what_was_not_paid_is_not_refunded(conn: Conn, account: str, leads: list[int]) -> None:
    with pytest.raises(LedgerError, match="no lead that was loaded"):
        ledger.refund(conn, 2**60, "closed")
    conn.execute("SET LOCAL session_replication_role = replica")  # the database refuses it
    conn.execute("UPDATE lead_mining.candidate SET state = 'rejected', lead_id = NULL WHERE id = %s", [leads[0]])
    conn.execute("SET LOCAL session_replication_role = origin")
    with pytest.raises(LedgerError, match="no lead that was loaded"):
        ledger.refund(conn, leads[0], "closed")


def test_a_mirrored_account_is_refunded_by_its_provider_alone(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, provider_conn_id=account))
    ledger.top_up(conn, account, 100, f"{account} t", "opening")
    row = conn.execute("SELECT coalesce(max(lead_id), 0) + 1 FROM lead_mining.candidate").fetchone()
    assert row
    found = mine(conn, account, {row[0]: 0}, account)
    with pytest.raises(LedgerError, match="mirrors a provider, who alone can refund"):
        ledger.refund(conn, found[row[0]], "closed")


REFUND = (
    "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, candidate_id, reference)"
    " VALUES (%s, 'refund', %s, %s, %s, 'closed')"
)


@pytest.mark.parametrize("credits", [1, 2, 4])
def test_the_database_itself_refuses_another_amount(conn: Conn, account: str, leads: list[int], credits: int) -> None:
    with pytest.raises(CheckViolation, match=f"was not paid with {credits} credits"):
        conn.execute(REFUND, [f"{account} x", account, credits, leads[0]])


def test_the_database_itself_refuses_a_second_refund_and_another_account(
    conn: Conn, account: str, leads: list[int]
) -> None:
    other = f"{account} other"
    ledger.top_up(conn, other, 10, f"{other} t", "invoice")
    with pytest.raises(CheckViolation, match="was not paid with"), conn.transaction():
        conn.execute(REFUND, [f"{account} x", other, 3, leads[0]])
    ledger.refund(conn, leads[0], "closed")
    with pytest.raises(UniqueViolation):
        conn.execute(REFUND, [f"{account} x", account, 3, leads[0]])


def test_a_charge_takes_what_is_available_of_a_mirrored_account(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, monthly_budget=5, provider_conn_id=account))
    ledger.top_up(conn, account, 10, f"{account} t", "opening")
    assert [ledger.charge(conn, account, 8, f"{account} c", "used by hand") for _ in range(2)] == [True, False]
    assert ledger.balance(conn, account) == Balance(available=2, spent=8)
    assert ledger.spendable(conn, account).credits == 0, "a budget counts it, though it cannot refuse it"
    with pytest.raises(InsufficientCredits):
        ledger.charge(conn, account, 3, f"{account} d", "used by hand")
    with pytest.raises(LedgerError, match="cannot be used for"):
        ledger.charge(conn, account, 1, f"{account} c", "used by hand")


def test_nothing_is_charged_to_a_local_account(conn: Conn, account: str, leads: list[int]) -> None:
    with pytest.raises(CheckViolation, match="is local: its credits are spent on leads alone"):
        ledger.charge(conn, account, 1, f"{account} c", "used by hand")


def test_a_hold_is_given_back_when_its_time_is_over(conn: Conn, account: str, leads: list[int]) -> None:
    first, second = (set_aside(conn, account, credits, f"{account} {credits}") for credits in (10, 5))
    ledger.capture(conn, first, 4, f"{account} c")
    later(conn, account, "4319 hours")
    assert ledger.release_expired(conn) == []
    later(conn, account, "1 hour")
    assert ledger.release_expired(conn) == [(account, first, 6), (account, second, 5)]
    assert ledger.release_expired(conn) == []
    assert ledger.balance(conn, account) == Balance(available=92, spent=8)
    with pytest.raises(LedgerError, match="0 are left in it"):
        ledger.capture(conn, second, 1, f"{account} too late")


def test_a_part_of_a_hold_is_kept(conn: Conn, account: str, leads: list[int]) -> None:
    hold_id = set_aside(conn, account, 10, f"{account} h")
    assert [ledger.release(conn, hold_id, f"{account} down", keep=4) for _ in range(2)] == [6, 6]
    assert ledger.release(conn, hold_id, f"{account} down again", keep=4) == 0
    assert ledger.balance(conn, account) == Balance(available=92, held=4, spent=4)


def test_the_statement_is_what_a_bank_would_print(conn: Conn, account: str, leads: list[int]) -> None:
    other = f"{account}'; DROP TABLE lead_mining.hold; --"
    accounts.set_up(conn, Account(other, provider_conn_id=other))
    ledger.top_up(conn, other, 7, f"{other} t", "<b>opening</b>")
    ledger.charge(conn, other, 2, f"{other} c", "used by hand")
    hold_id = set_aside(conn, account, 10, f"{account} h", make_run(conn, account, f"LMR {account}"))
    ledger.release(conn, hold_id, f"{account} r")
    ledger.refund(conn, leads[0], "closed")
    statement = "SELECT kind, change, available, spent, request_number, reference FROM lead_mining.account_statement"
    assert conn.execute(f"{statement} WHERE account = %s ORDER BY id", [account]).fetchall() == [
        ("top_up", 100, 100, 0, None, "invoice 7"),
        ("hold", -4, 96, 0, account, None),
        ("capture", 0, 96, 4, account, None),
        ("hold", -10, 86, 4, f"LMR {account}", None),
        ("release", 10, 96, 4, f"LMR {account}", None),
        ("refund", 3, 99, 1, account, "closed"),
    ]
    assert conn.execute(f"{statement} WHERE account = %s ORDER BY id", [other]).fetchall() == [
        ("top_up", 7, 7, 0, None, "<b>opening</b>"),
        ("charge", -2, 5, 2, None, "used by hand"),
    ]
