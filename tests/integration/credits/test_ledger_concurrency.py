from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import psycopg
from mined_runs import set_aside

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InsufficientCredits

THREADS = 16
T = TypeVar("T")


def at_once(dsn: str, work: Callable[[psycopg.Connection[Any], int], T]) -> list[T]:
    """Run `work` in THREADS threads at the same moment, each with a connection and a transaction of its own."""
    start = Barrier(THREADS)

    def one(number: int) -> T:
        with psycopg.connect(dsn) as conn:
            start.wait()
            return work(conn, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_holds_at_once_never_overspend(ledger_dsn: str, conn: psycopg.Connection[Any], account: str) -> None:
    ledger.top_up(conn, account, 1000, f"{account} t", "invoice 7")
    conn.commit()

    refusals: list[tuple[int, int | None]] = []

    def spend(own: psycopg.Connection[Any], number: int) -> int:
        held = 0
        for turn in range(20):
            credits = 1 + (7 * number + turn) % 13
            try:
                set_aside(own, account, credits, f"{account} {number}/{turn}")
                held += credits
            except InsufficientCredits as error:
                refusals.append((credits, error.available))
            own.commit()
        return held

    held = sum(at_once(ledger_dsn, spend))
    assert ledger.balance(conn, account) == Balance(available=1000 - held, held=held)
    assert refusals
    assert all(available is not None and available < credits for credits, available in refusals)
    assert held > 1000 - 13, "more was asked for than there is: what is left is less than one hold"


def test_one_hold_at_once_is_one_hold(ledger_dsn: str, conn: psycopg.Connection[Any], account: str) -> None:
    ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
    conn.commit()
    ids = at_once(ledger_dsn, lambda own, _: set_aside(own, account, 10, f"{account} h"))
    assert len(set(ids)) == 1
    assert ledger.balance(conn, account) == Balance(held=10)


def test_one_top_up_at_once_opens_the_account_once(
    ledger_dsn: str, conn: psycopg.Connection[Any], account: str
) -> None:
    new = at_once(ledger_dsn, lambda own, _: ledger.top_up(own, account, 10, f"{account} t", "invoice 7"))
    assert sorted(new) == [False] * (THREADS - 1) + [True]
    assert ledger.balance(conn, account) == Balance(available=10)


def test_different_top_ups_at_once_open_the_account_once(
    ledger_dsn: str, conn: psycopg.Connection[Any], account: str
) -> None:
    new = at_once(ledger_dsn, lambda own, number: ledger.top_up(own, account, 10, f"{account} {number}", "invoice"))
    assert all(new)
    assert ledger.balance(conn, account) == Balance(available=10 * THREADS)


def test_many_operations_a_transaction_in_any_order_do_not_deadlock(
    ledger_dsn: str, conn: psycopg.Connection[Any], account: str
) -> None:
    ledger.top_up(conn, account, 10_000, f"{account} t", "invoice 7")
    holds = [set_aside(conn, account, 100, f"{account} h{n}") for n in range(20)]
    conn.commit()

    def work(own: psycopg.Connection[Any], number: int) -> None:
        order = random.Random(number)
        for turn in range(3):
            for step, hold_id in enumerate(order.sample(holds, 5)):
                ledger.capture(own, hold_id, 1, f"{account} c{number}/{turn}/{step}")
                ledger.top_up(own, account, 1, f"{account} t{number}/{turn}/{step}", "invoice")
                held = set_aside(own, account, 1, f"{account} h{number}/{turn}/{step}")
                ledger.release(own, held, f"{account} r{number}/{turn}/{step}")
            own.commit()

    at_once(ledger_dsn, work)  # a deadlock would raise
    captured = THREADS * 3 * 5
    assert ledger.balance(conn, account) == Balance(available=8000 + captured, held=2000 - captured, spent=captured)
    in_holds = conn.execute("SELECT sum(captured), sum(remaining) FROM lead_mining.hold WHERE id = ANY(%s)", [holds])
    assert in_holds.fetchone() == (captured, 2000 - captured)
