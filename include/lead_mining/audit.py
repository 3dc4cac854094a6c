"""The audit (`include/sql/audit.sql`): where the ledger, what was bought and what was loaded do not agree."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from psycopg import Connection
from psycopg.rows import class_row

_FOR_A_PERSON = "-- Below is what a person sees"
_FOR_US = 'SELECT * FROM discrepancy ORDER BY claim, "check", what'


@dataclass(frozen=True)
class Discrepancy:
    """One thing that is not as it must be. `claim`: 0 the ledger itself, 1 spent on leads, 2 not lost, 3 not twice."""

    claim: int
    check: str
    what: str
    expected: str | None
    found: str | None


def audit(conn: Connection) -> list[Discrepancy]:
    """All discrepancies; empty where everything agrees. Reads only."""
    text = files("lead_mining.sql").joinpath("audit.sql").read_text(encoding="utf-8")
    query, _, _ = text.partition(_FOR_A_PERSON)
    query = "".join(line for line in query.splitlines(keepends=True) if not line.startswith("\\"))  # psql's own
    with conn.cursor(row_factory=class_row(Discrepancy)) as cur:
        return cur.execute((query + _FOR_US).encode()).fetchall()
