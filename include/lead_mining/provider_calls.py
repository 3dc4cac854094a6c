"""Paid calls of a provider: written down before they are made, and what came of each before the next wave of them.

A call whose answer was lost is `unknown`: the database refuses another call of its run in the same slot until it is
settled (`provider_call_one_unsettled_a_run_and_slot`), by the provider's balance or by a person, and each wave takes
the first slots. Pattern: write-ahead, as for every payment service without idempotency keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.exceptions import LedgerError


@dataclass(frozen=True)
class Call:
    """A row of lead_mining.provider_call. Credits are the provider's; `pending` says it may still be at work on it;
    `kept`, that its answer came, and is not stored yet: it could not be read, or nobody has tried since."""

    id: int
    run_id: int
    page_number: int
    provider: str
    asked: int
    most: int
    balance_before: int | None
    state: str
    pending: bool
    pending_until: datetime
    error: str | None
    asked_at: datetime
    charged: int | None
    settled_by: str | None
    kept: bool = False

    def __str__(self) -> str:
        return (
            f"The answer to provider call {self.id} (page {self.page_number}, {self.asked} companies, at most"
            f" {self.most} credits, {self.asked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"
        )


_SELECT: LiteralString = (
    "SELECT id, run_id, page_number, provider, asked, most, balance_before, state, pending_until > clock_timestamp()"
    " AS pending, pending_until, error, asked_at, charged, settled_by,"
    " EXISTS (SELECT FROM lead_mining.provider_answer WHERE call_id = id) AS kept FROM lead_mining.provider_call "
)


def clock(conn: Connection) -> datetime:
    """The database's time, by which calls are put in order."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def intend(
    conn: Connection,
    run_id: int,
    page_number: int,
    asked: int,
    most: int,
    *,
    asked_at: datetime,
    balance_before: int | None,
    answer_within: float,
    slot: int = 1,
    provider: str | None = None,
) -> int:
    """Write a call down, to be committed before it is made; its id.

    `balance_before`: the provider's, asked for after `asked_at`, when no call of the run was under way.
    `answer_within`: seconds after which the provider has surely ended its work on the call. `slot`: its place in its
    wave, from 1. `provider`: the connection, where it is not the run's first. Raises UniqueViolation where the run has
    a call in that slot that is not settled.
    """
    row = conn.execute(
        "INSERT INTO lead_mining.provider_call (run_id, page_number, provider, asked, most, asked_at, balance_before,"
        " slot, pending_until)"
        " SELECT id, %s, coalesce(%s, provider), %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s)"
        " FROM lead_mining.run WHERE id = %s RETURNING id",
        [page_number, provider, asked, most, asked_at, balance_before, slot, answer_within, run_id],
    ).fetchone()
    if row is None:
        raise LookupError(f"there is no lead mining run {run_id} in this database")
    return int(row[0])


def answered(conn: Connection, call_id: int, charged: int, doubt: str | None = None, by: str | None = None) -> bool:
    """To be called in the transaction that stores the page. False: somebody has settled the call meanwhile.

    `doubt`: what is not right about what was charged; `by`: who said what that was, if not the answer.
    """
    return _end(conn, call_id, "answered", charged, by, error=doubt)


def not_charged(conn: Connection, call_id: int, by: str | None = None, error: str | None = None) -> bool:
    """The provider took nothing, so the page may be asked for again. `by`: who found out, if not its own answer.

    Its own answer says nothing any more where the call is `unknown` already: then this is False.
    """
    return _end(conn, call_id, "not_charged", 0, by, error)


def lost(conn: Connection, call_id: int, charged: int, by: str) -> bool:
    """The provider charged, and the answer will not come: somebody, `by`, has decided so."""
    return _end(conn, call_id, "lost", charged, by)


def _end(
    conn: Connection, call_id: int, state: str, charged: int, by: str | None = None, error: str | None = None
) -> bool:
    return bool(
        conn.execute(
            "UPDATE lead_mining.provider_call SET state = %s, charged = %s, settled_by = %s,"
            " error = coalesce(%s, error), ended_at = clock_timestamp() WHERE id = %s"
            " AND (state = 'open' OR state = 'unknown' AND (%s <> 'not_charged' OR %s::text IS NOT NULL))",
            [state, charged, by, error, call_id, state, by],
        ).rowcount
    )


def mark_unknown(conn: Connection, call_id: int, error: str, *, pending: bool) -> None:
    """The answer is lost. `pending`: none came, so the provider may still be at work on the call."""
    conn.execute(
        "UPDATE lead_mining.provider_call SET state = 'unknown', error = %s, ended_at = clock_timestamp(),"
        " pending_until = CASE WHEN %s THEN pending_until ELSE least(pending_until, clock_timestamp()) END"
        " WHERE id = %s AND state = 'open'",
        [error[:500], pending, call_id],
    )


def unsettled(conn: Connection, run_id: int | None = None) -> list[Call]:
    """Calls whose answer is not known, oldest first: of one run, or of all."""
    with conn.cursor(row_factory=class_row(Call)) as cur:
        return cur.execute(
            _SELECT + "WHERE state IN ('open', 'unknown') AND (%s::bigint IS NULL OR run_id = %s) ORDER BY id",
            [run_id, run_id],
        ).fetchall()


def get(conn: Connection, call_id: int) -> Call:
    """The call of that id, locked until the transaction ends. Raises LedgerError where there is none."""
    with conn.cursor(row_factory=class_row(Call)) as cur:
        call = cur.execute(_SELECT + "WHERE id = %s FOR UPDATE", [call_id]).fetchone()
    if call is None:
        raise LedgerError(f"there is no provider call {call_id}; the DAG credits_reconcile lists those to settle")
    return call


def balance_if_not_charged(conn: Connection, calls: Sequence[Call]) -> tuple[int | None, list[int]]:
    """What the provider's balance is now, if these calls, of one wave, cost nothing; as `expected_balance` has it."""
    wave = calls[0]
    without = [call.id for call in calls]
    return expected_balance(conn, wave.provider, wave.asked_at, wave.balance_before, without)


def expected_balance(
    conn: Connection,
    provider: str,
    at: datetime,
    balance: int | None,
    without: Sequence[int] = (),
    late: timedelta = timedelta(0),
) -> tuple[int | None, list[int]]:
    """What a balance that the provider told at a moment is now, by what calls cost; None where that cannot be said.

    Calls that were written down later have lowered it since. Those on which the provider may have been at work at that
    moment, or that came later and are not settled, may or may not have: their ids. What it did before is in the balance
    that it told then, settled or not. `without`: calls that are left out; `late`: how old the balance may be.
    """
    row = conn.execute(
        "SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE charged IS DISTINCT FROM 0 AND CASE"
        " WHEN asked_at >= %(at)s THEN charged IS NULL"
        " ELSE least(ended_at, pending_until) >= %(at)s - %(late)s END), '{}'),"
        " coalesce(sum(charged) FILTER (WHERE asked_at >= %(at)s), 0)::bigint"
        " FROM lead_mining.provider_call WHERE provider = %(provider)s AND id <> ALL(%(ids)s)"
        " AND (asked_at >= %(at)s OR pending_until >= %(at)s - %(late)s)",
        {"at": at, "late": late, "provider": provider, "ids": list(without)},
    ).fetchone()
    unclear, since = row or ([], 0)
    return None if unclear or balance is None else balance - since, unclear


def lost_by_run(conn: Connection, run_id: int) -> int:
    """Credits that the provider charged the run for answers that are lost."""
    row = conn.execute(
        "SELECT coalesce(sum(charged), 0) FROM lead_mining.provider_call WHERE run_id = %s AND state = 'lost'", [run_id]
    ).fetchone()
    return int(row[0]) if row else 0
