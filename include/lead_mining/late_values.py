"""Values that come for a candidate which is stored already: contacts on a later page, and what another provider knows.

Of each is kept which page it came on (`lead_mining.value_source`): the candidate's own page does not say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection

from lead_mining import candidates
from lead_mining.candidates import Rejection
from lead_mining.identifiers import shared_domains
from lead_mining.providers.base import Company, Contact

_SOLD_TWICE = "sold_twice"
_PLACE = ("street", "city", "zip", "state_code")


@dataclass(frozen=True)
class Held:
    """A candidate of the run. `contacts_of`: the connection whose its contacts are; None where it has none."""

    id: int
    company: Company
    contacts_of: str | None


# Each a look into an index, whatever the planner knows of how many companies the run has.
_HELD: LiteralString = """
WITH asked AS MATERIALIZED (
    SELECT place, reveal_id, domain, hashtextextended(reveal_id, 0) AS by_reveal_id,
           hashtextextended(lower(domain), 0) AS by_domain
    FROM unnest(%(reveal_ids)s::text[], %(domains)s::text[]) WITH ORDINALITY AS asked (reveal_id, domain, place)
), found AS (
    SELECT a.place, c.id FROM asked a JOIN lead_mining.candidate c
      ON hashtextextended(c.company->>'reveal_id', 0) = a.by_reveal_id AND c.company->>'reveal_id' = a.reveal_id
    WHERE c.run_id = %(run_id)s AND c.company->>'reveal_id' IS NOT NULL
      AND coalesce(lower(c.company->>'domain') = lower(a.domain), true) -- else another provider's id of another
    UNION ALL
    SELECT a.place, c.id FROM asked a JOIN lead_mining.candidate c
      ON hashtextextended(lower(c.company->>'domain'), 0) = a.by_domain
      AND lower(c.company->>'domain') = lower(a.domain)
    WHERE c.run_id = %(run_id)s AND c.company->>'domain' IS NOT NULL
    UNION ALL
    SELECT a.place, j.candidate_id FROM asked a JOIN lead_mining.rejection j ON j.value = a.reveal_id
    WHERE j.run_id = %(run_id)s AND j.step = 'extract' AND j.rule = %(sold_twice)s AND j.duplicate_of = %(provider)s
)
SELECT DISTINCT ON (f.place) f.place, c.id, c.company,
       CASE WHEN c.contacts > 0 THEN coalesce((
           SELECT coalesce(q.provider, r.provider) FROM lead_mining.value_source s
           JOIN lead_mining.raw_page q ON (q.run_id, q.page_number) = (c.run_id, s.page_number)
           WHERE s.candidate_id = c.id AND s.field = 'contacts' LIMIT 1
       ), coalesce(p.provider, r.provider)) END AS contacts_of
FROM found f
JOIN lead_mining.candidate c USING (id)
JOIN lead_mining.run r ON r.id = c.run_id
JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
"""


def held(
    conn: Connection, run_id: int, reveal_ids: Sequence[str], provider: str, *, of_others: bool
) -> dict[str, Held]:
    """The candidates of which contacts came, by reveal id; the first where a company is there twice.

    `of_others`: these were asked for by what other providers call the companies, or by the domain of one that has no
    reveal id; else they are companies that `provider` sold, of which it may have been the second to do so.
    """
    rows = _find(conn, run_id, reveal_ids, [None] * len(reveal_ids), provider, whose="any" if of_others else "own")
    found = {reveal_ids[place]: one for place, one in rows.items()}
    if of_others and (left := [key for key in reveal_ids if key not in found]):
        rows = _find(conn, run_id, [None] * len(left), left, provider, whose="any")
        found |= {left[place]: one for place, one in rows.items() if one.company.reveal_id is None}
    return found


def sold_before(conn: Connection, run_id: int, companies: Sequence[Company], provider: str) -> dict[int, Held]:
    """Those of the companies, by their places, that another provider of the run sold, by reveal id or own domain."""
    domains = [None if company.domain in shared_domains() else company.domain for company in companies]
    return _find(conn, run_id, [company.reveal_id for company in companies], domains, provider, whose="others'")


_WHOSE: dict[str, LiteralString] = {
    "any": "true",
    "own": "coalesce(p.provider, r.provider) = %(provider)s OR EXISTS (SELECT FROM lead_mining.rejection j"
    " WHERE j.candidate_id = c.id AND j.rule = %(sold_twice)s AND j.duplicate_of = %(provider)s)",
    "others'": "coalesce(p.provider, r.provider) <> %(provider)s",
}


def _find(
    conn: Connection,
    run_id: int,
    reveal_ids: Sequence[str | None],
    domains: Sequence[str | None],
    provider: str,
    *,
    whose: str,
) -> dict[int, Held]:
    rows = conn.execute(
        f"{_HELD} WHERE {_WHOSE[whose]} ORDER BY f.place, c.position",
        {
            "reveal_ids": list(reveal_ids),
            "domains": list(domains),
            "run_id": run_id,
            "provider": provider,
            "sold_twice": _SOLD_TWICE,
        },
        prepare=False,  # planned anew: a plan from when the tables were empty reads them whole
    )
    return {place - 1: Held(id_, Company.model_validate(company), whom) for place, id_, company, whom in rows}


def sold_twice(first: Held, company: Company, provider: str) -> Rejection:
    """The warning that a company was paid for twice. Contacts that come later find its candidate by it."""
    return Rejection(
        "extract",
        _SOLD_TWICE,
        first.id,
        field="reveal_id",
        value=company.reveal_id,
        severity="warn",
        duplicate_of=provider,
    )


class Changes:
    """What candidates get from one page of a provider."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._companies: dict[int, Company] = {}
        self._fields: set[tuple[int, str]] = set()

    def add_contacts(self, held: Held, contacts: Sequence[Contact]) -> None:
        """Behind those that it has from the same provider, if they are not the same; another's stay as they are."""
        company = self._companies.get(held.id, held.company)
        new = [contact for contact in contacts if contact not in company.contacts]
        if new and held.contacts_of in (None, self._provider):
            self._change(held.id, company.model_copy(update={"contacts": (*company.contacts, *new)}), ["contacts"])

    def fill(self, held: Held, company: Company) -> None:
        """What it lacks, from the same company as another sold it: its place only as a whole, in the same country."""
        first = self._companies.get(held.id, held.company)
        elsewhere = any(getattr(first, name) for name in _PLACE) or (
            first.country_code and first.country_code != company.country_code
        )
        gaps = {
            name: value
            for name, value in company
            if value and not getattr(first, name) and not (name in _PLACE and elsewhere)
        }
        if gaps:
            self._change(held.id, first.model_copy(update=gaps), list(gaps))

    def _change(self, candidate_id: int, company: Company, fields: Sequence[str]) -> None:
        self._companies[candidate_id] = company
        self._fields |= {(candidate_id, field) for field in fields}

    def save(self, conn: Connection, page_number: int) -> None:
        """Write them, and that they came on this page."""
        if not self._companies:
            return
        candidates.set_companies(conn, self._companies)
        ids, fields = zip(*sorted(self._fields), strict=True)
        conn.execute(
            "INSERT INTO lead_mining.value_source (candidate_id, field, page_number)"
            " SELECT id, field, %s FROM unnest(%s::bigint[], %s::text[]) AS changed (id, field)",
            [page_number, list(ids), list(fields)],
        )
