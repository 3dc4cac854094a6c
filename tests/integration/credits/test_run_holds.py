from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from mined_runs import lose_call, make_run, set_aside

from lead_mining import provider_calls
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance, Spendable
from lead_mining.credits.run_holds import (
    captured_for_run,
    hold_for_run,
    keep_for_run,
    pay_call,
    release_for_run,
    spendable_for_run,
)
from lead_mining.exceptions import InsufficientCredits

Conn = psycopg.Connection[Any]


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


def test_exactly_what_is_needed_is_kept(conn: Conn, account: str, run_id: int) -> None:
    hold_for_run(conn, account, 30, run_id)
    for _ in range(2):
        keep_for_run(conn, account, 12, run_id)
        assert ledger.balance(conn, account) == Balance(available=88, held=12)
    keep_for_run(conn, account, 20, run_id)
    assert ledger.balance(conn, account) == Balance(available=80, held=20), "more is held again"
    keep_for_run(conn, account, 0, run_id)
    assert ledger.balance(conn, account) == Balance(available=100)
    with pytest.raises(InsufficientCredits):
        keep_for_run(conn, account, 101, run_id)


def test_what_a_run_holds_it_can_hold(conn: Conn, account: str, run_id: int) -> None:
    hold_for_run(conn, account, 30, run_id)
    set_aside(conn, account, 50, f"{account} another's")
    assert spendable_for_run(conn, account, run_id) == Spendable(50, None)
    hold_for_run(conn, account, 50, run_id)
    assert ledger.balance(conn, account) == Balance(held=100)


def test_a_call_is_paid_from_the_hold_then_the_account_and_never_beyond(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, provider_conn_id=f"provider of {account}"))
    ledger.top_up(conn, account, 100, f"{account} t", "opening")
    run_id = make_run(conn, account, account)
    hold_for_run(conn, account, 30, run_id)
    set_aside(conn, account, 60, f"{account} another's")
    calls = []
    for credits in (10, 25, 50):
        calls.append(lose_call(conn, run_id, most=60))
        for _ in range(2):  # as after a commit whose answer was lost
            pay_call(conn, account, run_id, calls[-1], credits)
        provider_calls.lost(conn, calls[-1], credits, by="ada")
        conn.commit()
    assert ledger.balance(conn, account) == Balance(available=0, held=60, spent=40)
    paid = conn.execute(
        "SELECT kind, credits, call_id FROM lead_mining.ledger_transaction WHERE owner = %s AND call_id IS NOT NULL"
        " ORDER BY id",
        [account],
    ).fetchall()
    assert paid == [
        ("capture", 10, calls[0]),
        ("capture", 20, calls[1]),
        ("charge", 5, calls[1]),
        ("charge", 5, calls[2]),
    ]


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
            set_aside(other, account, 1, f"{account} h")
        other.rollback()
        conn.commit()
        set_aside(other, account, 1, f"{account} h")
    assert ledger.balance(conn, account) == Balance(available=99, held=1)
