"""Several providers, one after the other: each is asked only for what those before did not find.

First for contacts of companies that have none yet, then for companies that are still missing. Which provider gave what
stands in the pages, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import LiteralString, NamedTuple

from psycopg import Connection

from lead_mining import buying, charge_doubts, judging, provider_calls
from lead_mining.balance_watch import BalanceWatch
from lead_mining.exceptions import ProviderCreditsExhausted
from lead_mining.patience import Reconnect
from lead_mining.plain import logger
from lead_mining.progress import progress
from lead_mining.providers.base import Exclusions, Query
from lead_mining.runs import Run
from lead_mining.settling import settle_by_kept_answers
from lead_mining.sources import Source
from lead_mining.waves import Wave, make_calls

log = logger(__name__)

_TOGETHER = 100  # companies whose contacts are asked for together

# Of a company that is there twice, the first: deduplication turns down the other.
_WITHOUT_CONTACTS: LiteralString = """
SELECT c.position, coalesce(c.company->>'reveal_id', c.company->>'domain') AS name, c.company->>'domain' AS domain
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id
JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
WHERE c.run_id = %s AND c.position > %s AND c.contacts = 0 AND coalesce(p.provider, r.provider) = ANY(%s)
  AND c.company->>'domain' IS NOT NULL -- by which alone two providers know it
  AND NOT EXISTS (
      SELECT FROM lead_mining.candidate d
      WHERE hashtextextended(d.company->>'reveal_id', 0) = hashtextextended(c.company->>'reveal_id', 0)
        AND d.company->>'reveal_id' = c.company->>'reveal_id' AND d.company->>'reveal_id' IS NOT NULL
        AND d.run_id = c.run_id AND d.position < c.position)
ORDER BY c.position LIMIT %s
"""


def mine(
    conn: Connection, run: Run, sources: Sequence[Source], net_new: Callable[[], int], reconnect: Reconnect | None
) -> str:
    """Buy from the sources in their order, until there are enough net-new companies; why it ended.

    A provider that cannot be reached is not left out: what comes after it may be dearer. Nothing is bought where an
    earlier charge is in doubt. Raises UnreadableAnswer and ProviderOutcomeUnknown where the answer to an earlier call
    is kept and cannot be read, or is lost and may have been charged, ChargeDoubted, and ProviderError of every kind;
    ProviderCreditsExhausted only where no page was bought before, and no provider has credits.
    """
    doubts = charge_doubts.of_run(conn, run.id)
    settle_by_kept_answers(conn, run, sources)
    buying.settle_by_balance(conn, run, sources)
    if doubts:  # of which a person was told, who has had the run go on with what it has
        return "a charge of the provider is in doubt"
    charge_doubts.check(conn, run)
    stopped, exhausted = "", None
    for place, source in enumerate(sources):
        exclude = judging.Known(conn, run.id) if source.provider.excludes_known else Exclusions()
        if place and run.mining_request.query().contact_number:
            _find_contacts(conn, run, source, sources[:place], reconnect)
        if stopped == buying.ENOUGH:
            continue
        try:
            stopped = buying.buy(conn, run, source, exclude, net_new, reconnect)
            exhausted = None
        except ProviderCreditsExhausted as error:
            exhausted = exhausted or error
    if exhausted:
        raise exhausted
    return stopped


class _Lacking(NamedTuple):
    """A company without contacts. `name`: its reveal id at whom it was bought from; else its domain."""

    position: int
    name: str
    domain: str


def _find_contacts(
    conn: Connection, run: Run, source: Source, earlier: Sequence[Source], reconnect: Reconnect | None
) -> None:
    """Ask for contacts of the companies of earlier sources that have none, as far as that can be paid."""
    query, provider = run.mining_request.query(), source.provider
    most = run.max_cost - provider_calls.lost_by_run(conn, run.id)
    known = judging.Known(conn)
    so_far = progress(conn, run.id, provider=source.conn_id, contacts=True)
    watch = BalanceWatch(conn, run, source)
    while True:
        left = most - so_far.charged
        if so_far.unfinished and so_far.more:
            wave = Wave(source, [1], so_far.next_cursor, so_far.contacts_through)
            if provider.most(query, 1, wave.cursor) > left:
                return
        else:
            lacking = _lacking(conn, run, earlier, known, so_far.contacts_through)
            next_wave = _next_wave(query, source, lacking, left)
            if next_wave is None:
                return
            wave = next_wave
        try:
            make_calls(conn, run, wave, Exclusions(), so_far, reconnect, watch)
        except ProviderCreditsExhausted as error:
            log.warning("contacts are missing, as %r has no credits: %s", source.conn_id, error)
            return
        so_far = progress(conn, run.id, so_far)


def _next_wave(query: Query, source: Source, lacking: Sequence[_Lacking], left: int) -> Wave | None:
    """The call that asks for contacts of as many of the companies as can be paid; None where that is none."""

    def cursor_of(number: int) -> str | None:
        return source.provider.contacts_of(query, [(each.name, each.domain) for each in lacking[:number]])

    if not lacking or cursor_of(1) is None:
        return None
    number = bisect_right(
        range(1, len(lacking) + 1), left, key=lambda number: source.provider.most(query, 1, cursor_of(number))
    )
    return Wave(source, [1], cursor_of(number), lacking[number - 1].position) if number else None


def _lacking(conn: Connection, run: Run, earlier: Sequence[Source], known: judging.Known, after: int) -> list[_Lacking]:
    """The next companies of earlier sources without contacts, but for those that are known: they are not loaded."""
    while rows := conn.execute(
        _WITHOUT_CONTACTS, [run.id, after, [source.conn_id for source in earlier], _TOGETHER], prepare=False
    ).fetchall():
        found = [_Lacking(*row) for row in rows]
        is_known = known.known([(each.name, each.domain) for each in found])
        if new := [each for each, known_already in zip(found, is_known, strict=True) if not known_already]:
            return new
        after = found[-1].position
    return []
