"""What of a run's accepted candidates can be paid, counted in the database: a million companies need not be read."""

from __future__ import annotations

from psycopg import Connection


def keep(conn: Connection, run_id: int, leads: int, credits: int) -> tuple[int, int]:
    """Of the accepted candidates the first in the provider's order stay: so many leads, and what costs so many credits.

    The first that is beyond either is turned down, and all that come after it. Returns how many stay, and their cost.
    """
    row = conn.execute(
        """
        WITH accepted AS (
            SELECT id, position, cost,
                   count(*) OVER through <= %(leads)s AND sum(cost) OVER through <= %(credits)s AS stays
            FROM lead_mining.candidate WHERE run_id = %(run_id)s AND state = 'accepted'
            WINDOW through AS (ORDER BY position)
        ),
        kept AS MATERIALIZED (
            SELECT count(*) AS leads, coalesce(sum(cost), 0)::bigint AS cost FROM accepted WHERE stays
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
        SELECT leads, cost FROM kept
        """,
        {"run_id": run_id, "leads": leads, "credits": credits},
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
