"""What of a run's accepted candidates can be paid, counted in the database: a million companies need not be read."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import class_row


class Kept(NamedTuple):
    """What stays accepted; `cost` in credits."""

    leads: int
    contacts: int
    cost: int


def keep(conn: Connection, run_id: int, leads: int, credits: int) -> Kept:
    """Of the accepted candidates the first in the provider's order stay: so many leads, and what costs so many credits.

    The first that is beyond either is turned down, and all that come after it. Returns what stays.
    """
    kept = (
        conn.cursor(row_factory=class_row(Kept))
        .execute(
            """
        WITH accepted AS (
            SELECT id, position, contacts, k.cost,
                   count(*) OVER through <= %(leads)s AND sum(k.cost) OVER through <= %(credits)s AS stays
            FROM lead_mining.candidate AS c JOIN lead_mining.candidate_cost AS k ON k.candidate_id = c.id
            WHERE c.run_id = %(run_id)s AND state = 'accepted'
            WINDOW through AS (ORDER BY position)
        ),
        kept AS MATERIALIZED (
            SELECT count(*) AS leads, coalesce(sum(contacts), 0)::bigint AS contacts,
                   coalesce(sum(cost), 0)::bigint AS cost
            FROM accepted WHERE stays
        ),
        turned_down AS (
            UPDATE lead_mining.candidate AS c SET state = 'rejected'
            FROM accepted AS a WHERE c.id = a.id AND NOT a.stays
        ),
        why AS (
            INSERT INTO lead_mining.rejection (run_id, candidate_id, step, rule, value, severity)
            SELECT %(run_id)s, id, 'debit_credits',
                   CASE WHEN kept.leads < %(leads)s THEN 'affordable' ELSE 'no_more_than_asked' END,
                   accepted.cost::text, 'reject'
            FROM accepted CROSS JOIN kept WHERE NOT stays ORDER BY position
        )
        SELECT leads, contacts, cost FROM kept
        """,
            {"run_id": run_id, "leads": leads, "credits": credits},
        )
        .fetchone()
    )
    assert kept is not None
    return kept
