"""People on the suppression list, taken out of what a provider sent before it is written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lead_mining.identifiers import mailboxes
from lead_mining.privacy.scrub import Needles, emptied
from lead_mining.privacy.suppression import Suppressed
from lead_mining.providers.base import Company, Contact, JsonObject


def without_suppressed(
    raw: Any, companies: Sequence[Company], suppressed: Sequence[Suppressed]
) -> tuple[Any, list[Company]]:
    """The answer (JSON) and its companies without them. `suppressed`: by the companies' places in the list.

    A suppressed company stays, as the rejection that it will be, without its people.
    """
    places: dict[int, set[int | None]] = defaultdict(set)
    for one in suppressed:
        places[one.candidate_id].add(one.contact_index)
    left = list(companies)
    for place, indexes in places.items():
        contacts = companies[place].contacts
        gone = [contact for i, contact in enumerate(contacts) if i in indexes or None in indexes]
        kept = tuple(contact for i, contact in enumerate(contacts) if not (i in indexes or None in indexes))
        left[place] = companies[place].model_copy(update={"contacts": kept})
        if gone:
            needles = _needles(companies[place], gone)
            raw = needles.scrubbed(raw, names=True)
            left[place] = Company.model_validate(needles.scrubbed(left[place].model_dump(mode="json"), names=True))
    return raw, left


def without_records(raw: Any, records: Sequence[JsonObject]) -> Any:
    """The answer with each of these records of people emptied, wherever it stands: it may not name the company that it
    came for, nor be told from a company's record. A record may have more than stands there."""
    if isinstance(raw, list):
        return [without_records(item, records) for item in raw]
    if not isinstance(raw, dict):
        return raw
    if raw and any(all(key in record and record[key] == raw[key] for key in raw) for record in records):
        return emptied(raw)
    return {key: without_records(value, records) for key, value in raw.items()}


def _needles(company: Company, people: Sequence[Contact]) -> Needles:
    known_at = (company.reveal_id, company.domain)
    return Needles(
        emails=frozenset(address for person in people for address in mailboxes(person.email)),
        names=frozenset(person.full_name for person in people if person.full_name),
        phones=frozenset(person.phone for person in people if person.phone),
        companies=frozenset(mark.lower() for mark in known_at if mark),
    )
