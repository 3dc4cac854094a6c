"""A run's rejections as a person looks at them: which company, by which rule, and whether it was loaded since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

# Of the values that failed, those that are a company's and nobody's own. The others stay in the database.
_SHOWN = (
    *("name", "domain", "country_code", "state_code", "city", "zip", "industry", "employees", "founded_year"),
    *("reveal_id", "contacts", "country"),
)

_NOT_TO_BE_OVERRULED = "suppressed"
"""How rules begin that no person may overrule, for want of right."""


@dataclass(frozen=True)
class RejectedRow:
    """A company, or (`contact`, counted from 1) a contact of it, that a rule turned down or let pass with a warning.

    `value`: what failed, where it is nobody's own, else None; `missing` tells whether there was none. `lead_id`: the
    lead that the company is by now, loaded in spite of it or later. `company`: None where it could not be read.
    """

    rejection_id: int
    candidate_id: int | None
    company: str | None
    domain: str | None
    country: str | None
    contact: int | None
    rule: str
    step: str
    severity: str
    field: str | None
    value: str | None
    missing: bool
    duplicate_of: str | None
    lead_id: int | None
    can_be_tried_again: bool


_CAN_BE_TRIED_AGAIN = """
       j.severity = 'reject' AND j.contact_index IS NULL AND c.state = 'rejected' AND NOT r.dry_run
       AND again.id IS NULL AND p.removed_at IS NULL AND NOT EXISTS (
           SELECT FROM lead_mining.rejection k WHERE k.candidate_id = c.id AND k.contact_index IS NULL
           AND k.severity = 'reject' AND k.rule ~ %(never)s)
"""
_FROM = """
FROM lead_mining.rejection j
JOIN lead_mining.run r ON r.id = j.run_id
LEFT JOIN lead_mining.candidate c ON c.id = j.candidate_id
LEFT JOIN lead_mining.candidate again ON again.retry_of = c.id AND again.lead_id IS NOT NULL
LEFT JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
WHERE r.run_key = %(run_key)s AND (%(rule)s::text IS NULL OR j.rule = %(rule)s)
"""
_ROWS = f"""
SELECT j.id AS rejection_id, j.candidate_id, coalesce(c.company->>'name', c.company->>'legal_name') AS company,
       c.company->>'domain' AS domain, c.company->>'country_code' AS country, j.contact_index + 1 AS contact, j.rule,
       j.step, j.severity, j.field,
       CASE WHEN j.contact_index IS NULL AND j.field = ANY(%(shown)s) THEN left(j.value, 200) END AS value,
       j.value IS NULL AS missing,
       j.duplicate_of, coalesce(c.lead_id, again.lead_id) AS lead_id,
       {_CAN_BE_TRIED_AGAIN} AS can_be_tried_again
{_FROM}ORDER BY j.id LIMIT %(most)s
"""
_TO_TRY_AGAIN = f"SELECT DISTINCT c.id {_FROM} AND {_CAN_BE_TRIED_AGAIN} ORDER BY c.id LIMIT %(most)s"


def rejected_rows(conn: Connection, run_key: str, rule: str | None, most: int) -> list[RejectedRow]:
    """The rejections of a run, of one rule or of all, in the order in which they were made, at most so many."""
    with conn.cursor(row_factory=class_row(RejectedRow)) as cur:
        return cur.execute(_ROWS, _parameters(run_key, rule, most) | {"shown": list(_SHOWN)}).fetchall()


def to_try_again(conn: Connection, run_key: str, rule: str | None, most: int) -> list[int]:
    """Numbers of the run's candidates, turned down by the rule or by any, that can be tried again, at most so many."""
    return [id_ for (id_,) in conn.execute(_TO_TRY_AGAIN, _parameters(run_key, rule, most))]


def rules_against(conn: Connection, candidate_ids: Sequence[int]) -> set[str]:
    """The rules that turned any of these candidates down, or contacts of theirs."""
    rows = conn.execute(
        "SELECT DISTINCT rule FROM lead_mining.rejection WHERE candidate_id = ANY(%s) AND severity = 'reject'",
        [list(candidate_ids)],
    )
    return {rule for (rule,) in rows}


def may_be_overruled(rule: str) -> bool:
    return not rule.startswith(_NOT_TO_BE_OVERRULED)


def _parameters(run_key: str, rule: str | None, most: int) -> dict[str, object]:
    return {"run_key": run_key, "rule": rule, "most": most, "never": f"^{_NOT_TO_BE_OVERRULED}"}
