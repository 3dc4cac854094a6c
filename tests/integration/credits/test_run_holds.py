from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from lead_mining.credits.run_holds import captured_for_run, hold_for_run, release_for_run
from lead_mining.exceptions import InsufficientCredits

Conn = psycopg.Connection[Any]


@pytest.fixture
def run_id(conn: Conn, account: str) -> int:
    """A run, and 100 credits in its account."""
    ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    row = conn.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval) VALUES (%s, '{}', '{}', 'p', %s, false, 1, 1, false) RETURNING id",
        [f"run of {account}", account],
    ).fetchone()
    conn.commit()
    assert row
    return int(row[0])


def test_a_run_has_one_hold_until_it_is_given_back(conn: Conn, account: str, run_id: int) -> None:
    first = hold_for_run(conn, account, 30, run_id)
    assert hold_for_run(conn, account, 30, run_id) == first
    assert hold_for_run(conn, account, 20, run_id) == first, "it holds enough"
    assert release_for_run(conn, run_id) == 30
    assert release_for_run(conn, run_id) == 0
    again = hold_for_run(conn, account, 20, run_id)
    assert again != first
    ledger.capture(conn, again, 15, f"{account} c")
    assert captured_for_run(conn, run_id) == 15
    assert release_for_run(conn, run_id) == 5
    assert ledger.balance(conn, account) == Balance(available=85, spent=15)


def test_a_run_without_holds_has_spent_nothing(conn: Conn, run_id: int) -> None:
    assert captured_for_run(conn, run_id) == 0
    assert release_for_run(conn, run_id) == 0


def test_what_the_account_cannot_pay_is_not_held(conn: Conn, account: str, run_id: int) -> None:
    with pytest.raises(InsufficientCredits):
        hold_for_run(conn, account, 101, run_id)
    assert ledger.balance(conn, account) == Balance(available=100)


def test_loading_and_giving_back_at_once_never_fail(ledger_dsn: str, conn: Conn, account: str, run_id: int) -> None:
    """One of them is first; whichever it is, what is captured was held and what is left is given back."""
    for turn in range(15):
        hold_for_run(conn, account, 1, run_id)
        conn.commit()
        start = Barrier(2)

        def load(own: Conn, turn: int = turn, start: Barrier = start) -> None:
            start.wait()
            ledger.capture(own, hold_for_run(own, account, 1, run_id), 1, f"{account} c{turn}")

        def give_back(own: Conn, start: Barrier = start) -> None:
            start.wait()
            release_for_run(own, run_id)

        def in_its_transaction(work: Any) -> None:
            with psycopg.connect(ledger_dsn) as own:
                work(own)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(in_its_transaction, (load, give_back)))
    assert ledger.balance(conn, account) == Balance(available=85, spent=15)
    assert captured_for_run(conn, run_id) == 15


def test_a_locked_balance_stays_as_it_is(ledger_dsn: str, conn: Conn, account: str, run_id: int) -> None:
    assert ledger.lock_balance(conn, account) == Balance(available=100)
    with psycopg.connect(ledger_dsn) as other:
        other.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ledger.hold(other, account, 1, f"{account} h")
        other.rollback()
        conn.commit()
        ledger.hold(other, account, 1, f"{account} h")
    assert ledger.balance(conn, account) == Balance(available=99, held=1)
