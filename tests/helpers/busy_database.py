"""A CRM's database that cannot for a while: tables or rows are locked, the disk is full, queries are cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import LiteralString

import psycopg
from psycopg.errors import LockNotAvailable

WRITTEN = ("provider_answer", "provider_call", "raw_page", "candidate", "rejection", "ledger_transaction", "run_step")
"""Tables that are written while leads are bought."""

_TRIGGERS: LiteralString = """
CREATE SCHEMA trouble;
CREATE TABLE trouble.now (code text);
CREATE FUNCTION trouble.strike() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    code text := (SELECT code FROM trouble.now);
BEGIN
    IF code IS NOT NULL THEN
        RAISE EXCEPTION 'no' USING ERRCODE = code;
    END IF;
    RETURN NULL;
END $$;
GRANT USAGE ON SCHEMA trouble TO PUBLIC;
GRANT SELECT ON trouble.now TO PUBLIC;
"""


def make_breakable(conn: psycopg.Connection) -> None:
    """Triggers on all that is written, which raise while `failing` says so."""
    conn.execute(_TRIGGERS)
    for table in WRITTEN:
        conn.execute(
            f"CREATE TRIGGER trouble AFTER INSERT OR UPDATE OR DELETE ON lead_mining.{table}"  # type: ignore[arg-type]
            " FOR EACH STATEMENT EXECUTE FUNCTION trouble.strike()"
        )


@contextmanager
def failing(dsn: str, code: str) -> Iterator[None]:
    """Whatever is written meanwhile fails with that SQLSTATE."""
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("INSERT INTO trouble.now VALUES (%s)", [code])
        try:
            yield
        finally:
            other.execute("DELETE FROM trouble.now")


@contextmanager
def locked(dsn: str, statement: LiteralString) -> Iterator[psycopg.Connection]:
    """What `statement` locks is locked meanwhile."""
    with psycopg.connect(dsn) as other:
        other.execute(statement)
        yield other
        other.rollback()


@contextmanager
def cancelling(dsn: str, statement: LiteralString, how: str = "pg_cancel_backend") -> Iterator[None]:
    """Whoever comes upon what `statement` locks is cancelled."""
    ended = threading.Event()

    def cancel() -> None:
        with psycopg.connect(dsn, autocommit=True) as watcher:
            while not ended.wait(0.02):
                watcher.execute(
                    f"SELECT {how}(pid) FROM pg_stat_activity"  # type: ignore[arg-type]
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )

    with locked(dsn, statement):
        watch = threading.Thread(target=cancel)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()


class Trouble:
    """Trouble that begins when `start` is called, and ends by itself after `seconds`."""

    def __init__(self, trouble: Callable[[], AbstractContextManager[object]], seconds: float) -> None:
        self._trouble, self._seconds = trouble, seconds
        self._is_there = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Returns when the trouble is there; or cannot be, as what it would lock is held by somebody."""
        self._thread.start()
        assert self._is_there.wait(20)

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with suppress(LockNotAvailable), self._trouble():
                self._is_there.set()
                time.sleep(self._seconds)
        finally:
            self._is_there.set()
