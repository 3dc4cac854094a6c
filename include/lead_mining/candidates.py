"""Raw pages, candidates and rejections: rows of our own schema, read and written in sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.types.json import Jsonb

from lead_mining.providers.base import Company, Page

CHUNK = 10_000
"""Candidates that are in memory at once."""

_MOST_PARTS = 1000
"""Airflow maps a task over 1,024 at most."""


_LAST = 2**31 - 1  # no position is greater


@dataclass(frozen=True)
class Part:
    """Candidates that one of several tasks works on, by position. `of`: how many parts there are."""

    first: int
    last: int
    of: int

    @property
    def key(self) -> int | None:
        """What tells it from others of its step; None where there is no other."""
        return self.first if self.of > 1 else None

    @property
    def through(self) -> int:
        """The last position that is its own. The last part has all that follow: positions may have gaps, where calls
        that were made at once brought less than was asked for."""
        is_last = (self.first - 1) // (self.last - self.first + 1) >= self.of - 1
        return _LAST if is_last else self.last


WHOLE = Part(1, _LAST, 1)


def in_parts(number: int) -> list[Part]:
    """So many candidates in parts of a chunk each, or of several where that would be too many parts; at least one."""
    size, number = max(CHUNK, ceil(number / _MOST_PARTS)), max(number, 1)
    starts = range(1, number + 1, size)
    return [Part(first, min(first + size - 1, number), len(starts)) for first in starts]


@dataclass(frozen=True)
class Candidate:
    """A company that was extracted. `position`: the provider's, from 1."""

    id: int
    company: Company
    position: int


@dataclass(frozen=True)
class Rejection:
    """Why a candidate, one of its contacts or an unreadable record was left out (or, with `warn`, let pass)."""

    step: str
    rule: str
    candidate_id: int | None = None
    contact_index: int | None = None
    field: str | None = None
    value: str | None = None
    severity: str = "reject"
    duplicate_of: str | None = None
    record: Any = None


def extracted(conn: Connection, run_id: int) -> dict[str, int]:
    """What the run's extraction came to: pages, candidates, and credits that the provider charged."""
    pages, stored = conn.execute(
        "SELECT (SELECT count(*) FROM lead_mining.raw_page WHERE run_id = %(run_id)s),"
        " (SELECT count(*) FROM lead_mining.candidate WHERE run_id = %(run_id)s)",
        {"run_id": run_id},
    ).fetchone() or (0, 0)
    return {"pages": pages, "candidates": stored, "provider_charged": charged(conn, run_id)}


def charged(conn: Connection, run_id: int) -> int:
    """Credits that the provider took for the run's pages."""
    row = conn.execute(
        "SELECT coalesce(sum(charged), 0)::bigint FROM lead_mining.raw_page WHERE run_id = %s", [run_id]
    ).fetchone()
    return int(row[0]) if row else 0


_LOST: LiteralString = """
WITH page AS (
    SELECT p.page_number, p.charged, coalesce(p.provider, r.provider) AS provider
    FROM lead_mining.raw_page p JOIN lead_mining.run r ON r.id = p.run_id WHERE p.run_id = %(run_id)s
), worth (page_number, credits) AS (
    SELECT page_number, 1 FROM lead_mining.candidate WHERE run_id = %(run_id)s AND lead_id IS NOT NULL
    UNION ALL
    SELECT coalesce((SELECT min(s.page_number) FROM lead_mining.value_source s
                     WHERE s.candidate_id = c.id AND s.field = 'contacts'), c.page_number), c.contacts
    FROM lead_mining.candidate c WHERE c.run_id = %(run_id)s AND c.lead_id IS NOT NULL AND c.contacts > 0
), came AS (SELECT page_number, sum(credits) AS credits FROM worth GROUP BY 1)
SELECT coalesce(sum(lost), 0)::bigint FROM (
    SELECT greatest(sum(page.charged) - coalesce(sum(came.credits), 0), 0) AS lost
    FROM page LEFT JOIN came USING (page_number) GROUP BY provider
) each_provider
"""


def lost_to_rejections(conn: Connection, run_id: int) -> int:
    """Credits that providers took for what was not loaded, a company or a contact at a credit each.

    Counted provider by provider: what one gives free makes up for nothing that another was paid for.
    """
    row = conn.execute(_LOST, {"run_id": run_id}).fetchone()
    return int(row[0]) if row else 0


def store_page(
    conn: Connection,
    run_id: int,
    page_number: int,
    asked: int,
    page: Page,
    companies: Sequence[Company],
    first_position: int | None = None,
    provider: str | None = None,
    contacts_through: int | None = None,
) -> None:
    """Store one answer, as received, and the companies read from it; by default behind all others of the run.

    `provider`: the connection, where it is not the run's first. `contacts_through`: the last position of the companies
    whose contacts alone were asked for.
    """
    conn.execute(
        "INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, next_cursor, body, provider,"
        " unfinished, contacts_through) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            run_id,
            page_number,
            asked,
            len(page.records),
            page.charged,
            page.next_cursor,
            Jsonb(page.raw),
            provider,
            page.unfinished,
            contacts_through,
        ],
    )
    if not companies:
        return
    if first_position is None:
        row = conn.execute("SELECT max(position) FROM lead_mining.candidate WHERE run_id = %s", [run_id]).fetchone()
        first_position = ((row and row[0]) or 0) + 1
    with (
        conn.cursor() as cur,
        cur.copy("COPY lead_mining.candidate (run_id, position, page_number, company, contacts) FROM STDIN") as copy,
    ):
        for position, company in enumerate(companies, start=first_position):
            copy.write_row((run_id, position, page_number, company.model_dump_json(), len(company.contacts)))


# A page for each provider that gave the candidates or a value of theirs: who gave what stays known.
_RETRIED: LiteralString = """
WITH tried AS (
    SELECT again.*, coalesce(p.provider, r.provider) AS provider
    FROM unnest(%(ids)s::bigint[], %(companies)s::jsonb[], %(contacts)s::int[])
        WITH ORDINALITY AS again (id, company, contacts, place)
    JOIN lead_mining.candidate c USING (id)
    JOIN lead_mining.run r ON r.id = c.run_id
    JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
), late AS (
    SELECT s.candidate_id AS id, s.field, coalesce(p.provider, r.provider) AS provider
    FROM lead_mining.value_source s
    JOIN lead_mining.candidate c ON c.id = s.candidate_id
    JOIN lead_mining.run r ON r.id = c.run_id
    JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, s.page_number)
    WHERE s.candidate_id = ANY(%(ids)s)
), page AS (
    INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, provider, body)
    SELECT %(run_id)s, row_number() OVER (ORDER BY provider), greatest(count(id), 1), count(id), 0, provider,
           jsonb_build_object('candidates_tried_again', array_remove(array_agg(id ORDER BY place), NULL))
    FROM (SELECT provider, id, place FROM tried UNION ALL SELECT DISTINCT provider, NULL::bigint, 0 FROM late) AS given
    GROUP BY provider RETURNING page_number, provider
), stored AS (
    INSERT INTO lead_mining.candidate (run_id, position, page_number, company, contacts, retry_of)
    SELECT %(run_id)s, place, page_number, company, contacts, id FROM tried JOIN page USING (provider)
    RETURNING id, retry_of
)
INSERT INTO lead_mining.value_source (candidate_id, field, page_number)
SELECT DISTINCT stored.id, late.field, page.page_number
FROM late JOIN page USING (provider) JOIN stored ON stored.retry_of = late.id
"""


def store_retried(conn: Connection, run_id: int, companies: dict[int, Company]) -> None:
    """Rejected candidates once more, as those of another run: pages that were not bought, and the step's result."""
    ids = list(companies)
    conn.execute(
        _RETRIED,
        {
            "run_id": run_id,
            "ids": ids,
            "companies": [Jsonb(company.model_dump(mode="json")) for company in companies.values()],
            "contacts": [len(company.contacts) for company in companies.values()],
        },
    )
    result = {"pages": 1, "candidates": len(ids), "provider_charged": 0, "stopped": "rejections were tried again"}
    conn.execute(
        "INSERT INTO lead_mining.run_step (run_id, step, result) VALUES (%s, 'extract', %s)", [run_id, Jsonb(result)]
    )


def in_chunks(conn: Connection, run_id: int, state: str, part: Part = WHOLE) -> Iterator[list[Candidate]]:
    """The run's candidates in that state, in the provider's order, so many at a time that a million fit into memory.

    What becomes of a chunk before the next is asked for changes nothing of what follows.
    """
    query = "SELECT position, company::text, id FROM lead_mining.candidate WHERE run_id = %s AND state = %s"
    for rows in _chunks(conn, query, [run_id, state], part):
        yield [Candidate(id_, Company.model_validate_json(company), at) for at, company, id_ in rows]


def _chunks(
    conn: Connection, query: LiteralString, parameters: list[Any], part: Part
) -> Iterator[list[tuple[Any, ...]]]:
    """What a query for candidates, its first column their position, finds of a part, in that order."""
    last, more = part.first - 1, True
    while more:
        rows = conn.execute(
            f"{query} AND position > %s AND position <= %s ORDER BY position LIMIT %s",
            [*parameters, last, part.through, CHUNK],
        ).fetchall()
        more = len(rows) == CHUNK
        if rows:
            last = rows[-1][0]
            yield rows


def set_state(conn: Connection, ids: Iterable[int], state: str) -> None:
    conn.execute("UPDATE lead_mining.candidate SET state = %s WHERE id = ANY(%s)", [state, list(ids)])


def move(conn: Connection, run_id: int, from_state: str, to_state: str) -> int:
    """All of the run's candidates that are in one state go to another; returns how many."""
    return conn.execute(
        "UPDATE lead_mining.candidate SET state = %s WHERE run_id = %s AND state = %s", [to_state, run_id, from_state]
    ).rowcount


def turn_down(conn: Connection, run_id: int, step: str, rule: str) -> None:
    """All of the run's candidates that the step's rejections by a rule are of are rejected."""
    conn.execute(
        "UPDATE lead_mining.candidate AS c SET state = 'rejected' FROM lead_mining.rejection AS r WHERE r.run_id = %s"
        " AND r.step = %s AND r.rule = %s AND r.severity = 'reject' AND c.id = r.candidate_id",
        [run_id, step, rule],
    )


def set_companies(conn: Connection, companies: dict[int, Company]) -> None:
    """`companies`: candidate id to the company that replaces its own, after contacts were rejected."""
    conn.execute(
        "UPDATE lead_mining.candidate AS c SET company = n.company, contacts = n.contacts"
        " FROM unnest(%s::bigint[], %s::jsonb[], %s::int[]) AS n (id, company, contacts) WHERE c.id = n.id",
        [
            list(companies),
            [Jsonb(company.model_dump(mode="json")) for company in companies.values()],
            [len(company.contacts) for company in companies.values()],
        ],
    )


def set_loaded(conn: Connection, leads: dict[int, int]) -> None:
    """`leads`: candidate id to crm_lead id."""
    # The range says nothing new, but keeps PostgreSQL from reading a million candidates to find a chunk's.
    conn.execute(
        "UPDATE lead_mining.candidate AS c SET state = 'loaded', lead_id = l.lead_id"
        " FROM unnest(%s::bigint[], %s::int[]) AS l (candidate_id, lead_id)"
        " WHERE c.id = l.candidate_id AND c.id BETWEEN %s AND %s",
        [list(leads), list(leads.values()), min(leads, default=0), max(leads, default=0)],
    )


def without_note(conn: Connection, run_id: int, part: Part = WHOLE) -> Iterator[list[tuple[int, Company]]]:
    """(crm_lead id, company) of the part's leads that have no note yet, in chunks, in the provider's order."""
    query = """
        SELECT position, company::text, lead_id FROM lead_mining.candidate
        WHERE run_id = %s AND lead_id IS NOT NULL AND note_message_id IS NULL
    """
    for rows in _chunks(conn, query, [run_id], part):
        yield [(lead_id, Company.model_validate_json(company)) for _, company, lead_id in rows]


def set_notes(conn: Connection, notes: dict[int, int]) -> None:
    """`notes`: crm_lead id to mail_message id."""
    conn.execute(
        "UPDATE lead_mining.candidate AS c SET note_message_id = n.message_id"
        " FROM unnest(%s::int[], %s::int[]) AS n (lead_id, message_id)"
        " WHERE c.lead_id = n.lead_id AND c.lead_id BETWEEN %s AND %s",
        [list(notes), list(notes.values()), min(notes, default=0), max(notes, default=0)],
    )


def reject(conn: Connection, run_id: int, rejections: Iterable[Rejection]) -> None:
    """Store rejections."""
    with (
        conn.cursor() as cur,
        cur.copy(
            "COPY lead_mining.rejection (run_id, candidate_id, contact_index, step, rule, field, value, severity,"
            " duplicate_of, record) FROM STDIN"
        ) as copy,
    ):
        for r in rejections:
            copy.write_row(
                (
                    run_id,
                    r.candidate_id,
                    r.contact_index,
                    r.step,
                    r.rule,
                    r.field,
                    r.value,
                    r.severity,
                    r.duplicate_of,
                    None if r.record is None else Jsonb(r.record),
                )
            )


def count_rejections(conn: Connection, run_id: int, step: str, part: Part = WHOLE) -> list[tuple[str, int]]:
    """How many of the part's companies and contacts, or records that are none, each rule turned down in that step."""
    return conn.execute(
        "SELECT r.rule, count(*) FROM lead_mining.rejection r"
        " LEFT JOIN lead_mining.candidate c ON c.id = r.candidate_id"
        " WHERE r.run_id = %s AND r.step = %s AND r.severity = 'reject'"
        " AND coalesce(c.position, 1) BETWEEN %s AND %s GROUP BY r.rule",
        [run_id, step, part.first, part.through],
    ).fetchall()


def of_leads(conn: Connection, lead_ids: Sequence[int]) -> dict[int, int]:
    """crm_lead id to candidate id; leads that lead mining did not load are left out."""
    return dict(
        conn.execute(
            "SELECT lead_id, id FROM lead_mining.candidate WHERE lead_id = ANY(%s)", [list(lead_ids)]
        ).fetchall()
    )
