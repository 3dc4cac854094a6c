"""What came of saved searches: their last runs, and the credits that they have used this month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

LAST_RUNS = 7


@dataclass(frozen=True)
class SearchRun:
    """A run of a saved search. `leads`: loaded ones; None where loading has not ended, or never came to it."""

    saved_search: str
    run_key: str
    request_number: str | None
    began: dt.datetime
    leads: int | None


def last_runs(conn: Connection, names: Sequence[str]) -> dict[str, list[SearchRun]]:
    """Name to the last runs of the search, at most LAST_RUNS, the newest first. Trial runs and retries do not count."""
    found: dict[str, list[SearchRun]] = {name: [] for name in names}
    with conn.cursor(row_factory=class_row(SearchRun)) as cur:
        cur.execute(
            "SELECT name AS saved_search, r.run_key, r.request_number, r.created_at AS began,"
            " (s.result->>'leads')::int AS leads"
            " FROM unnest(%s::text[]) AS search (name) CROSS JOIN LATERAL (SELECT * FROM lead_mining.run"
            " WHERE saved_search = name AND retry_of IS NULL AND NOT dry_run ORDER BY id DESC LIMIT %s) AS r"
            " LEFT JOIN lead_mining.run_step s ON s.run_id = r.id AND s.step = 'load_leads' ORDER BY r.id DESC",
            [list(names), LAST_RUNS],
        )
        for run in cur:
            found[run.saved_search].append(run)
    return found


def used_this_month(conn: Connection) -> dict[str, int]:
    """Name of a saved search to the credits that its runs hold or have spent in this calendar month (UTC)."""
    return dict(
        conn.execute(
            "SELECT name, credits::int FROM lead_mining.monthly_use"
            " WHERE scope = 'search' AND month = date_trunc('month', now() AT TIME ZONE 'utc')::date"
        ).fetchall()
    )
