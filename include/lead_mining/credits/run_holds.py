"""The holds of a run: one at a time, made again where an earlier one was given back and the run is done again."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from lead_mining.credits import ledger


def hold_for_run(conn: Connection[Any], account: str, credits: int, run_id: int) -> int:
    """The run's hold with at least so many credits left; made if there is none. Raises InsufficientCredits."""
    ledger.lock_balance(conn, account)  # else a release at the same moment could empty the hold that is found here
    holds = conn.execute(
        "SELECT id, remaining FROM lead_mining.hold WHERE run_id = %s ORDER BY id", [run_id]
    ).fetchall()
    for hold_id, remaining in holds:
        if remaining >= credits:
            return int(hold_id)
    return ledger.hold(conn, account, credits, key=f"run/{run_id}/hold/{len(holds) + 1}", run_id=run_id)


def release_for_run(conn: Connection[Any], run_id: int) -> int:
    """Give back what is left of the run's holds; returns the credits given back now."""
    open_holds = conn.execute(
        "SELECT id FROM lead_mining.hold WHERE run_id = %s AND remaining > 0 ORDER BY id", [run_id]
    ).fetchall()
    return sum(ledger.release(conn, hold_id, key=f"hold/{hold_id}/release") for (hold_id,) in open_holds)


def captured_for_run(conn: Connection[Any], run_id: int) -> int:
    """Credits spent by the run."""
    row = conn.execute(
        "SELECT coalesce(sum(captured), 0)::bigint FROM lead_mining.hold WHERE run_id = %s", [run_id]
    ).fetchone()
    return int(row[0]) if row else 0
