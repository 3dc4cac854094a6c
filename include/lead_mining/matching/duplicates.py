"""Exact duplicates: candidates that the CRM has, that were bought before, or that the batch has twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import Connection

from lead_mining.matching.keys import KINDS, Key, KeyKind


@dataclass(frozen=True)
class Duplicate:
    """A candidate that is known already, the key that says so, and what it is a duplicate of.

    `duplicate_of`: 'crm.lead 12', 'bought in LMR001' or 'candidate 34'.
    """

    candidate_id: int
    kind: KeyKind
    value: str
    duplicate_of: str


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


_KEYS = """
    SELECT c.id AS candidate_id, c.position, k.kind, k.value
    FROM lead_mining.candidate c JOIN lead_mining.candidate_key k ON k.candidate_id = c.id
    WHERE c.run_id = %(run_id)s AND c.state = %(state)s
"""

_DOMAINS = f"SELECT DISTINCT value FROM ({_KEYS}) k WHERE kind = 'domain'"

# A lead's website may be written in Unicode where the key is in ASCII (IDNA).
_SPELLED = f"""
    SELECT candidate_id, value, value AS spelled FROM ({_KEYS}) k WHERE kind = 'domain'
    UNION ALL
    SELECT candidate_id, value, u.spelled FROM ({_KEYS}) k
    JOIN unnest(%(ascii)s::text[], %(unicode)s::text[]) AS u (ascii, spelled) ON u.ascii = k.value WHERE kind = 'domain'
"""

# The host of a website, without `www.`: split_part is many times faster than a regular expression here, and OFFSET 0
# keeps the planner from working a host out again for each use of it.
_HOSTS = """
    SELECT id, CASE WHEN host LIKE 'www.%%' THEN substr(host, 5) ELSE host END AS host
    FROM (
        SELECT id, rtrim(split_part(split_part(split_part(split_part(
                   split_part(url, '//', CASE WHEN strpos(url, '//') > 0 THEN 2 ELSE 1 END),
                   '/', 1), '?', 1), '#', 1), ':', 1), '.') AS host
        FROM (SELECT id, lower(btrim(website)) AS url FROM crm_lead WHERE website <> '' OFFSET 0) urls
        OFFSET 0
    ) hosts
    OFFSET 0
"""

# A website is of the registered domain `acme.com` if its host is that or ends with these labels: compared are the last
# 2, 3, ... labels, as many as the candidates' domains have, so that it is one hash join however many leads there are.
_IN_CRM = f"""
SELECT DISTINCT ON (m.candidate_id) m.candidate_id, m.kind, m.value, 'crm.lead ' || m.lead_id
FROM (
    SELECT k.candidate_id, k.kind, k.value, l.id AS lead_id
    FROM crm_lead l JOIN ({_KEYS}) k ON k.kind = 'reveal_id' AND k.value = l.reveal_id
    UNION ALL
    SELECT k.candidate_id, k.kind, k.value, l.id
    FROM crm_lead l JOIN ({_KEYS}) k ON k.kind = 'email' AND k.value = l.email_normalized
    UNION ALL
    SELECT k.candidate_id, k.kind, k.value, l.id
    FROM crm_lead l JOIN ({_KEYS}) k ON k.kind = 'phone' AND k.value = l.phone_sanitized
    UNION ALL
    SELECT k.candidate_id, 'domain', k.value, l.id
    FROM ({_HOSTS}) l
    CROSS JOIN LATERAL (
        SELECT l.host AS domain
        UNION ALL
        SELECT array_to_string(labels[cardinality(labels) - n + 1:], '.')
        FROM string_to_array(l.host, '.') AS labels, unnest(%(label_counts)s::int[]) AS n
        WHERE l.host LIKE '%%.%%.%%' AND cardinality(labels) > n
    ) d
    JOIN ({_SPELLED}) k ON k.spelled = d.domain
) m
WHERE NOT EXISTS (SELECT FROM lead_mining.candidate own WHERE own.run_id = %(run_id)s AND own.lead_id = m.lead_id)
ORDER BY m.candidate_id, array_position(%(kinds)s::text[], m.kind), m.lead_id, m.value
"""

_BOUGHT = f"""
SELECT DISTINCT ON (k.candidate_id) k.candidate_id, k.kind, k.value,
       'bought in ' || coalesce(r.request_number, 'run ' || r.id)
FROM ({_KEYS}) k
JOIN lead_mining.candidate_key other ON other.kind = k.kind AND other.value = k.value
JOIN lead_mining.candidate b ON b.id = other.candidate_id AND b.state = 'loaded' AND b.run_id <> %(run_id)s
JOIN lead_mining.run r ON r.id = b.run_id
ORDER BY k.candidate_id, array_position(%(kinds)s::text[], k.kind), b.id, k.value
"""

_SHARED = f"""
SELECT candidate_id, kind, value
FROM (
    SELECT k.*, count(*) OVER (PARTITION BY kind, value) AS sharers
    FROM ({_KEYS}) k LEFT JOIN unnest(%(known)s::bigint[]) AS known (id) ON known.id = k.candidate_id
    WHERE known.id IS NULL
) k
WHERE sharers > 1
ORDER BY position, array_position(%(kinds)s::text[], kind), value
"""


def find_duplicates(conn: Connection, run_id: int, state: str) -> list[Duplicate]:
    """The duplicates among the run's candidates in `state`, in the order of their ids.

    A candidate is a duplicate if it shares a key (1) with a lead of the CRM, archived or not, that this run has not
    loaded itself; else (2) with a candidate that another run has loaded, even if its lead is gone; else (3) with an
    earlier candidate of this run, in the provider's order, that is itself no duplicate. The same data gives the same
    answer. Reads only.
    """
    domains = [row[0] for row in conn.execute(_DOMAINS, {"run_id": run_id, "state": state})]
    unicode = {domain: spelled for domain in domains if (spelled := _in_unicode(domain)) != domain}
    parameters = {
        "run_id": run_id,
        "state": state,
        "kinds": list(KINDS),
        "label_counts": sorted({domain.count(".") + 1 for domain in domains}),
        "ascii": list(unicode),
        "unicode": list(unicode.values()),
    }
    with conn.transaction(force_rollback=True):
        # How many hosts are equal cannot be estimated; the planner, guessing millions, would sort all of them.
        conn.execute("SET LOCAL enable_mergejoin = off")
        rows = conn.execute(_BOUGHT, parameters).fetchall() + conn.execute(_IN_CRM, parameters).fetchall()
    found = {row[0]: Duplicate(*row) for row in rows}  # what the CRM says comes last and holds
    found |= {d.candidate_id: d for d in _within_batch(conn, parameters | {"known": list(found)})}
    return [found[candidate_id] for candidate_id in sorted(found)]


def _in_unicode(domain: str) -> str:
    if "xn--" not in domain:
        return domain
    import idna

    try:
        return idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain


def _within_batch(conn: Connection, parameters: dict[str, Any]) -> Iterator[Duplicate]:
    """Later candidates that share a key with a survivor. Only keys that several candidates have are read."""
    owners: dict[Key, int] = {}
    rows = conn.execute(_SHARED, parameters)
    for candidate_id, group in groupby(rows, key=itemgetter(0)):
        keys: list[Key] = [(kind, value) for _, kind, value in group]
        if shared := next((key for key in keys if key in owners), None):
            yield Duplicate(candidate_id, *shared, f"candidate {owners[shared]}")
        else:
            owners |= dict.fromkeys(keys, candidate_id)
