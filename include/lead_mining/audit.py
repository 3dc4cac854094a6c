"""The audit (`include/sql/audit.sql`): where the ledger, what was bought and what was loaded do not agree."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class Discrepancy:
    """One thing that is not as it must be. `claim`: 0 the ledger itself, 1 spent on leads, 2 not lost, 3 not twice."""

    claim: int
    check: str
    what: str
    expected: str
    found: str


def audit(conn: Connection) -> list[Discrepancy]:
    """All discrepancies; empty where everything agrees. Reads only."""
    query = files("lead_mining.sql").joinpath("audit.sql").read_text(encoding="utf-8")
    with conn.cursor(row_factory=class_row(Discrepancy)) as cur:
        return cur.execute(query.encode()).fetchall()
