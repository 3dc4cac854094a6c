"""Certain duplicates: candidates that share a key with the CRM, with what was bought before, or with one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from psycopg import Connection

from lead_mining.matching.keys import KINDS, Key, KeyKind


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
    """Candidates of a run that are judged at once: their first and last position, and their least and greatest id."""

    first: int
    last: int
    least: int
    greatest: int


WHOLE: Final = Slice(1, (1 << 31) - 1, 1, (1 << 63) - 1)
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


# Between ids, so that keys of other candidates are not read.
_KEYS = """
    SELECT c.id AS candidate_id, c.position, k.kind, k.value
    FROM lead_mining.candidate c JOIN lead_mining.candidate_key k ON k.candidate_id = c.id
    WHERE c.run_id = %(run_id)s AND c.state = %(state)s AND c.position BETWEEN %(first)s AND %(last)s
        AND k.candidate_id BETWEEN %(least)s AND %(greatest)s
"""
# What a key leads to is looked up once, however many candidates have it; LATERAL and LIMIT make that a look into an
# index, whatever the planner knows of a batch that was stored just now.
_EACH_KEY = f"""
WITH keys AS MATERIALIZED ({_KEYS}),
each_key AS MATERIALIZED (SELECT DISTINCT kind, value, hashtextextended(value, 0) AS hash FROM keys)
"""

_KNOWN_BY = """
SELECT e.kind, e.value, c.model, c.record_id
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
    SELECT DISTINCT ON (k.candidate_id) k.candidate_id, k.kind, k.value, n.model, n.record_id
    FROM known n JOIN keys k ON k.kind = n.kind AND k.value = n.value
    ORDER BY k.candidate_id, array_position(%(kinds)s::text[], k.kind), n.model, n.record_id, k.value
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
SELECT DISTINCT ON (k.candidate_id) k.candidate_id, k.kind, k.value,
       CASE b.state WHEN 'loaded' THEN 'bought in ' ELSE 'held by ' END || coalesce(r.request_number, 'run ' || r.id)
FROM each_key e
CROSS JOIN LATERAL (
    SELECT b.id, b.state, b.run_id
    FROM lead_mining.candidate_key other
    JOIN lead_mining.candidate b ON b.id = other.candidate_id AND b.run_id <> %(run_id)s AND (
        b.state = 'loaded' OR %(state)s = 'valid' AND b.state = 'accepted' AND EXISTS (
            SELECT FROM lead_mining.hold h WHERE h.run_id = b.run_id AND h.remaining > 0))
    WHERE other.kind = e.kind AND other.value = e.value
    ORDER BY b.state DESC, b.id
    LIMIT 1
) b
JOIN keys k ON k.kind = e.kind AND k.value = e.value
JOIN lead_mining.run r ON r.id = b.run_id
ORDER BY k.candidate_id, b.state DESC, array_position(%(kinds)s::text[], k.kind), b.id, k.value
"""

# The bearer among those before `first`, of which none but the first was kept, is looked up in the same way.
_SHARED = f"""
SELECT candidate_id, kind, value, bearer
FROM (
    SELECT k.*, count(*) OVER (PARTITION BY kind, value) AS sharers, earlier.bearer
    FROM ({_KEYS}) k LEFT JOIN unnest(%(known)s::bigint[]) AS known (id) ON known.id = k.candidate_id
    LEFT JOIN LATERAL (
        SELECT b.id AS bearer
        FROM lead_mining.candidate_key other
        JOIN lead_mining.candidate b ON b.id = other.candidate_id AND b.run_id = %(run_id)s
            AND b.state = %(state)s AND b.position < %(first)s AND b.id <> ALL (%(passed)s::bigint[])
        WHERE %(first)s > 1 AND other.kind = k.kind AND other.value = k.value
        LIMIT 1
    ) earlier ON true
    WHERE known.id IS NULL
) k
WHERE sharers > 1 OR bearer IS NOT NULL
ORDER BY position, array_position(%(kinds)s::text[], kind), value
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
    parameters = {"run_id": run_id, "state": state, "kinds": list(KINDS), **part._asdict()}
    rows = conn.execute(_BY_OTHERS, parameters).fetchall() + conn.execute(_IN_CRM.encode(), parameters).fetchall()
    found = {row[0]: Duplicate(*row) for row in rows}  # what the CRM says comes last and holds
    found |= {
        d.candidate_id: d for d in _within_batch(conn, parameters | {"known": list(found), "passed": list(passed)})
    }
    return [found[candidate_id] for candidate_id in sorted(found)]


def _within_batch(conn: Connection, parameters: dict[str, Any]) -> Iterator[Duplicate]:
    """Later candidates that share a key with a survivor. Only keys that several candidates have are read."""
    bearers: dict[Key, int] = {}
    rows = conn.execute(_SHARED, parameters)
    for candidate_id, group in groupby(rows, key=itemgetter(0)):
        keys: dict[Key, int | None] = {
            (kind, value): bearers.get((kind, value), earlier) for _, kind, value, earlier in group
        }
        if shared := next((key for key, bearer in keys.items() if bearer is not None), None):
            yield Duplicate(candidate_id, *shared, f"candidate {keys[shared]}")
        else:
            bearers |= dict.fromkeys(keys, candidate_id)
