"""Who is meant: from an address, a domain or a lead to the persons, with all that they are known by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from psycopg import Connection

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.identifiers import e164, mailboxes, registered_domain
from lead_mining.privacy.leads import FOR_UPDATE, KnownLead, find_leads
from lead_mining.privacy.scrub import Needles
from lead_mining.privacy.subject import Subject
from lead_mining.providers.base import Company, Contact


@dataclass(frozen=True)
class KnownCandidate:
    """A candidate that holds something on the persons. `whole`: all its persons and contact data are meant."""

    id: int
    run_id: int
    lead_id: int | None
    note_message_id: int | None
    company: Company
    whole: bool


@dataclass(frozen=True)
class Found:
    """All that is held on a subject. `persons`: each as it stands in a candidate, with its company's domain.

    `late_pages`: run and number of each page on which values came for the candidates that were stored already. It need
    not name the company by what we know it by.
    """

    needles: Needles
    candidates: tuple[KnownCandidate, ...]
    leads: tuple[KnownLead, ...]
    persons: tuple[tuple[Contact, str | None], ...]
    late_pages: frozenset[tuple[int, int]]

    @property
    def run_ids(self) -> list[int]:
        return sorted({candidate.run_id for candidate in self.candidates})

    @property
    def lead_ids(self) -> list[int]:
        return sorted({lead.id for lead in self.leads})


def find(conn: Connection, subject: Subject, *, lock: bool = False) -> Found:
    """Candidates and leads that hold something on the subject, and what its persons are known by.

    `lock`: nobody changes them until the transaction ends. Raises InvalidRequest where there is no such lead.
    """
    needles = Needles()
    lead_ids: set[int] = set()
    if subject.kind == "email":
        needles = Needles(emails=frozenset([subject.value]))
    elif subject.kind == "domain":
        needles = Needles(domains=frozenset([subject.value]))
    else:
        lead_ids = {int(subject.value)}
    named_leads = frozenset(lead_ids)
    # Twice: by what was given, then by all that these candidates and leads know the persons by.
    for _ in range(2):
        candidates = _candidates(conn, subject, needles, named_leads, lock)
        lead_ids |= {candidate.lead_id for candidate in candidates if candidate.lead_id}
        leads = find_leads(conn, subject, needles, lead_ids, named_leads, lock)
        needles = _known_by(needles, candidates, leads)
    if subject.kind == "lead" and not candidates and not leads:
        raise InvalidRequest([FieldProblem("value", subject.value, "the CRM has no such lead")])
    persons = tuple(_persons(needles, candidates))
    return Found(needles, tuple(candidates), tuple(leads), persons, _late_pages(conn, candidates))


def _late_pages(conn: Connection, candidates: Sequence[KnownCandidate]) -> frozenset[tuple[int, int]]:
    rows = conn.execute(
        "SELECT c.run_id, s.page_number FROM lead_mining.value_source s JOIN lead_mining.candidate c"
        " ON c.id = s.candidate_id WHERE s.candidate_id = ANY(%s)",
        [[candidate.id for candidate in candidates]],
    )
    return frozenset(rows.fetchall())


def is_person(contact: Contact, needles: Needles) -> bool:
    """Whether a contact is one of the persons: by address or number; by name, where it has no other address."""
    if needles.is_email(contact.email or "") or needles.is_phone(contact.phone or ""):
        return True
    return bool(contact.full_name and not mailboxes(contact.email) and needles.is_name(contact.full_name))


def _candidates(
    conn: Connection, subject: Subject, needles: Needles, lead_ids: frozenset[int], lock: bool
) -> list[KnownCandidate]:
    rows = conn.execute(
        "SELECT id, run_id, lead_id, note_message_id, company FROM lead_mining.candidate"
        f" WHERE lower(company::text) LIKE ANY(%s) OR lead_id = ANY(%s) ORDER BY id {FOR_UPDATE if lock else ''}",
        [needles.patterns(names=True), list(lead_ids)],
    )
    read = [
        KnownCandidate(id_, run_id, lead_id, note_id, company, _is_whole(subject, company, lead_id, lead_ids))
        for id_, run_id, lead_id, note_id, value in rows
        for company in [Company.model_validate(value)]
    ]
    certain = [candidate for candidate in read if _mentions(candidate, needles, names=False)]
    domains = {own_domain(candidate.company) for candidate in certain} - {None}
    return [
        candidate
        for candidate in read
        if candidate in certain
        or (own_domain(candidate.company) in domains and _mentions(candidate, needles, names=True))
    ]


def _is_whole(subject: Subject, company: Company, lead_id: int | None, lead_ids: frozenset[int]) -> bool:
    return lead_id in lead_ids or (subject.kind == "domain" and own_domain(company) == subject.value)


def _mentions(candidate: KnownCandidate, needles: Needles, *, names: bool) -> bool:
    return (
        candidate.whole
        or next(needles.excerpts(candidate.company.model_dump(mode="json"), names=names), None) is not None
    )


def own_domain(company: Company) -> str | None:
    return registered_domain(company.domain) if company.domain else None


def _known_by(needles: Needles, candidates: Sequence[KnownCandidate], leads: Sequence[KnownLead]) -> Needles:
    emails, names, phones = set(needles.emails), set(needles.names), set(needles.phones)
    for candidate in candidates:
        company = candidate.company
        persons = [contact for contact in company.contacts if candidate.whole or is_person(contact, needles)]
        others = [contact for contact in company.contacts if contact not in persons]
        known = {contact.email for contact in persons} | (set(company.emails) if candidate.whole else set())
        emails |= {address for email in known for address in mailboxes(email)}
        names |= {contact.full_name for contact in persons if contact.full_name}
        # A number that the company gives as its own, or that a colleague has too, is not the person's.
        shared = set() if candidate.whole else _numbers([*company.phones, *(c.phone for c in others)], company)
        own = [*(contact.phone for contact in persons), *(company.phones if candidate.whole else ())]
        phones |= {number for phone in own if phone for number in _of_one(phone, company, shared)}
    for lead in leads:
        if lead.whole or lead.is_about:
            found = mailboxes(lead.values["email_from"])
            emails |= {address for address in found if lead.whole or needles.is_email(address)}
            names.add(lead.values["contact_name"] or "")
            numbers = [lead.values["mobile"], *((lead.values["phone"],) if lead.whole else ())]
            phones |= {number for number in numbers if number}
    known_at = {id_.lower() for c in candidates for id_ in (c.company.reveal_id, own_domain(c.company)) if id_}
    return replace(
        needles,
        emails=frozenset(emails),
        names=frozenset(names) - {""},
        phones=frozenset(phones),
        companies=frozenset(known_at),
    )


def _numbers(phones: Iterable[str | None], company: Company) -> set[str]:
    return {form for phone in phones if phone for form in _forms(phone, company)}


def _forms(phone: str, company: Company) -> set[str]:
    """As given, and in E.164 where it is a valid number: one of both is the same as another's where it is the same."""
    return {phone, e164(phone, (company.country_code or "").upper() or None) or phone}


def _of_one(phone: str, company: Company, shared: set[str]) -> set[str]:
    forms = _forms(phone, company)
    return forms if forms.isdisjoint(shared) else set()


def _persons(needles: Needles, candidates: Sequence[KnownCandidate]) -> Iterable[tuple[Contact, str | None]]:
    for candidate in candidates:
        for contact in candidate.company.contacts:
            if candidate.whole or is_person(contact, needles):
                yield contact, own_domain(candidate.company)
