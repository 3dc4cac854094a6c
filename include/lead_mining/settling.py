"""Settling a paid call by its answer: the page is stored, the charge paid, and what cannot be read stays kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import psycopg
from psycopg import Connection

from lead_mining import answers, charge_doubts, kept_answers, provider_calls
from lead_mining.credits import accounts, run_holds
from lead_mining.exceptions import LeadMiningError, LedgerError, UnreadableAnswer
from lead_mining.foreign_errors import fault
from lead_mining.patience import Reconnect, patiently
from lead_mining.plain import logger
from lead_mining.provider_calls import Call
from lead_mining.providers.base import Page, Provider
from lead_mining.runs import Run
from lead_mining.sources import Source
from lead_mining.storing import store

log = logger(__name__)


def settle_by_answer(
    conn: Connection,
    reconnect: Reconnect | None,
    run: Run,
    call_id: int,
    source: Source,
    first_position: int,
    contacts_through: int | None,
    page_of: Callable[[], Page],
    by: str | None = None,
) -> None:
    """Store what a call brought, and what it cost; nothing where somebody has done so already.

    No more than the call's most is paid. `page_of`: reads the answer, which is kept; `by`: who said what it cost, if
    not itself. Raises UnreadableAnswer where it cannot be read: it stays kept, and the call `unknown`; LedgerError
    where somebody has settled it otherwise.
    """

    def work(session: Connection) -> None:
        call = provider_calls.get(session, call_id)
        if call.state == "answered":
            return
        doubt = charge_doubts.compare_with_most(session, run, call.page_number, call.most, page.charged)
        if not provider_calls.answered(session, call_id, page.charged, doubt, by):
            raise LedgerError(f"the answer to provider call {call_id} came after somebody had settled it as lost")
        if page.charged and accounts.find(session, run.credit_account).mirrored:
            run_holds.pay_call(session, run.credit_account, run.id, call_id, min(page.charged, call.most))
        store(session, run, call.page_number, call.asked, page, source, first_position, contacts_through)
        kept_answers.forget(session, call_id)

    try:
        page = page_of()
        patiently(conn, reconnect, work)
    except (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError, LedgerError):
        raise
    except Exception as error:
        why = f"kept, and cannot be read: {error if isinstance(error, LeadMiningError) else fault(error)}"
        patiently(conn, reconnect, partial(provider_calls.mark_unknown, call_id=call_id, error=why, pending=False))
        raise UnreadableAnswer(call_id, run.request_number, source.conn_id, why) from None


def settle_by_kept_answers(conn: Connection, run: Run, sources: Sequence[Source]) -> None:
    """Store the answers to calls of the run that were kept and not stored: whoever bought them was stopped.

    Raises UnreadableAnswer where one cannot be read yet; the others are stored.
    """
    unreadable: list[UnreadableAnswer] = []
    providers = {source.conn_id: source.provider for source in sources}
    for call in provider_calls.unsettled(conn, run.id):
        try:
            settle_by_kept_answer(conn, run, call, providers.__getitem__)
        except UnreadableAnswer as error:
            unreadable.append(error)
    if unreadable:
        raise unreadable[0]


def settle_by_kept_answer(
    conn: Connection,
    run: Run,
    call: Call,
    provider_of: Callable[[str], Provider],
    charged: int | None = None,
    by: str | None = None,
) -> None:
    """Store the answer to a call, if one is kept. `provider_of`: Airflow connection id to provider, asked only then;
    `charged`: what it took, as `by` says.

    Raises UnreadableAnswer where it cannot be read, but for one over which `fetch` raised an error: it may have cost
    nothing, which the provider's balance tells.
    """
    kept = kept_answers.find(conn, run, call)
    if kept is None:
        return
    source = Source(call.provider, provider_of(call.provider))
    log.info("the answer to provider call %s was kept: it is read once more", call.id)
    read = partial(answers.from_kept, kept.answer, source.provider.page_of, charged)
    try:
        settle_by_answer(conn, None, run, call.id, source, kept.first_position, kept.contacts_through, read, by)
    except UnreadableAnswer:
        if not answers.is_of_failure(kept.answer):
            raise
