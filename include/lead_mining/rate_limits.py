"""How often an account at a provider is called, by all workers and runs together, and whether it is called at all.

The CRM's database holds what was called when and what the provider said; its clock is the one clock of all. Who has to
wait is promised a moment (a row of `provider_slot`) and sleeps until then, without a lock or a transaction: waiting is
in order, and nobody polls. Of the slots of a bucket any `calls` + 1 that follow one another span more than the window,
so none is exceeded, wherever the provider begins to count. A waiter that is killed wastes its slot, which is safe.
A moment further ahead than anybody waits was written by a clock that has been put back since: it is brought nearer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from lead_mining import provider_calls
from lead_mining.exceptions import ProviderBusy, ProviderUnavailable
from lead_mining.foreign_errors import told
from lead_mining.plain import logger
from lead_mining.providers.base import Gate, Rate

log = logger(__name__)

MOST_WAIT = 120.0
"""Seconds that a call waits in its process; one that has to wait longer is put off, and its worker is free."""

_SPREAD = 1.05  # windows are taken as so much longer, for calls that are slow to arrive
_FAILURES = 5  # in a row, after which nothing is called for a while
_PAUSES = (30.0, 60.0, 120.0, 240.0, 480.0, 600.0)  # seconds, longer with each failure more
_LONGEST_PAUSE = 24 * 3600.0  # seconds, whatever a provider asks for
_PROBE = 300.0  # seconds, the longest that the one call after a pause takes; then another may try
_FORGET_AT_ONCE = 100  # old slots

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Turn:
    """When a call may be made and in how many seconds, why not before, and the slot that is kept for it."""

    at: datetime
    wait: float
    why: str
    slot: int | None


class SharedGate(Gate):
    """The gate of an account at a provider: limits by bucket, pauses that it asks for, a circuit breaker.

    After five failures in a row, in whatever buckets, nothing is called for 30 s, and longer with each failure more;
    then one call tries. `connect` opens a session on the CRM database, in autocommit: at the first call, and anew where
    it has gone. `rates`: the windows of each bucket; one without any is not limited. Threads may share a gate.
    """

    most_wait = MOST_WAIT

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        account: str,
        rates: Mapping[str, Sequence[Rate]],
        *,
        clock: Callable[[psycopg.Connection], datetime] = provider_calls.clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect, self._account, self._rates = connect, account, rates
        self._clock, self._sleep = clock, sleep
        self._session: psycopg.Connection | None = None
        self._one_at_a_time = threading.Lock()

    def enter(self, bucket: str) -> None:
        """As Gate says. Raises ProviderUnavailable where the database does not answer: nothing was sent then either."""
        slot, patience = None, MOST_WAIT
        while True:
            turn = self._surely(partial(self._next_turn, bucket=bucket, slot=slot, patience=patience))
            if turn.wait > patience:
                until = f"{turn.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
                raise ProviderBusy(f"{self._account} is not called before {until}: {turn.why}", turn.at)
            if not turn.wait:
                return
            self._sleep(turn.wait)
            slot, patience = turn.slot, patience - turn.wait

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        try:
            self._do(partial(self._write_down, bucket=bucket, failed=failed, wait=wait))
        except Exception as error:  # what the call brought must not be lost over it
            log.warning("what came of a call to %s is not counted (%s)", self._account, told(error))

    def _surely(self, work: Callable[[psycopg.Connection], _Result]) -> _Result:
        try:
            return self._do(work)
        except psycopg.Error as error:
            raise ProviderUnavailable(
                f"{self._account} is not called, as the database that counts its calls fails ({told(error)})",
                charge="none",
            ) from None

    def _do(self, work: Callable[[psycopg.Connection], _Result]) -> _Result:
        """Do `work` in a transaction; once more in a new session where the one at hand turns out to have gone."""
        again = retry_if_exception_type(psycopg.OperationalError)
        with self._one_at_a_time:
            done: _Result = Retrying(stop=stop_after_attempt(2), retry=again, reraise=True)(self._in_transaction, work)
        return done

    def _in_transaction(self, work: Callable[[psycopg.Connection], _Result]) -> _Result:
        if self._session is None or self._session.closed:
            self._session = self._connect()
        with self._session.transaction():
            return work(self._session)

    def _next_turn(self, conn: psycopg.Connection, bucket: str, slot: int | None, patience: float) -> _Turn:
        """`slot`: what was promised, if its moment has come; given back where there is to be no call just then."""
        asked, fails = self._lock(conn, bucket)
        now = self._clock(conn)
        if max(asked or now, fails or now, self._last_slot(conn, bucket) or now) > now + timedelta(seconds=MOST_WAIT):
            asked, fails = self._bring_back_what_is_too_far_ahead(conn, bucket, now)
        closed = max(asked or now, fails or now) > now
        if slot is not None and closed:
            conn.execute("DELETE FROM lead_mining.provider_slot WHERE id = %s", [slot])
            slot = None
        full = None if slot is not None else self._full_until(conn, bucket)
        at, why = max(
            (now, ""),
            (asked or now, "it wants no call until then"),
            (fails or now, "it failed several times in a row"),
            (full or now, "its limit of calls is used up"),
            key=lambda reason: reason[0],
        )
        wait = (at - now).total_seconds()
        if slot is None and wait <= patience and self._rates.get(bucket):
            slot = self._keep_slot(conn, bucket, at, now)
        if not wait and fails:  # this one tries whether the provider works again
            self._open_until(conn, now + timedelta(seconds=_PROBE))
        return _Turn(at, wait, why, slot)

    def _lock(self, conn: psycopg.Connection, bucket: str) -> tuple[datetime | None, datetime | None]:
        """Until when the bucket is blocked, and until when the circuit is open. Always in the order of buckets."""
        names = sorted({"", bucket})
        locked = (
            "SELECT bucket, blocked_until, open_until FROM lead_mining.provider_gate"
            " WHERE provider = %s AND bucket = ANY(%s) ORDER BY bucket FOR UPDATE"
        )
        rows = conn.execute(locked, [self._account, names]).fetchall()
        if len(rows) < len(names):
            conn.execute(
                "INSERT INTO lead_mining.provider_gate (provider, bucket) SELECT %s, unnest(%s::text[])"
                " ON CONFLICT DO NOTHING",
                [self._account, names],
            )
            rows = conn.execute(locked, [self._account, names]).fetchall()
        blocked = {name: until for name, until, _ in rows}
        return blocked[bucket], rows[0][2]

    def _last_slot(self, conn: psycopg.Connection, bucket: str) -> datetime | None:
        row = conn.execute(
            "SELECT max(at) FROM lead_mining.provider_slot WHERE provider = %s AND bucket = %s", [self._account, bucket]
        ).fetchone()
        return row[0] if row else None

    def _bring_back_what_is_too_far_ahead(
        self, conn: psycopg.Connection, bucket: str, now: datetime
    ) -> tuple[datetime | None, datetime | None]:
        """Bound what a clock that was ahead has left behind; as `_lock`. A call made then counts as made now."""
        conn.execute(
            "UPDATE lead_mining.provider_slot SET at = %s WHERE provider = %s AND bucket = %s AND at > %s",
            [now, self._account, bucket, now + timedelta(seconds=MOST_WAIT)],
        )
        conn.execute(
            "UPDATE lead_mining.provider_gate"
            " SET blocked_until = CASE WHEN blocked_until > %(pause)s THEN %(pause)s ELSE blocked_until END,"
            " open_until = CASE WHEN open_until > %(circuit)s THEN %(circuit)s ELSE open_until END"
            " WHERE provider = %(account)s AND bucket IN ('', %(bucket)s)",
            {
                "pause": now + timedelta(seconds=_LONGEST_PAUSE),
                "circuit": now + timedelta(seconds=_PAUSES[-1]),
                "account": self._account,
                "bucket": bucket,
            },
        )
        return self._lock(conn, bucket)

    def _full_until(self, conn: psycopg.Connection, bucket: str) -> datetime | None:
        """When all windows of the bucket have room for one call more."""
        rates = self._rates.get(bucket, ())
        row = conn.execute(
            "SELECT max(slot.at + make_interval(secs => rate.seconds))"
            " FROM unnest(%s::integer[], %s::float8[]) AS rate (calls, seconds) CROSS JOIN LATERAL ("
            " SELECT at FROM lead_mining.provider_slot WHERE provider = %s AND bucket = %s"
            " ORDER BY at DESC OFFSET rate.calls - 1 LIMIT 1) AS slot",
            [[rate.calls for rate in rates], [rate.seconds * _SPREAD for rate in rates], self._account, bucket],
        ).fetchone()
        return row[0] if row else None

    def _keep_slot(self, conn: psycopg.Connection, bucket: str, at: datetime, now: datetime) -> int:
        longest = max(rate.seconds for rate in self._rates[bucket]) * _SPREAD
        conn.execute(
            "DELETE FROM lead_mining.provider_slot WHERE id IN (SELECT id FROM lead_mining.provider_slot"
            " WHERE provider = %s AND bucket = %s AND at < %s ORDER BY at LIMIT %s)",
            [self._account, bucket, now - timedelta(seconds=longest), _FORGET_AT_ONCE],
        )
        row = conn.execute(
            "INSERT INTO lead_mining.provider_slot (provider, bucket, at) VALUES (%s, %s, %s) RETURNING id",
            [self._account, bucket, at],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _write_down(self, conn: psycopg.Connection, bucket: str, failed: bool, wait: float | None) -> None:
        now = self._clock(conn)
        if failed:
            row = conn.execute(
                "UPDATE lead_mining.provider_gate SET failures = failures + 1 WHERE provider = %s AND bucket = ''"
                " RETURNING failures",
                [self._account],
            ).fetchone()
            beyond = (row[0] if row else 0) - _FAILURES
            if beyond >= 0:
                self._open_until(conn, now + timedelta(seconds=_PAUSES[min(beyond, len(_PAUSES) - 1)]))
        else:
            conn.execute(
                "UPDATE lead_mining.provider_gate SET failures = 0, open_until = NULL"
                " WHERE provider = %s AND bucket = '' AND (failures > 0 OR open_until IS NOT NULL)",
                [self._account],
            )
        if wait is not None:
            conn.execute(
                "UPDATE lead_mining.provider_gate SET blocked_until = greatest(blocked_until, %s)"
                " WHERE provider = %s AND bucket = %s",
                [now + timedelta(seconds=min(wait, _LONGEST_PAUSE)), self._account, bucket],
            )

    def _open_until(self, conn: psycopg.Connection, until: datetime) -> None:
        conn.execute(
            "UPDATE lead_mining.provider_gate SET open_until = %s WHERE provider = %s AND bucket = ''",
            [until, self._account],
        )
