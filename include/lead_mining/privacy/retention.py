"""Personal data that is no longer needed goes after some days: raw pages, rejections, companies that were turned down.

Leads and loaded candidates are the CRM's record, and stay. What was paid stays true: pages, rejections and candidates
keep their rows, and rejected companies the keys that they are recognised by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection
from psycopg.types.json import Jsonb

from lead_mining.privacy import erasure
from lead_mining.providers.base import Contact

_BATCH = 1_000


@dataclass(frozen=True)
class Removed:
    """What lost its personal data now."""

    raw_pages: int
    rejections: int
    candidates: int
    answers: int
    call_errors: int


_RAW_PAGES: LiteralString = """
    UPDATE lead_mining.raw_page SET body = NULL, removed_at = now()
    WHERE (run_id, page_number) IN (
        SELECT run_id, page_number FROM lead_mining.raw_page
        WHERE removed_at IS NULL AND received_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)
"""
_REJECTIONS: LiteralString = """
    UPDATE lead_mining.rejection SET value = NULL, record = NULL
    WHERE id IN (
        SELECT id FROM lead_mining.rejection
        WHERE (value IS NOT NULL OR record IS NOT NULL) AND created_at < now() - make_interval(days => %(days)s)
        LIMIT %(batch)s)
"""
_CANDIDATES: LiteralString = """
    WITH old AS (
        SELECT c.id FROM lead_mining.candidate c
        JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
        WHERE c.state = 'rejected' AND c.company - '{reveal_id,domain,contacts}'::text[] <> '{}'
          AND p.received_at < now() - make_interval(days => %(days)s)
        LIMIT %(batch)s
    ), keys AS (
        DELETE FROM lead_mining.candidate_key k USING old WHERE k.candidate_id = old.id AND k.kind IN ('email', 'phone')
    )
    UPDATE lead_mining.candidate c
    SET company = jsonb_build_object(
        'reveal_id', c.company->'reveal_id', 'domain', c.company->'domain', 'contacts', (
            SELECT coalesce(jsonb_agg(%(nobody)s), '[]') FROM jsonb_array_elements(c.company->'contacts')))
    FROM old WHERE c.id = old.id
"""


_ANSWERS: LiteralString = """
    DELETE FROM lead_mining.provider_answer
    WHERE call_id IN (
        SELECT call_id FROM lead_mining.provider_answer
        WHERE kept_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)
"""


_CALL_ERRORS: LiteralString = """
    UPDATE lead_mining.provider_call SET error = NULL
    WHERE id IN (
        SELECT id FROM lead_mining.provider_call
        WHERE error IS NOT NULL AND ended_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)
"""


def apply(conn: Connection, days: int) -> Removed:
    """Remove what is older than so many days, in batches that are committed one by one; again, it finds nothing.

    Bodies of raw pages; answers that are kept and could not be read; what failed calls said, which an older version
    took from the provider's words; values and records of rejections; of candidates
    that were rejected all but reveal_id and domain. `conn` must be in autocommit mode. Raises ValueError where `days`
    is not positive.
    """
    if days < 1:
        raise ValueError(f"personal data is kept for 1 day at least, not {days}")
    return Removed(
        raw_pages=_in_batches(conn, _RAW_PAGES, days),
        rejections=_in_batches(conn, _REJECTIONS, days),
        candidates=_in_batches(conn, _CANDIDATES, days),
        answers=_in_batches(conn, _ANSWERS, days),
        call_errors=_in_batches(conn, _CALL_ERRORS, days),
    )


def _in_batches(conn: Connection, statement: LiteralString, days: int) -> int:
    arguments = {"days": days, "batch": _BATCH, "nobody": Jsonb(Contact().model_dump(mode="json"))}
    done = 0
    while True:
        with conn.transaction():
            erasure.lock(conn)
            changed = conn.execute(statement, arguments).rowcount
        done += changed
        if changed < _BATCH:
            return done
