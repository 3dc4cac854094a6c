"""The holds of a run: one at a time, made again where an earlier one was given back and the run is done again."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Spendable


def hold_for_run(conn: Connection[Any], account: str, credits: int, run_id: int) -> int:
    """The run's hold with at least so many credits left; made if there is none. Raises InsufficientCredits."""
    ledger.lock_balance(conn, account)  # else a release at the same moment could empty the hold that is found here
    holds = _holds(conn, run_id)
    for hold_id, remaining in holds:
        if remaining >= credits:
            return hold_id
    for hold_id, remaining in holds:
        if remaining:  # too little: what it has counts for the new one
            _release(conn, hold_id)
    return ledger.hold(conn, account, credits, key=f"run/{run_id}/hold/{len(holds) + 1}", run_id=run_id)


def spendable_for_run(conn: Connection[Any], account: str, run_id: int) -> Spendable:
    """The most that `hold_for_run` can hold now: what the run holds already, and what is left beside it."""
    beside = ledger.spendable(conn, account, run_id)
    return Spendable(beside.credits + sum(remaining for _, remaining in _holds(conn, run_id)), beside.budget)


def keep_for_run(conn: Connection[Any], account: str, credits: int, run_id: int) -> None:
    """Hold exactly so many credits for the run: more is given back. Raises InsufficientCredits where it held less."""
    if credits == 0:
        release_for_run(conn, run_id)
        return
    hold_id = hold_for_run(conn, account, credits, run_id)
    ledger.release(conn, hold_id, key=f"hold/{hold_id}/release down to {credits}", keep=credits)


def release_for_run(conn: Connection[Any], run_id: int) -> int:
    """Give back what is left of the run's holds; returns the credits given back now."""
    return sum(_release(conn, hold_id) for hold_id, remaining in _holds(conn, run_id) if remaining)


def pay_call(conn: Connection[Any], account: str, run_id: int, call_id: int, credits: int) -> None:
    """Pay what a mirrored account's provider charged for a call, from the run's hold and, beyond it, from the account.

    What neither has is not paid here, as a page that was bought must be stored; it shows when balances are compared.
    """
    available = ledger.lock_balance(conn, account).available
    for hold_id, remaining in _holds(conn, run_id):
        if credits and (part := min(credits, remaining)):
            ledger.capture(conn, hold_id, part, key=f"call/{call_id}/hold/{hold_id}", call_id=call_id)
            credits -= part
    if beyond := min(credits, available):
        ledger.charge(conn, account, beyond, f"call/{call_id}", call_id=call_id)


def captured_for_run(conn: Connection[Any], run_id: int) -> int:
    """Credits captured from the run's holds; refunds are not taken off."""
    row = conn.execute(
        "SELECT coalesce(sum(captured), 0)::bigint FROM lead_mining.hold WHERE run_id = %s", [run_id]
    ).fetchone()
    return int(row[0]) if row else 0


def _holds(conn: Connection[Any], run_id: int) -> list[tuple[int, int]]:
    """(hold id, credits left in it), oldest first."""
    return conn.execute("SELECT id, remaining FROM lead_mining.hold WHERE run_id = %s ORDER BY id", [run_id]).fetchall()


def _release(conn: Connection[Any], hold_id: int) -> int:
    return ledger.release(conn, hold_id, key=f"hold/{hold_id}/release")
