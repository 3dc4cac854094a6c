"""Certain duplicates: candidates that share a key with the CRM, with what was bought before, or with one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, LiteralString, NamedTuple

from psycopg import Connection

from lead_mining.matching.keys import KINDS, Key, KeyKind

_AT_ONCE = 25_000  # keys that are checked: Great Expectations takes as long for few


@dataclass(frozen=True)
class Duplicate:
    """A candidate that is known already, the key that says so, and what it is a duplicate of.

    `duplicate_of`: 'crm.lead 12', 'crm.lead 12 (lost)', 'res.partner 7', 'bought in LMR001', 'held by LMR002' or
    'candidate 34'.
    """

    candidate_id: int
    kind: KeyKind
    value: str
    duplicate_of: str


class Slice(NamedTuple):
    """The first and last position of the candidates of a run that are judged at once."""

    first: int
    last: int


WHOLE: Final = Slice(1, (1 << 31) - 1)
"""All candidates of a run."""


def store_keys(conn: Connection, keys: Iterable[tuple[int, Key]]) -> None:
    """Store (candidate id, key) pairs; those that are there already stay."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS new_candidate_key"
            " (candidate_id bigint, kind text, value text) ON COMMIT DELETE ROWS"
        )
        cursor.execute("TRUNCATE new_candidate_key")
        with cursor.copy("COPY new_candidate_key FROM STDIN") as copy:
            for candidate_id, (kind, value) in keys:
                copy.write_row((candidate_id, kind, value))
        cursor.execute(
            "INSERT INTO lead_mining.candidate_key (candidate_id, kind, value)"
            " SELECT candidate_id, kind, value FROM new_candidate_key ON CONFLICT DO NOTHING"
        )


def forget_keys(conn: Connection, candidate_ids: Iterable[int]) -> None:
    """For candidates whose contacts are not what they were."""
    conn.execute("DELETE FROM lead_mining.candidate_key WHERE candidate_id = ANY(%s)", [list(candidate_ids)])


# As below: planned for a state that few had a moment ago, a join would compare each key with each candidate.
_SORTED_KEYS: LiteralString = """
SELECT c.id, k.kind, k.value
FROM lead_mining.candidate c
CROSS JOIN LATERAL (SELECT kind, value FROM lead_mining.candidate_key WHERE candidate_id = c.id OFFSET 0) k
WHERE c.run_id = %s AND c.state = %s
ORDER BY k.kind, k.value, c.id
"""


def keys_in_parts(conn: Connection, run_id: int, state: str) -> Iterator[list[tuple[int, str, str]]]:
    """(candidate id, kind, value) of the keys of the run's candidates in that state, sorted by kind and value, some
    thousands at a time; all bearers of a key are in one part. To be called in a transaction."""
    with conn.cursor("keys") as cursor:  # the server's
        cursor.execute(_SORTED_KEYS, [run_id, state])
        part: list[tuple[int, str, str]] = []
        while rows := cursor.fetchmany(_AT_ONCE):
            part += rows
            complete = len(part) if len(rows) < _AT_ONCE else _before_last_key(part)
            if complete:
                yield part[:complete]
            part = part[complete:]
        if part:
            yield part


def _before_last_key(rows: Sequence[tuple[int, str, str]]) -> int:
    """How many rows come before those of the last key, of which more may follow."""
    return next((place for place in range(len(rows), 0, -1) if rows[place - 1][1:] != rows[-1][1:]), 0)


# What a key leads to is looked up once, however many candidates have it. LATERAL with OFFSET 0 or LIMIT makes that a
# look into an index, whatever the planner knows of a batch that was stored just now; joins may be planned for few rows.
_EACH_KEY = """
WITH each_key AS MATERIALIZED (
    SELECT k.kind, k.value, hashtextextended(k.value, 0) AS hash,
           array_agg(c.id ORDER BY c.position) AS bearers, array_agg(c.position ORDER BY c.position) AS positions
    FROM lead_mining.candidate c
    CROSS JOIN LATERAL (
        SELECT kind, value FROM lead_mining.candidate_key WHERE candidate_id = c.id OFFSET 0
    ) k
    WHERE c.run_id = %(run_id)s AND c.state = %(state)s AND c.position BETWEEN %(first)s AND %(last)s
    GROUP BY k.kind, k.value
)
"""

# The candidates of all runs that have a key of `each_key e`.
_BEARERS = """
    SELECT c.id, c.run_id, c.state, c.position
    FROM (
        SELECT candidate_id FROM lead_mining.candidate_key WHERE kind = e.kind AND value = e.value OFFSET 0
    ) k CROSS JOIN LATERAL (
        SELECT id, run_id, state, position FROM lead_mining.candidate WHERE id = k.candidate_id OFFSET 0
    ) c
"""

_KNOWN_BY = """
SELECT e.kind, e.value, e.bearers, c.model, c.record_id
FROM each_key e CROSS JOIN LATERAL (
    SELECT c.model, c.record_id FROM lead_mining.known_company c
    WHERE c.{kind} = e.hash AND CASE c.model
        WHEN 'crm.lead' THEN EXISTS (SELECT FROM crm_lead l WHERE l.id = c.record_id) AND NOT EXISTS (
            SELECT FROM lead_mining.candidate own WHERE own.run_id = %(run_id)s AND own.lead_id = c.record_id)
        ELSE EXISTS (SELECT FROM res_partner p WHERE p.id = c.record_id) END
    ORDER BY c.model, c.record_id LIMIT 1
) c WHERE e.kind = '{kind}'
"""

_IN_CRM = f"""
{_EACH_KEY},
known AS ({" UNION ALL ".join(_KNOWN_BY.format(kind=kind) for kind in KINDS)}),
found AS (
    SELECT DISTINCT ON (candidate_id) candidate_id, n.kind, n.value, n.model, n.record_id
    FROM known n CROSS JOIN unnest(n.bearers) AS candidate_id
    ORDER BY candidate_id, array_position(%(kinds)s::text[], n.kind), n.model, n.record_id, n.value
)
SELECT f.candidate_id, f.kind, f.value, concat(f.model, ' ', f.record_id, CASE
    WHEN NOT l.active AND l.probability = 0 THEN ' (lost)'
    WHEN NOT l.active OR NOT p.active THEN ' (archived)' END)
FROM found f
LEFT JOIN crm_lead l ON f.model = 'crm.lead' AND l.id = f.record_id
LEFT JOIN res_partner p ON f.model = 'res.partner' AND p.id = f.record_id
"""

_BY_OTHERS = f"""
{_EACH_KEY}
SELECT DISTINCT ON (candidate_id) candidate_id, e.kind, e.value,
       CASE b.state WHEN 'loaded' THEN 'bought in ' ELSE 'held by ' END || coalesce(r.request_number, 'run ' || r.id)
FROM each_key e
CROSS JOIN LATERAL (
    SELECT b.id, b.state, b.run_id FROM ({_BEARERS}) b
    WHERE b.run_id <> %(run_id)s AND (
        b.state = 'loaded' OR %(state)s = 'valid' AND b.state = 'accepted' AND EXISTS (
            SELECT FROM lead_mining.hold h WHERE h.run_id = b.run_id AND h.remaining > 0))
    ORDER BY b.state DESC, b.id
    LIMIT 1
) b
JOIN lead_mining.run r ON r.id = b.run_id
CROSS JOIN unnest(e.bearers) AS candidate_id
ORDER BY candidate_id, b.state DESC, array_position(%(kinds)s::text[], e.kind), b.id, e.value
"""

# Of those before the part that have a key, one at most was kept.
_SHARED = f"""
{_EACH_KEY}
SELECT c.id, e.kind, e.value, earlier.id
FROM each_key e
LEFT JOIN LATERAL (
    SELECT b.id FROM ({_BEARERS}) b
    WHERE %(first)s > 1 AND b.run_id = %(run_id)s AND b.state = %(state)s AND b.position < %(first)s
        AND b.id <> ALL (%(passed)s::bigint[])
    LIMIT 1
) earlier ON true
CROSS JOIN unnest(e.bearers, e.positions) AS c (id, position)
WHERE cardinality(e.bearers) > 1 OR earlier.id IS NOT NULL
ORDER BY c.position, array_position(%(kinds)s::text[], e.kind), e.value
"""


def find_duplicates(
    conn: Connection, run_id: int, state: str, part: Slice = WHOLE, passed: Collection[int] = ()
) -> list[Duplicate]:
    """The duplicates among the candidates in `state` of a part of the run, in the order of their ids.

    A candidate is a duplicate if it shares a key (1) with a lead or partner of the CRM, archived or not, that this run
    has not loaded itself; else (2) with a candidate that another run has loaded, even if its lead is gone, or, among
    `valid` ones, that another run holds credits for at this moment; else (3) with an earlier candidate of this run, in
    the provider's order, that is itself no duplicate. Before the part these are the ones still in `state`, but for
    `passed`: duplicates that were let pass. The same data gives the same answer. Reads only; the CRM as of the last
    `crm_index.refresh`.
    """
    parameters = {
        "run_id": run_id,
        "state": state,
        "kinds": list(KINDS),
        "first": part.first,
        "last": part.last,
        "passed": list(passed),
    }
    rows = conn.execute(_BY_OTHERS, parameters).fetchall() + conn.execute(_IN_CRM.encode(), parameters).fetchall()
    found = {row[0]: Duplicate(*row) for row in rows}  # what the CRM says comes last and holds
    shared = [row for row in conn.execute(_SHARED, parameters) if row[0] not in found]
    found |= {d.candidate_id: d for d in _within_batch(shared)}
    return [found[candidate_id] for candidate_id in sorted(found)]


def _within_batch(shared: Iterable[tuple[int, KeyKind, str, int | None]]) -> Iterator[Duplicate]:
    """Later candidates that share a key with a survivor.

    `shared`: (candidate id, kind, value, earlier bearer) of keys that several have, in the provider's order.
    """
    bearers: dict[Key, int] = {}
    for candidate_id, group in groupby(shared, key=itemgetter(0)):
        keys: dict[Key, int | None] = {
            (kind, value): bearers.get((kind, value), earlier) for _, kind, value, earlier in group
        }
        if same := next((key for key, bearer in keys.items() if bearer is not None), None):
            yield Duplicate(candidate_id, *same, f"candidate {keys[same]}")
        else:
            bearers |= dict.fromkeys(keys, candidate_id)
