"""By what a company is recognised: its normalised keys. Nothing here asks the network or writes to disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from lead_mining.identifiers import e164, email_addresses, is_email_address, registered_domain
from lead_mining.providers.base import Company

KeyKind = Literal["reveal_id", "domain", "email", "phone"]
Key = tuple[KeyKind, str]

KINDS: Final[tuple[KeyKind, ...]] = ("reveal_id", "domain", "email", "phone")
"""The kinds of key, the most certain first."""

_MAX_REVEAL_ID = 500  # characters; what is longer is not an id, and would not fit into the index


def match_keys(company: Company) -> frozenset[Key]:
    """The keys of a company: reveal_id as given; registered domain; e-mail addresses, its own and its contacts', as the
    CRM normalises them; its first phone number in E.164, which is the one that Odoo compares leads by: further ones may
    be an agent's or a neighbour's. What is malformed, or shared by many companies, gives no key.
    """
    return frozenset(_keys(company))


def _keys(company: Company) -> Iterator[Key]:
    reveal_id = company.reveal_id
    if reveal_id and len(reveal_id) <= _MAX_REVEAL_ID and "\x00" not in reveal_id:
        yield "reveal_id", reveal_id
    if company.domain and (domain := registered_domain(company.domain)):
        yield "domain", domain
    for email in (*company.emails, *(contact.email for contact in company.contacts)):
        yield from (("email", address) for address in email_addresses(email) if is_email_address(address))
    country = company.country_code.upper() if company.country_code else None
    for phone in company.phones[:1]:
        if number := e164(phone, country):
            yield "phone", number
