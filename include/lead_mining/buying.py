"""Buying pages from a provider: each call is written down before it is made, what came of it before the next.

A process that dies between call and answer leaves a call that nobody knows the outcome of. It is never made again by
itself: the provider's balance may show that nothing was taken; else a person decides (`settle_call`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Literal

from psycopg import Connection, OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from lead_mining import candidates, provider_calls, runs
from lead_mining.candidates import Progress, Rejection
from lead_mining.credits import accounts, run_holds
from lead_mining.exceptions import (
    LedgerError,
    MalformedRecord,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderOutcomeUnknown,
)
from lead_mining.privacy.suppression import find_suppressed
from lead_mining.privacy.unwritten import without_suppressed
from lead_mining.provider_calls import Call
from lead_mining.providers.base import Company, Exclusions, Page, Provider
from lead_mining.runs import Run

log = logging.getLogger(__name__)

Reconnect = Callable[[], Connection]
"""Opens a new session on the CRM database, in autocommit mode."""

_KEEP_TRYING = 180.0  # seconds; a database that fails over is back by then


def buy(
    conn: Connection,
    run: Run,
    provider: Provider,
    exclude: Exclusions,
    net_new: Callable[[], int],
    reconnect: Reconnect | None = None,
) -> str:
    """Buy pages until there are enough net-new companies, nothing new comes, or the run's most is charged; which.

    `net_new`: how many of the companies bought so far would be loaded; asked when there would be enough if all were,
    and only where more can be paid. Raises ProviderOutcomeUnknown where an earlier call may have been charged and its
    answer is lost, and ProviderError of every kind; ProviderCreditsExhausted only where no page was bought before.
    """
    _settle_by_balance(conn, run, provider)
    cost_of_one = run.mining_request.cost_of(1).total
    wanted = run.lead_number  # companies, to have so many net-new ones
    while True:
        so_far = candidates.progress(conn, run.id)
        payable = (run.max_cost - so_far.charged - provider_calls.lost_by_run(conn, run.id)) // cost_of_one
        if so_far.pages and (so_far.next_cursor is None or not so_far.last_page_was_new):
            return "the provider has no more"
        if so_far.companies >= wanted and payable > 0:
            wanted = so_far.companies + max(run.lead_number - net_new(), 0)
        ask = min(wanted - so_far.companies, provider.page_size, payable)
        if ask <= 0:
            return "enough" if so_far.companies >= wanted else "the most it may cost is charged"
        try:
            _buy_page(conn, run, provider, exclude, so_far, ask, reconnect)
        except ProviderCreditsExhausted:
            if so_far.pages:  # what is paid for is loaded
                return "the provider's account has no credits left"
            raise


def _buy_page(
    conn: Connection,
    run: Run,
    provider: Provider,
    exclude: Exclusions,
    so_far: Progress,
    ask: int,
    reconnect: Reconnect | None,
) -> None:
    page_number = so_far.pages + 1
    call_id = _intend(conn, run, provider, page_number, ask) if provider.charges else None
    try:
        page = provider.fetch(run.mining_request.query(), ask, so_far.next_cursor, exclude)
    except ProviderError as error:
        _surely(conn, reconnect, partial(_failed, call_id=call_id, error=error))
        raise
    bought = partial(
        _bought, run=run, call_id=call_id, page_number=page_number, asked=ask, page=page, provider=provider
    )
    _surely(conn, reconnect, bought)


def _intend(conn: Connection, run: Run, provider: Provider, page_number: int, ask: int) -> int:
    asked_at = provider_calls.clock(conn)
    balance = _balance(provider)
    with conn.transaction():
        return provider_calls.intend(
            conn,
            run.id,
            page_number,
            ask,
            run.mining_request.cost_of(ask).total,
            asked_at=asked_at,
            balance_before=balance,
            answer_within=provider.answer_within,
        )


def _failed(conn: Connection, call_id: int | None, error: ProviderError) -> None:
    if call_id is None:
        return
    if error.charge == "none":
        provider_calls.not_charged(conn, call_id, error=str(error))
    else:
        provider_calls.mark_unknown(conn, call_id, str(error), pending=error.charge == "pending")


def _bought(
    conn: Connection, run: Run, call_id: int | None, page_number: int, asked: int, page: Page, provider: Provider
) -> None:
    if call_id is not None:
        if not provider_calls.answered(conn, call_id, page.charged):
            raise LedgerError(f"the answer to provider call {call_id} came after somebody had settled it as lost")
        if page.charged and accounts.find(conn, run.credit_account).mirrored:
            run_holds.pay_call(conn, run.credit_account, run.id, call_id, page.charged)
    store(conn, run, page_number, asked, page, provider)


def store(conn: Connection, run: Run, page_number: int, asked: int, page: Page, provider: Provider) -> None:
    """A page as received, the companies read from it, and a rejection for each record that cannot be read.

    Of people on the suppression list nothing is stored, in the page neither.
    """
    companies: list[Company] = []
    rejections: list[Rejection] = []
    for record in page.records:
        try:
            companies.append(provider.parse(record))
        except MalformedRecord as error:
            fields = ", ".join(field for field, _, _ in error.problems)
            rejections.append(
                Rejection("extract", "readable_record", field=fields, value=str(error)[:500], record=record)
            )
    suppressed = find_suppressed(conn, list(enumerate(companies)))
    if suppressed:
        raw, companies = without_suppressed(page.raw, companies, suppressed)
        page = replace(page, raw=raw)
        rejections += [
            Rejection("extract", f"suppressed_{s.kind}", None, s.contact_index, "contact", f"{s.reason} ({s.source})")
            for s in suppressed
            if s.contact_index is not None
        ]
    candidates.store_page(conn, run.id, page_number, asked, page, companies)
    candidates.reject(conn, run.id, rejections)


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


def _settle_by_balance(conn: Connection, run: Run, provider: Provider) -> None:
    """Find out what came of a call whose answer was lost. Raises ProviderOutcomeUnknown where that cannot be known."""
    for call in provider_calls.unsettled(conn, run.id):
        if call.state == "open":
            with conn.transaction():
                provider_calls.mark_unknown(conn, call.id, "its process ended before an answer was seen", pending=True)
        if call.balance_before is not None and call.pending:
            wait = (call.pending_until - provider_calls.clock(conn)).total_seconds()
            log.info(
                "waiting %.0f s: the provider may still be at work on call %s, whose answer was lost", wait, call.id
            )
            time.sleep(max(wait, 0))
        balance, expected = _balance(provider), provider_calls.balance_if_not_charged(conn, call)
        if balance is None or balance != expected:
            raise ProviderOutcomeUnknown(_to_settle(run, call, balance, expected))
        with conn.transaction():
            provider_calls.not_charged(conn, call.id, by="balance")


def _to_settle(run: Run, call: Call, balance: int | None, expected: int | None) -> str:
    if balance is None:
        found = "its balance cannot be asked"
    elif expected is None:
        found = f"its balance, {balance}, cannot tell, as other calls were made at the same time"
    else:
        found = f"its balance is {balance}, and would be {expected} if it had not"
    return (
        f"{call} of {run.request_number} is lost, and {call.provider!r} may have charged for it: {found}. Nothing more"
        f" is bought until a person has decided: look at the provider's account, trigger the DAG credits_settle with"
        f" call {call.id}, then clear this task"
    )


def _balance(provider: Provider) -> int | None:
    try:
        return provider.balance()
    except ProviderError as error:
        log.warning("the provider's balance is not known: %s", error)
        return None


def settle_call(conn: Connection, call_id: int, outcome: Literal["not_charged", "lost"], charged: int, by: str) -> None:
    """A person's decision on a call whose answer is lost: the provider took nothing, or it took `charged` credits.

    On a mirrored account what it took is spent. Its run can go on then. The same decision of the same person again
    changes nothing. Raises LedgerError where there is no such call, it is settled otherwise, it cannot have cost so
    much, or the provider may still be at work on it.
    """
    with conn.transaction():
        call = provider_calls.get(conn, call_id)
        if (call.state, call.charged, call.settled_by) == (outcome, charged, by):
            return
        if call.state not in ("open", "unknown"):
            raise LedgerError(f"provider call {call_id} is settled already: {call.state}")
        if call.pending:
            until = f"{call.pending_until.astimezone(UTC):%H:%M:%S} UTC"
            raise LedgerError(f"the provider may still be at work on call {call_id}: settle it after {until}")
        if charged > call.most:
            raise LedgerError(f"provider call {call_id} can have cost {call.most} credits at most, not {charged}")
        if outcome == "not_charged":
            provider_calls.not_charged(conn, call_id, by=by)
            return
        run = runs.get(conn, call.run_id)
        provider_calls.lost(conn, call_id, charged, by=by)
        if charged and accounts.find(conn, run.credit_account).mirrored:
            run_holds.pay_call(conn, run.credit_account, run.id, call_id, charged)
