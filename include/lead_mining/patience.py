"""Work on the CRM's database that must be done, as it was paid for: tried again while the database is busy or away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import LiteralString

from psycopg import Connection, InterfaceError, InternalError, OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from lead_mining.plain import logger

log = logger(__name__)

Reconnect = Callable[[], Connection]
"""Opens a new session on the CRM database, in autocommit mode."""

KEEP_TRYING = 900.0  # seconds; a database that fails over, or rewrites a table, is back by then

LOCK_WAIT = "10s"
"""Short, so that what waits holds no lock of its own for long: it is done over."""

_LIMITS: LiteralString = "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '60s', true)"


def patiently(
    conn: Connection,
    reconnect: Reconnect | None,
    work: Callable[[Connection], None],
    when_it_fails: Callable[[], None] = lambda: None,
) -> None:
    """Do `work` in a transaction of its own, again and again for KEEP_TRYING seconds while the database cannot.

    A lock, a deadlock, a full disk, a cancelled query and a lost session pass; a new session is opened where that of
    `conn` has ended. `work` may be done twice: a commit may have succeeded though the session broke. `when_it_fails`:
    called once, after the first failure. Raises the last error of the database, and all else that `work` raises.
    """

    def failed(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("the CRM's database cannot at the moment (%s); tried again", type(error).__name__)
        if state.attempt_number == 1:
            when_it_fails()

    def may_pass(error: BaseException) -> bool:
        is_of_the_database = isinstance(error, OperationalError | InternalError | InterfaceError)
        return is_of_the_database and not (session.closed and reconnect is None)

    session = conn
    with ExitStack() as sessions:
        for attempt in Retrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_delay(KEEP_TRYING),
            wait=wait_exponential(multiplier=0.1, max=5),
            after=failed,
            reraise=True,
        ):
            with attempt:
                if session.closed and reconnect is not None:
                    session = sessions.enter_context(reconnect())
                with session.transaction():
                    session.execute(_LIMITS, [LOCK_WAIT])
                    work(session)
