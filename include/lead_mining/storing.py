"""Storing what a provider sent: the page as received, its companies, and what belongs to companies of earlier pages.

Of people on the suppression list nothing is stored, in the page neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from psycopg import Connection

from lead_mining import candidates, late_values
from lead_mining.candidates import Rejection
from lead_mining.exceptions import MalformedRecord
from lead_mining.late_values import Changes, Held
from lead_mining.privacy.suppression import Suppressed, find_suppressed
from lead_mining.privacy.unwritten import without_records, without_suppressed
from lead_mining.provider_ids import without_ids_of_several
from lead_mining.providers.base import Company, Contact, JsonObject, Page
from lead_mining.runs import Run
from lead_mining.sources import Source

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class _Late:
    """Contacts that came after their company, each with the record that it was read from. `held`: the company's
    candidate; None where the run has none of that `reveal_id`."""

    reveal_id: str
    held: Held | None
    people: Sequence[tuple[JsonObject, Contact]]

    @property
    def company(self) -> Company:
        company = self.held.company if self.held else Company(reveal_id=self.reveal_id)
        return company.model_copy(update={"contacts": tuple(contact for _, contact in self.people)})


def store(
    conn: Connection,
    run: Run,
    page_number: int,
    asked: int,
    page: Page,
    source: Source,
    positions: Iterator[int] | None = None,
    contacts_through: int | None = None,
) -> None:
    """A page as received, what is read from it, and a rejection for each record that cannot be read.

    What is beyond the companies and contacts that were asked for is counted as rejected and stays in the page alone.
    Contacts go to their company's candidate. An id that the page gives to different companies is left out. Where the
    run has several providers, a company that another of them sold before is no new candidate, and fills the gaps of
    the one that there is. `positions`: of the companies; by default behind all others of the run. `contacts_through`:
    as `candidates.store_page` has it.
    """
    rejections: list[Rejection] = []
    companies = [company for _, company in _read(page.records, source.provider.parse, "record", rejections)]
    late = _late(conn, run, page, source, contacts_through is not None, rejections)
    together = [*companies, *(each.company for each in late)]
    suppressed = find_suppressed(conn, list(enumerate(together)))
    if suppressed:
        raw = without_records(page.raw, _records(late, suppressed, first=len(companies)))
        raw, together = without_suppressed(raw, together, suppressed)
        page = replace(page, raw=raw)
        rejections += [
            Rejection("extract", f"suppressed_{s.kind}", None, s.contact_index, "contact", f"{s.reason} ({s.source})")
            for s in suppressed
            if s.contact_index is not None
        ]
    most_contacts = run.mining_request.query().contact_number
    with_contacts = _no_more_contacts(together[len(companies) :], most_contacts, rejections)
    companies = without_ids_of_several(together[: len(companies)])
    companies = _no_more_companies(companies, asked if contacts_through is None else 0, rejections)
    companies = _no_more_contacts(companies, most_contacts, rejections)
    changes = Changes(source.conn_id)
    for each, company in zip(late, with_contacts, strict=True):
        if each.held:
            changes.add_contacts(each.held, company.contacts)
    if run.has_several_providers:
        before = late_values.sold_before(conn, run.id, companies, source.conn_id)
        for place, first in before.items():
            changes.fill(first, companies[place])
            rejections.append(late_values.sold_twice(first, companies[place], source.conn_id))
        companies = [company for place, company in enumerate(companies) if place not in before]
    candidates.store_page(
        conn, run.id, page_number, asked, page, companies, positions, source.conn_id, contacts_through
    )
    changes.save(conn, page_number)
    if rejections:
        candidates.reject(conn, run.id, rejections)


def _read(
    records: Iterable[JsonObject], parse: Callable[[JsonObject], _Read], what: str, rejections: list[Rejection]
) -> list[tuple[JsonObject, _Read]]:
    read = []
    for record in records:
        try:
            read.append((record, parse(record)))
        except MalformedRecord as error:
            fields = ", ".join(field for field, _, _ in error.problems)
            rejections.append(
                Rejection("extract", f"readable_{what}", field=fields, value=str(error)[:500], record=record)
            )
    return read


def _no_more_companies(companies: Sequence[Company], asked: int, rejections: list[Rejection]) -> list[Company]:
    rejections += [Rejection("extract", "no_more_than_asked") for _ in companies[asked:]]
    return list(companies[:asked])


def _no_more_contacts(companies: Sequence[Company], most: int, rejections: list[Rejection]) -> list[Company]:
    kept = []
    for company in companies:
        beyond = range(most, len(company.contacts))
        rejections += [Rejection("extract", "contact_was_asked_for", None, place, "contact") for place in beyond]
        kept.append(company.without_contacts(beyond) if beyond else company)
    return kept


def _late(
    conn: Connection, run: Run, page: Page, source: Source, of_others: bool, rejections: list[Rejection]
) -> list[_Late]:
    if not page.contacts:
        return []
    held = late_values.held(conn, run.id, list(page.contacts), source.conn_id, of_others=of_others)
    late = []
    for reveal_id, records in page.contacts.items():
        people = _read(records, source.provider.parse_contact, "contact", rejections)
        late.append(_Late(reveal_id, held.get(reveal_id), people))
        if people and reveal_id not in held:
            rejections.append(Rejection("extract", "no_such_company", field="reveal_id", value=reveal_id[:500]))
    return late


def _records(late: Sequence[_Late], suppressed: Sequence[Suppressed], first: int) -> list[Any]:
    """Those of suppressed people, and of all people of suppressed companies. `first`: place of the first of `late`."""
    gone = []
    for one in suppressed:
        if one.candidate_id >= first:
            records = [record for record, _ in late[one.candidate_id - first].people]
            gone += records if one.contact_index is None else [records[one.contact_index]]
    return gone
