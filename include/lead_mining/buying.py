"""Buying pages from a provider: how many, and what becomes of a call whose answer is lost.

A process that dies between call and answer leaves a call that nobody knows the outcome of. It is never made again by
itself: the provider's balance may show that nothing was taken; else a person decides (`settle_call`).
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Literal

from psycopg import Connection

from lead_mining import kept_answers, provider_calls, runs
from lead_mining.balance_watch import BalanceWatch, known_balance
from lead_mining.credits import accounts, run_holds
from lead_mining.exceptions import (
    InvalidRequest,
    LedgerError,
    ProviderCreditsExhausted,
    ProviderOutcomeUnknown,
    UnreadableAnswer,
)
from lead_mining.patience import Reconnect
from lead_mining.plain import logger
from lead_mining.progress import progress
from lead_mining.provider_calls import Call
from lead_mining.providers.base import Exclusions, Provider, Query
from lead_mining.runs import Run
from lead_mining.settling import settle_by_kept_answer
from lead_mining.sources import Source
from lead_mining.waves import Wave, make_calls

log = logger(__name__)


ENOUGH = "enough"
NO_CREDITS_THERE = "the provider's account has no credits left"


def buy(
    conn: Connection,
    run: Run,
    source: Source,
    exclude: Exclusions,
    net_new: Callable[[], int],
    reconnect: Reconnect | None = None,
) -> str:
    """Buy pages until there are enough net-new companies, nothing new comes, or the run's most is charged; which.

    What was bought in part is bought whole, even if there are companies enough. `net_new`: how many of the companies
    bought so far would be loaded; asked when there would be enough if all were, and only where more can be paid. No
    call of the run may be unsettled. Raises ChargeDoubted, and ProviderError of every kind; ProviderCreditsExhausted
    only where no page was bought before.
    """
    watch = BalanceWatch(conn, run, source)
    stopped = _buy(conn, run, source, exclude, net_new, reconnect, watch)
    watch.after_calls()
    return stopped


def _buy(
    conn: Connection,
    run: Run,
    source: Source,
    exclude: Exclusions,
    net_new: Callable[[], int],
    reconnect: Reconnect | None,
    watch: BalanceWatch,
) -> str:
    query, provider = run.mining_request.query(), source.provider
    most = run.max_cost - provider_calls.lost_by_run(conn, run.id)
    wanted = run.lead_number  # companies, to have so many net-new ones
    so_far = progress(conn, run.id, provider=source.conn_id)
    while so_far.more:
        left, cursor = most - so_far.charged, so_far.next_cursor
        if so_far.companies >= wanted and not so_far.unfinished and provider.most(query, 1, cursor) <= left:
            wanted = so_far.companies + max(run.lead_number - net_new(), 0)
        missing = max(wanted - so_far.companies, 1 if so_far.unfinished else 0)
        asks = _asks(payable(provider, query, missing, cursor, left), provider)
        if not asks:
            return ENOUGH if not missing else "the most it may cost is charged"
        wave = Wave(source, asks[:1] if so_far.unfinished else asks, cursor)
        try:
            make_calls(conn, run, wave, exclude, so_far, reconnect, watch)
        except ProviderCreditsExhausted:
            if progress(conn, run.id, so_far).pages:  # what is paid for is loaded
                return NO_CREDITS_THERE
            raise
        so_far = progress(conn, run.id, so_far)
    return "the provider has no more"


def payable(provider: Provider, query: Query, companies: int, cursor: str | None, credits: int) -> int:
    """So many of the companies wanted, of one wave at most, as surely cost no more than the credits."""
    most = min(companies, provider.page_size * provider.calls_at_once)
    return bisect_right(range(1, most + 1), credits, key=lambda number: provider.most(query, number, cursor))


def _asks(companies: int, provider: Provider) -> list[int]:
    """How many companies each call of a wave asks for; none where none is wanted."""
    return [min(companies - first, provider.page_size) for first in range(0, companies, provider.page_size)]


def settle_by_balance(conn: Connection, run: Run, sources: Sequence[Source]) -> None:
    """Find out what came of the calls of a wave whose answers were lost.

    Raises ProviderOutcomeUnknown where that cannot be known: then no wave begins.
    """
    calls = provider_calls.unsettled(conn, run.id)
    if not calls:
        return
    with conn.transaction():
        for call in calls:
            provider_calls.mark_unknown(conn, call.id, "its process ended before an answer was seen", pending=True)
    numbers = ", ".join(str(call.id) for call in calls)
    if calls[0].balance_before is not None and any(call.pending for call in calls):
        until = max(call.pending_until for call in calls)
        wait = (until - provider_calls.clock(conn)).total_seconds()
        log.info("waiting %.0f s: the provider may still be at work on call %s, whose answer was lost", wait, numbers)
        time.sleep(max(wait, 0))
    asked = next((source.provider for source in sources if source.conn_id == calls[0].provider), None)
    balance = known_balance(asked) if asked else None
    expected, unclear = provider_calls.balance_if_not_charged(conn, calls)
    if balance is None or balance != expected:
        raise ProviderOutcomeUnknown(_to_settle(run, calls, balance, expected, unclear))
    with conn.transaction():
        for call in calls:
            provider_calls.not_charged(conn, call.id, by="balance")
            kept_answers.forget(conn, call.id)


def _to_settle(
    run: Run, calls: Sequence[Call], balance: int | None, expected: int | None, unclear: Sequence[int]
) -> str:
    if balance is None:
        found = "its balance cannot be asked"
    elif unclear:
        others = ", ".join(map(str, unclear[:5])) + (", ..." if len(unclear) > 5 else "")
        found = f"its balance, {balance}, cannot tell, as it may have worked at the same time on call {others}"
    elif expected is None:
        found = f"its balance is {balance}, and was not known before"
    else:
        found = f"its balance is {balance}, and would be {expected} if it had not"
    return (
        f"{'; '.join(map(str, calls))} of {run.request_number} is lost, and {calls[0].provider!r} may have charged for"
        f" {'it' if len(calls) == 1 else 'these'}: {found}. Nothing more is bought until a person has decided: look at"
        f" the provider's account, trigger the DAG credits_settle with call"
        f" {', then with call '.join(str(call.id) for call in calls)}, then clear this task"
    )


def settle_call(
    conn: Connection,
    call_id: int,
    outcome: Literal["not_charged", "lost"],
    charged: int,
    by: str,
    provider_of: Callable[[str], Provider] | None = None,
) -> str:
    """A person's decision on a call whose answer is lost: the provider took nothing, or it took `charged` credits.

    On a mirrored account what it took is spent. Its run can go on then. The same decision of the same person again
    changes nothing. Where the answer is kept, and its provider can read it but for what it cost, it is stored for so
    many credits; `provider_of`: Airflow connection id to provider. Returns what the call is then. Raises LedgerError
    where there is no such call, it is settled otherwise, it cannot have cost so much, or the provider may still be at
    work on it.
    """
    if outcome == "lost" and provider_of is not None:
        _store_for(conn, call_id, charged, by, provider_of)
    with conn.transaction():
        call = provider_calls.get(conn, call_id)
        if (call.state, call.charged, call.settled_by) == ("answered", charged, by):
            return call.state
        if (call.state, call.charged, call.settled_by) == (outcome, charged, by):
            return outcome
        if call.state not in ("open", "unknown"):
            raise LedgerError(f"provider call {call_id} is settled already: {call.state}")
        if call.pending:
            until = f"{call.pending_until.astimezone(UTC):%H:%M:%S} UTC"
            raise LedgerError(f"the provider may still be at work on call {call_id}: settle it after {until}")
        if charged > call.most:
            raise LedgerError(f"provider call {call_id} can have cost {call.most} credits at most, not {charged}")
        if outcome == "not_charged":
            provider_calls.not_charged(conn, call_id, by=by)
            return outcome
        run = runs.get(conn, call.run_id)
        provider_calls.lost(conn, call_id, charged, by=by)
        if charged and accounts.find(conn, run.credit_account).mirrored:
            run_holds.pay_call(conn, run.credit_account, run.id, call_id, charged)
    return outcome


def _store_for(conn: Connection, call_id: int, charged: int, by: str, provider_of: Callable[[str], Provider]) -> None:
    """Store the kept answer to a call for what a person says that it cost, where it can be read then."""
    call = next((call for call in provider_calls.unsettled(conn) if call.id == call_id), None)
    if call is not None and charged <= call.most:
        with suppress(UnreadableAnswer, InvalidRequest):  # the provider's connection may be gone
            settle_by_kept_answer(conn, runs.get(conn, call.run_id), call, provider_of, charged, by)
