"""People at work in Odoo: sessions that write to a CRM as Odoo 17 does, while others write to it too.

Each unit of work is one REPEATABLE READ transaction, tried up to five times where another was quicker, as Odoo's
request handler does. What was committed is noted, so that a test can look for it afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psycopg
from odoo_session import Committed, People, Session
from psycopg import IsolationLevel, errors

MAX_TRIES = 5  # as in Odoo
APPLICATION = "odoo"
_CONCURRENCY = (errors.SerializationFailure, errors.LockNotAvailable, errors.DeadlockDetected)


class OdooTraffic:
    """So many sessions at work from entering to leaving; leaving waits for their last transactions.

    `shared_tags`: names of tags that the sessions make too, each if it is not there yet.
    """

    def __init__(self, dsn: str, sessions: int = 4, shared_tags: Sequence[str] = ()) -> None:
        self.dsn, self.shared_tags = dsn, list(shared_tags)
        self.people = People.of(dsn)
        self.committed = Committed()
        self.problems: list[str] = []
        self.deadlocks: list[str] = []
        self.retries = 0
        self.slowest: tuple[float, str] = (0.0, "")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(sessions)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        try:
            with psycopg.connect(self.dsn, application_name=APPLICATION) as conn:
                conn.isolation_level = IsolationLevel.REPEATABLE_READ
                session = Session(conn, self.people, self.committed, self.shared_tags, seed=number)
                while not self._stop.is_set():
                    self._one_unit(conn, session)
                    time.sleep(0.01)  # people think, a little
                with self.committed.lock:
                    self.slowest = max(self.slowest, session.slowest)
        except Exception as error:
            self.problems.append(f"session {number}: {error!r}")

    def _one_unit(self, conn: psycopg.Connection, session: Session) -> None:
        name, unit = session.choose()
        for attempt in range(1, MAX_TRIES + 1):
            try:
                note = unit()
                conn.commit()
            except _CONCURRENCY as error:
                conn.rollback()
                self._failed(name, error, last=attempt == MAX_TRIES)
                time.sleep(session.random.uniform(0, 0.02 * 2**attempt))
            except errors.UniqueViolation:  # Odoo tells its user that there is one of that name
                conn.rollback()
                return
            else:
                with self.committed.lock:
                    self.committed.units[name] += 1
                    if note:
                        note()
                return

    def _failed(self, name: str, error: psycopg.Error, *, last: bool) -> None:
        with self.committed.lock:
            self.retries += 1
            if isinstance(error, errors.DeadlockDetected):
                self.deadlocks.append(f"{name}: {error.diag.message_detail}")
            if last:
                self.problems.append(f"{name}: gave up after {MAX_TRIES} tries: {error}")


class Waits(threading.Thread):
    """Looks, many times a second, for sessions of Odoo's that wait for one of ours (by application name)."""

    def __init__(self, dsn: str, ours: str) -> None:
        super().__init__(daemon=True)
        self.dsn, self.ours, self.longest, self.looks = dsn, ours, 0.0, 0
        self._stopping = threading.Event()

    def run(self) -> None:
        waiting_since: dict[int, float] = {}
        query = """
            SELECT theirs.pid FROM pg_stat_activity theirs, unnest(pg_blocking_pids(theirs.pid)) AS blocker
            JOIN pg_stat_activity ours ON ours.pid = blocker
            WHERE theirs.application_name = %s AND ours.application_name = %s AND theirs.wait_event_type = 'Lock'
        """
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            while not self._stopping.wait(0.02):
                now = time.monotonic()
                pids = {row[0] for row in conn.execute(query, [APPLICATION, self.ours])}
                waiting_since = {pid: waiting_since.get(pid, now) for pid in pids}
                self.longest = max([self.longest, *(now - since for since in waiting_since.values())])
                self.looks += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()
