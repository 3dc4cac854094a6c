"""How far extraction has come, read from the pages that are stored: what was bought by whoever was killed counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from psycopg import Connection


@dataclass(frozen=True)
class Progress:
    """Of all that the run bought: pages stored and the number of the last, the last candidate's position, how many
    different companies there are, and credits charged by the providers.

    Of one provider's pages: where to go on, whether what the last brought is unfinished, whether every page said that
    there is more, and had a company that those before had not. `contacts`: only of pages that were asked for contacts
    of others' companies, and these were asked for up to the position `contacts_through`; there, `more` is the last's.
    """

    provider: str | None = None
    contacts: bool = False
    pages: int = 0
    last_page: int = 0
    last_position: int = 0
    companies: int = 0
    charged: int = 0
    next_cursor: str | None = None
    unfinished: bool = False
    more: bool = True
    contacts_through: int = 0


_PAGES: LiteralString = """
SELECT count(*), max(page_number), sum(charged)::bigint,
       (SELECT max(position) FROM lead_mining.candidate WHERE run_id = %(run_id)s),
       max(contacts_through) FILTER (WHERE own),
       array_agg(page_number ORDER BY page_number) FILTER (WHERE own),
       array_agg(next_cursor ORDER BY page_number) FILTER (WHERE own),
       array_agg(unfinished ORDER BY page_number) FILTER (WHERE own),
       array_agg(found ORDER BY page_number) FILTER (WHERE own)
FROM (
    SELECT page_number, charged, next_cursor, unfinished, found, contacts_through,
           (contacts_through IS NOT NULL) = %(contacts)s
           AND (%(provider)s::text IS NULL OR %(provider)s =
                coalesce(provider, (SELECT provider FROM lead_mining.run WHERE id = %(run_id)s))) AS own
    FROM lead_mining.raw_page WHERE run_id = %(run_id)s AND page_number > %(last_page)s
) page
"""
_SEEN: LiteralString = """
WITH new AS (
    INSERT INTO seen_company (company, page_number)
    SELECT hashtextextended(coalesce(company->>'reveal_id', company->>'domain', position::text), 0), min(page_number)
    FROM lead_mining.candidate WHERE run_id = %s AND position > %s GROUP BY 1
    ON CONFLICT DO NOTHING RETURNING page_number
)
SELECT count(*), array_agg(DISTINCT page_number) FROM new
"""


def progress(
    conn: Connection,
    run_id: int,
    so_far: Progress | None = None,
    *,
    provider: str | None = None,
    contacts: bool = False,
) -> Progress:
    """What is stored of the run, by whomever. `so_far`: what this session was told last; only what came since is read.

    `provider`: whose pages say where to go on; None where the run has one. Which companies were seen is kept in a
    temporary table: they may be millions.
    """
    if so_far is None:
        so_far = Progress(provider, contacts)
        conn.execute("CREATE TEMPORARY TABLE IF NOT EXISTS seen_company (company bigint PRIMARY KEY, page_number int)")
        conn.execute("TRUNCATE seen_company")
    values = {
        "run_id": run_id,
        "last_page": so_far.last_page,
        "provider": so_far.provider,
        "contacts": so_far.contacts,
    }
    row = conn.execute(_PAGES, values).fetchone()
    assert row is not None
    pages, last_page, charged, last_position, contacts_through, *own = row
    if not pages:
        return so_far
    new, with_new = conn.execute(_SEEN, [run_id, so_far.last_position], prepare=False).fetchone() or (0, None)
    so_far = replace(
        so_far,
        pages=so_far.pages + pages,
        last_page=last_page,
        last_position=last_position or 0,
        companies=so_far.companies + new,
        charged=so_far.charged + charged,
        contacts_through=contacts_through or so_far.contacts_through,
    )
    return _gone_on(so_far, own, set(with_new or ()))


def _gone_on(so_far: Progress, own: Sequence[Sequence[Any] | None], with_new: Collection[int]) -> Progress:
    """With one provider's pages, in order: their numbers, cursors, whether they are unfinished, companies found."""
    cursor, unfinished, more = so_far.next_cursor, so_far.unfinished, so_far.more
    for number, next_cursor, is_unfinished, found in zip(*(values or () for values in own), strict=True):
        finishes, unfinished = unfinished, is_unfinished
        if unfinished:
            goes_on = next_cursor != cursor
        else:  # a page that only finishes what others brought has no companies of its own
            goes_on = so_far.contacts or number in with_new or (finishes and not found)
        more = (so_far.contacts or more) and goes_on and next_cursor is not None
        cursor = next_cursor
    return replace(so_far, next_cursor=cursor, unfinished=unfinished, more=more)
