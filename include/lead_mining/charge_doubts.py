"""Charges that are not right: more than a call could cost, or otherwise than the provider's balance shows.

What came is kept, and no more than the call's most is paid for it. Nothing more is bought for the run: a person looks
at the provider's account, and books with `credits_charge` what it truly took beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.exceptions import ChargeDoubted
from lead_mining.runs import Run


@dataclass(frozen=True)
class Doubt:
    """What a page was charged, in credits, beside what was to be expected."""

    run_id: int
    page_number: int
    kind: str
    expected: int
    found: int
    noticed_at: datetime

    def __str__(self) -> str:
        if self.kind == "most":
            return (
                f"the provider charged {self.found:,} credits for page {self.page_number}, which could cost"
                f" {self.expected:,}"
            )
        return (
            f"the provider's balance fell by {self.found:,} credits up to page {self.page_number}, and it said that it"
            f" charged {self.expected:,}, unless somebody else used its account before"
            f" {self.noticed_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        )


def of_run(conn: Connection, run_id: int) -> list[Doubt]:
    """The run's doubts, oldest first."""
    return _find(conn, "run_id = %s", run_id)


def since(conn: Connection, moment: datetime) -> list[Doubt]:
    """The doubts of all runs since a moment, oldest first."""
    return _find(conn, "noticed_at >= %s", moment)


def _find(conn: Connection, where: str, value: object) -> list[Doubt]:
    with conn.cursor(row_factory=class_row(Doubt)) as cur:
        query = (
            "SELECT run_id, page_number, kind, expected, found, noticed_at FROM lead_mining.charge_doubt"
            f" WHERE {where} ORDER BY noticed_at, page_number"
        )
        return cur.execute(query.encode(), [value]).fetchall()


def compare_with_most(conn: Connection, run: Run, page_number: int, most: int, charged: int) -> str | None:
    """Store a doubt where a page was charged more than it could cost, and say so."""
    if charged <= most:
        return None
    write_down(conn, run.id, "most", most, charged, page_number)
    return f"it charged {charged} credits, and could cost {most} at most"


def write_down(conn: Connection, run_id: int, kind: str, expected: int, found: int, page: int | None = None) -> None:
    """Store a doubt about a page, by default the run's last; one that is there stays as it is."""
    conn.execute(
        "INSERT INTO lead_mining.charge_doubt (run_id, page_number, kind, expected, found)"
        " SELECT %(run_id)s, coalesce(%(page)s, (SELECT max(page_number) FROM lead_mining.provider_call"
        " WHERE run_id = %(run_id)s)), %(kind)s, %(expected)s, %(found)s ON CONFLICT DO NOTHING",
        {"run_id": run_id, "page": page, "kind": kind, "expected": expected, "found": found},
    )


def check(conn: Connection, run: Run) -> None:
    """Raises ChargeDoubted where a charge of the run is in doubt."""
    if doubts := of_run(conn, run.id):
        raise ChargeDoubted(
            f"Nothing more is bought for {run.request_number}: {'; '.join(map(str, doubts))}. What came is kept. Look"
            " at the provider's account; where the credit account mirrors it, book with the DAG credits_charge what it"
            " took beyond that; then clear this task: what came is loaded"
        )
