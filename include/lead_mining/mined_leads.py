"""The leads of a request as people look at them, and their enrichment notes."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company


@dataclass(frozen=True)
class MinedLead:
    """A company that was loaded, without what may be a person's. `position`: its place in the provider's order."""

    candidate_id: int
    position: int
    lead_id: int
    company: str | None
    domain: str | None
    city: str | None
    country: str | None
    industry: str | None
    employees: int | None
    contacts: int
    has_note: bool


_LEADS = """
SELECT c.id AS candidate_id, c.position, c.lead_id, coalesce(c.company->>'name', c.company->>'legal_name') AS company,
       c.company->>'domain' AS domain, c.company->>'city' AS city, c.company->>'country_code' AS country,
       coalesce(c.company->>'industry_group', c.company->>'industry', c.company->>'sector') AS industry,
       (c.company->>'employees')::bigint AS employees, c.contacts, c.note_message_id IS NOT NULL AS has_note
FROM lead_mining.candidate c
WHERE c.run_id = %s AND c.lead_id IS NOT NULL AND c.position > %s
ORDER BY c.position LIMIT %s
"""


def leads_of(conn: Connection, run_id: int, after: int, most: int) -> list[MinedLead]:
    """The leads that a run loaded, in the provider's order, from the place `after` on, at most so many."""
    with conn.cursor(row_factory=class_row(MinedLead)) as cur:
        return cur.execute(_LEADS, [run_id, after, most]).fetchall()


def refunded(conn: Connection, run_id: int) -> int:
    """Credits that were given back for leads of the run that turned out to be bad."""
    row = conn.execute(
        "SELECT coalesce(sum(t.credits), 0)::bigint FROM lead_mining.candidate c"
        " JOIN lead_mining.ledger_transaction t ON t.candidate_id = c.id"
        " WHERE c.run_id = %s AND c.lead_id IS NOT NULL AND t.kind = 'refund'",
        [run_id],
    ).fetchone()
    return int(row[0]) if row else 0


def note_of(conn: Connection, run_key: str, candidate_id: int) -> str | None:
    """HTML of the enrichment note of one of the run's leads; None where it has none."""
    row = conn.execute(
        "SELECT c.company, r.context->>'lead_type', r.request_number FROM lead_mining.candidate c"
        " JOIN lead_mining.run r ON r.id = c.run_id"
        " WHERE r.run_key = %s AND c.id = %s AND c.note_message_id IS NOT NULL",
        [run_key, candidate_id],
    ).fetchone()
    if row is None:
        return None
    company, lead_type, number = row
    return render_note(Company.model_validate(company), lead_type=lead_type, request_number=number or "")
