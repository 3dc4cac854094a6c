"""A wave: calls of a run to its provider that are under way at once; one call, where the provider takes no more.

All are written down, each in a slot of its own, before the first is made. Each answer is stored as it comes, whatever
becomes of the others, in a transaction of its own. Threads wait for the provider and for nothing else: the database is
the caller's alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from psycopg import Connection, OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from lead_mining import provider_calls
from lead_mining.credits import accounts, run_holds
from lead_mining.exceptions import LedgerError, ProviderCreditsExhausted, ProviderError
from lead_mining.progress import Progress
from lead_mining.providers.base import Exclusions, Page, Provider, Query
from lead_mining.runs import Run
from lead_mining.sources import Source
from lead_mining.storing import store

log = logging.getLogger(__name__)

Reconnect = Callable[[], Connection]
"""Opens a new session on the CRM database, in autocommit mode."""

_KEEP_TRYING = 180.0  # seconds; a database that fails over is back by then


@dataclass(frozen=True)
class Wave:
    """What is asked for in a wave. `asks`: companies, a number for each call. `cursor`: from where on.

    `contacts_through`: set where contacts alone are asked for, of companies that others sold, up to that position.
    """

    source: Source
    asks: Sequence[int]
    cursor: str | None
    contacts_through: int | None = None


@dataclass(frozen=True)
class _Call:
    """One call of a wave. `id`: None where nothing is charged; `positions`: of the companies that it brings."""

    id: int | None
    page_number: int
    asked: int
    positions: Iterator[int]


def make_calls(
    conn: Connection, run: Run, wave: Wave, exclude: Exclusions, so_far: Progress, reconnect: Reconnect | None
) -> None:
    """Make the calls of a wave at once, and store what comes.

    Of the errors, the first in the order of pages is raised when all else is stored; ProviderCreditsExhausted only
    where there is no other.
    """
    query = run.mining_request.query()

    def ask(call: _Call) -> Page | Exception:
        try:
            return wave.source.provider.fetch(query, call.asked, wave.cursor, exclude)
        except Exception as error:  # raised below, when the other answers are stored
            return error

    errors: list[tuple[bool, int, Exception]] = []
    for call, answer in _answers(_write_down(conn, run, query, wave, so_far), ask):
        try:
            if isinstance(answer, Page):
                _surely(conn, reconnect, partial(_bought, run=run, call=call, page=answer, wave=wave))
            else:
                if isinstance(answer, ProviderError):
                    _surely(conn, reconnect, partial(_failed, call=call, error=answer))
                raise answer
        except Exception as error:
            errors.append((isinstance(error, ProviderCreditsExhausted), call.page_number, error))
    if errors:
        raise min(errors)[-1]


def _answers(
    calls: Sequence[_Call], ask: Callable[[_Call], Page | Exception]
) -> Iterator[tuple[_Call, Page | Exception]]:
    """Each call with what came of it, as it comes."""
    if len(calls) == 1:
        yield calls[0], ask(calls[0])
        return
    with ThreadPoolExecutor(len(calls), thread_name_prefix="provider-call") as pool:
        asked = {pool.submit(ask, call): call for call in calls}
        for done in as_completed(asked):
            yield asked[done], done.result()


def _write_down(conn: Connection, run: Run, query: Query, wave: Wave, so_far: Progress) -> list[_Call]:
    provider, asks = wave.source.provider, wave.asks
    slots = range(1, len(asks) + 1)
    ids: list[int | None] = [None for _ in slots]
    if provider.charges:
        asked_at, balance = provider_calls.clock(conn), known_balance(provider, fresh=False)
        with conn.transaction():
            ids = [
                provider_calls.intend(
                    conn,
                    run.id,
                    so_far.last_page + slot,
                    asked,
                    provider.most(query, asked, wave.cursor),
                    asked_at=asked_at,
                    balance_before=balance,
                    answer_within=provider.answer_within + provider.gate.most_wait,
                    slot=slot,
                    provider=wave.source.conn_id,
                )
                for slot, asked in zip(slots, asks, strict=True)
            ]
    return [
        _Call(id_, so_far.last_page + slot, asked, _positions(so_far.last_position, asks, slot))
        for id_, slot, asked in zip(ids, slots, asks, strict=True)
    ]


def _positions(last: int, asks: Sequence[int], slot: int) -> Iterator[int]:
    """Where the companies that a call brings stand, whichever answer comes first: in the order of the calls."""
    first = last + sum(asks[: slot - 1]) + 1
    return iter(range(first, first + asks[slot - 1]))


def known_balance(provider: Provider, *, fresh: bool = True) -> int | None:
    """The provider's balance; None where it does not tell, or fails to. `fresh`: as it is at this moment."""
    try:
        return provider.balance(fresh)
    except ProviderError as error:
        log.warning("the provider's balance is not known: %s", error)
        return None


def _failed(conn: Connection, call: _Call, error: ProviderError) -> None:
    if call.id is None:
        return
    if error.charge == "none":
        provider_calls.not_charged(conn, call.id, error=str(error))
    else:
        provider_calls.mark_unknown(conn, call.id, str(error), pending=error.charge == "pending")


def _bought(conn: Connection, run: Run, call: _Call, page: Page, wave: Wave) -> None:
    if call.id is not None:
        if not provider_calls.answered(conn, call.id, page.charged):
            raise LedgerError(f"the answer to provider call {call.id} came after somebody had settled it as lost")
        if page.charged and accounts.find(conn, run.credit_account).mirrored:
            run_holds.pay_call(conn, run.credit_account, run.id, call.id, page.charged)
    store(conn, run, call.page_number, call.asked, page, wave.source, call.positions, wave.contacts_through)


def _surely(conn: Connection, reconnect: Reconnect | None, work: Callable[[Connection], None]) -> None:
    """Do `work` in a transaction; where the database went away during the call, in a new session: it is paid for.

    The step is not gone on with in that case, as its lock went with the session: the loss of it is raised, and the step
    that is called again finds the page.
    """
    try:
        with conn.transaction():
            work(conn)
    except OperationalError:
        if reconnect is not None and conn.closed:
            for attempt in Retrying(
                retry=retry_if_exception_type(OperationalError),
                stop=stop_after_delay(_KEEP_TRYING),
                wait=wait_exponential(multiplier=0.1, max=5),
                reraise=True,
            ):
                with attempt, reconnect() as fresh, fresh.transaction():
                    work(fresh)
        raise
