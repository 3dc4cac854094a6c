"""Storing what a provider sent: the page as received, its companies, and what belongs to companies of earlier pages.

Of people on the suppression list nothing is stored, in the page neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from psycopg import Connection
from pydantic import ValidationError

from lead_mining import candidates, late_values
from lead_mining.answers import as_json
from lead_mining.candidates import Rejection
from lead_mining.exceptions import MalformedAnswer, MalformedRecord
from lead_mining.late_values import Changes, Held
from lead_mining.privacy.suppression import Suppressed, find_suppressed
from lead_mining.privacy.unwritten import without_records, without_suppressed
from lead_mining.provider_ids import without_ids_of_several
from lead_mining.providers.base import Company, Contact, JsonObject, Page
from lead_mining.providers.text import storable
from lead_mining.runs import Run
from lead_mining.sources import Source

_Read = TypeVar("_Read", Company, Contact)


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
    first_position: int | None = None,
    contacts_through: int | None = None,
) -> None:
    """A page as received, what is read from it, and a rejection for each record that cannot be read. Raises
    MalformedAnswer where none can.

    What is beyond the companies and contacts that were asked for is counted as rejected and stays in the page alone.
    Contacts go to their company's candidate. An id that the page gives to different companies is left out. Where the
    run has several providers, a company that another of them sold before is no new candidate, and fills the gaps of
    the one that there is. `first_position`: of the companies; by default behind all others of the run.
    `contacts_through`: as `candidates.store_page` has it.
    """
    reader = _Reader()
    rejections = reader.rejections
    companies = [company for _, company in reader.read(page.records, source.provider.parse, Company, "record")]
    late = _late(conn, run, page, source, contacts_through is not None, reader)
    reader.check()
    together = [*companies, *(each.company for each in late)]
    suppressed = find_suppressed(conn, list(enumerate(together)), run.crm_context.company_country_code)
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
        conn, run.id, page_number, asked, page, companies, first_position, source.conn_id, contacts_through
    )
    changes.save(conn, page_number)
    if rejections:
        candidates.reject(conn, run.id, rejections)


class _Reader:
    """Reads records by a provider's own `parse`. What that cannot do becomes `rejections`, whatever it raises."""

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []
        self._read = 0
        self._raised: str | None = None

    def read(
        self, records: Iterable[JsonObject], parse: Callable[[JsonObject], object], what: type[_Read], name: str
    ) -> list[tuple[JsonObject, _Read]]:
        """Each record that can be read, with what it says."""
        found = []
        for number, record in enumerate(records, start=1):
            try:
                read = parse(record)
                if not isinstance(read, what):
                    raise TypeError(type(read).__name__)
                _check_storable(read)
                found.append((record, read))
            except MalformedRecord as error:
                fields = ", ".join(field for field, _, _ in error.problems)
                self._reject(name, fields, str(error)[:500], record)
            except Exception as error:  # a fault of somebody's own provider, whose text may repeat what is a person's
                fields = (
                    ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
                    if isinstance(error, ValidationError)
                    else ""
                )
                why = f"{name} {number} of the answer: parse failed with {type(error).__name__}"
                self._raised = self._raised or why
                self._reject(name, fields[:500], why, record)
        self._read += len(found)
        return found

    def check(self) -> None:
        """Raises MalformedAnswer where nothing could be read and that is the provider's fault: it can be mended."""
        if self._raised and not self._read:
            raise MalformedAnswer(f"nothing of it can be read, beginning with {self._raised}")

    def _reject(self, name: str, fields: str, why: str, record: object) -> None:
        self.rejections.append(
            Rejection("extract", f"readable_{name}", field=fields, value=why, record=as_json(record))
        )


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


def _check_storable(read: Company | Contact) -> None:
    """Raises ValueError where a text has what PostgreSQL refuses: NUL, or half a character."""
    said = read.model_dump_json()
    if "\\u0000" in said and storable(values := read.model_dump(mode="json")) != values:
        raise ValueError("NUL")


def _late(conn: Connection, run: Run, page: Page, source: Source, of_others: bool, reader: _Reader) -> list[_Late]:
    if not page.contacts:
        return []
    held = late_values.held(conn, run.id, list(page.contacts), source.conn_id, of_others=of_others)
    late = []
    for reveal_id, records in page.contacts.items():
        people = reader.read(records, source.provider.parse_contact, Contact, "contact")
        late.append(_Late(reveal_id, held.get(reveal_id), people))
        if people and reveal_id not in held:
            reader.rejections.append(Rejection("extract", "no_such_company", field="reveal_id", value=reveal_id[:500]))
    return late


def _records(late: Sequence[_Late], suppressed: Sequence[Suppressed], first: int) -> list[Any]:
    """Those of suppressed people, and of all people of suppressed companies. `first`: place of the first of `late`."""
    gone = []
    for one in suppressed:
        if one.candidate_id >= first:
            records = [record for record, _ in late[one.candidate_id - first].people]
            gone += records if one.contact_index is None else [records[one.contact_index]]
    return gone
