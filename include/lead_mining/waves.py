"""A wave: calls of a run to its provider that are under way at once; one call, where the provider takes no more.

All are written down, each in a slot of its own, before the first is made. Each answer is kept as it comes, before
anything is read of it and whatever becomes of the others, in a transaction of its own; then its page is stored, in
another. Threads wait for the provider and for nothing else: the database is the caller's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from psycopg import Connection, OperationalError

from lead_mining import answers, charge_doubts, kept_answers, provider_calls
from lead_mining.balance_watch import BalanceWatch
from lead_mining.exceptions import Charge, LeadMiningError, MalformedAnswer, ProviderCreditsExhausted, ProviderError
from lead_mining.foreign_errors import fault
from lead_mining.kept_answers import KeptAnswer
from lead_mining.patience import Reconnect, patiently
from lead_mining.progress import Progress
from lead_mining.providers.base import Exclusions, Page, Query
from lead_mining.providers.transport import remembering
from lead_mining.runs import Run
from lead_mining.settling import settle_by_answer
from lead_mining.sources import Source
from lead_mining.storing import store


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
    """One call of a wave. `id` and `asked_at`: None where nothing is charged; `first_position`: of its companies;
    `most`: credits that it can cost."""

    id: int | None
    asked_at: datetime | None
    page_number: int
    asked: int
    most: int
    first_position: int


@dataclass(frozen=True)
class _Failure:
    """What `fetch` raised. `heard`: the provider's last answer to it; None where it is not known."""

    error: Exception
    heard: object


def make_calls(
    conn: Connection,
    run: Run,
    wave: Wave,
    exclude: Exclusions,
    so_far: Progress,
    reconnect: Reconnect | None,
    watch: BalanceWatch,
) -> None:
    """Make the calls of a wave at once, and store what comes: first as it is, then what can be read of it.

    Raises ChargeDoubted where more was charged than could be. Of other errors, the first in the order of pages is
    raised when all else is stored; ProviderCreditsExhausted only where there is no other. Where the session ended
    meanwhile, the step's lock went with it: OperationalError is raised when all is stored, and the step that is called
    again finds the pages.
    """
    query = run.mining_request.query()

    def ask(call: _Call) -> object:
        with remembering() as heard:
            try:
                return wave.source.provider.fetch(query, call.asked, wave.cursor, exclude)
            except Exception as error:  # raised below, when the other answers are stored
                return _Failure(error, heard[-1] if heard else None)

    errors: list[tuple[bool, int, Exception]] = []
    came: list[tuple[_Call, object]] = []
    for call, answer in _answers(_write_down(conn, run, query, wave, so_far, watch), ask):
        with _noted(errors, call):
            if isinstance(answer, _Failure):
                _failed(conn, reconnect, call, answer.error)
                _keep_failure(conn, reconnect, run, call, wave, answer)
                if isinstance(answer.error, LeadMiningError):
                    raise answer.error
                raise MalformedAnswer(f"fetch of {wave.source.conn_id!r} failed: {fault(answer.error)}")
            _keep(conn, reconnect, run, call, wave, answer)
            came.append((call, answer))
    for call, answer in came:
        with _noted(errors, call):
            _store(conn, reconnect, run, call, wave, answer)
    if not conn.closed and any(_is_too_dear(call, answer) for call, answer in came):
        charge_doubts.check(conn, run)
    if errors:
        raise min(errors, key=lambda noted: noted[:2])[-1]
    if conn.closed:
        raise OperationalError("the session on the CRM's database ended; what was bought is stored: repeat the step")


def _is_too_dear(call: _Call, answer: object) -> bool:
    charged = answer.charged if isinstance(answer, Page) else None
    return isinstance(charged, int) and charged > call.most


@contextmanager
def _noted(errors: list[tuple[bool, int, Exception]], call: _Call) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        errors.append((isinstance(error, ProviderCreditsExhausted), call.page_number, error))


def _answers(calls: Sequence[_Call], ask: Callable[[_Call], object]) -> Iterator[tuple[_Call, object]]:
    """Each call with what came of it, as it comes."""
    if len(calls) == 1:
        yield calls[0], ask(calls[0])
        return
    with ThreadPoolExecutor(len(calls), thread_name_prefix="provider-call") as pool:
        asked = {pool.submit(ask, call): call for call in calls}
        for done in as_completed(asked):
            yield asked[done], done.result()


def _write_down(
    conn: Connection, run: Run, query: Query, wave: Wave, so_far: Progress, watch: BalanceWatch
) -> list[_Call]:
    provider, asks = wave.source.provider, wave.asks
    slots = range(1, len(asks) + 1)
    ids: list[int | None] = [None for _ in slots]
    mosts = [provider.most(query, asked, wave.cursor) if provider.charges else 0 for asked in asks]
    asked_at: datetime | None = None
    if provider.charges:
        asked_at, balance = watch.before_calls()
        with conn.transaction():
            ids = [
                provider_calls.intend(
                    conn,
                    run.id,
                    so_far.last_page + slot,
                    asked,
                    most,
                    asked_at=asked_at,
                    balance_before=balance,
                    answer_within=provider.answer_within + provider.gate.most_wait,
                    slot=slot,
                    provider=wave.source.conn_id,
                )
                for slot, asked, most in zip(slots, asks, mosts, strict=True)
            ]
    return [
        _Call(id_, asked_at, so_far.last_page + slot, asked, most, so_far.last_position + sum(asks[: slot - 1]) + 1)
        for id_, slot, asked, most in zip(ids, slots, asks, mosts, strict=True)
    ]


def _failed(conn: Connection, reconnect: Reconnect | None, call: _Call, error: Exception) -> None:
    if (id_ := call.id) is None:
        return
    # What is no ProviderError is a fault of the provider's module, which may have asked before.
    charge, why = (error.charge, str(error)) if isinstance(error, ProviderError) else ("pending", type(error).__name__)

    def note(session: Connection) -> None:
        if charge == "none":
            provider_calls.not_charged(session, id_, error=why)
        else:
            provider_calls.mark_unknown(session, id_, why, pending=charge == "pending")

    patiently(conn, reconnect, note)


def _keep_failure(
    conn: Connection, reconnect: Reconnect | None, run: Run, call: _Call, wave: Wave, failure: _Failure
) -> None:
    """An answer came, and the provider's module failed on it: that can be mended."""
    if call.id is None or call.asked_at is None or failure.heard is None:
        return
    if isinstance(failure.error, ProviderError):
        charge: Charge = failure.error.charge
        if charge == "none" or not isinstance(failure.error, MalformedAnswer):
            return
    kept = KeptAnswer(call.first_position, wave.contacts_through, answers.keepable_of_failure(failure.heard))
    kept_answers.keep(conn, reconnect, run, call.id, call.asked_at, kept)


def _keep(
    conn: Connection,
    reconnect: Reconnect | None,
    run: Run,
    call: _Call,
    wave: Wave,
    answer: object,
) -> None:
    """Raises MalformedAnswer where there is nothing to keep."""
    if call.id is None or call.asked_at is None:
        return
    if answer is None:
        nothing = MalformedAnswer(f"fetch of the provider {wave.source.conn_id!r} returned None and no Page: mend it")
        _failed(conn, reconnect, call, nothing)
        raise nothing
    kept = KeptAnswer(call.first_position, wave.contacts_through, answers.keepable(answer))
    kept_answers.keep(conn, reconnect, run, call.id, call.asked_at, kept)


def _store(
    conn: Connection,
    reconnect: Reconnect | None,
    run: Run,
    call: _Call,
    wave: Wave,
    answer: object,
) -> None:
    first, through = call.first_position, wave.contacts_through
    if call.id is not None:
        read = partial(answers.checked, answer)
        settle_by_answer(conn, reconnect, run, call.id, wave.source, first, through, read)
        return
    page = answers.checked(answer)

    def work(session: Connection) -> None:
        store(session, run, call.page_number, call.asked, page, wave.source, first, through)
        charge_doubts.compare_with_most(session, run, call.page_number, call.most, page.charged)

    patiently(conn, reconnect, work)
