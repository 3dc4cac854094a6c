"""The suppression list: people and companies that are never to be loaded, nor bought where that can be helped.

Our own list, and the CRM's blacklists of addresses and numbers as they are at that moment: who unsubscribed just now is
left out. People stand in our list as digests (sha256), so that it can be kept when all else of them is erased.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from psycopg import Connection
from psycopg.types.json import Jsonb

from lead_mining import vocabulary
from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.identifiers import e164, email_addresses, is_email_address, one_mailbox, registered_domain
from lead_mining.providers.base import Company, Contact

Kind = Literal["domain", "country", "email", "phone", "person"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_IN_THE_CLEAR = frozenset({"domain", "country"})
_ALLOWED: dict[str, str] = {
    "domain": "a company's own domain such as acme.example, not that of a mail service or a platform",
    "country": "an ISO 3166-1 code such as DE",
    "email": "one e-mail address",
    "phone": "a number that exists, with + and the country's code",
    "person": "a full name, @ and the domain of the company: Ann Example @ acme.example",
}


@dataclass(frozen=True)
class Entry:
    """What is suppressed; `value` is normalised by `of`. Its text shows no person."""

    kind: Kind
    value: str
    reason: str
    source: str

    @classmethod
    def of(cls, kind: str, value: str, reason: str, source: str) -> Entry:
        """Raises InvalidRequest, which does not repeat what may be somebody's."""
        if kind not in KINDS:
            raise InvalidRequest([FieldProblem("kind", kind[:50], f"use one of {', '.join(KINDS)}")])
        normalised = _normalised(kind, value.strip())
        if normalised is None:
            shown = value[:200] if kind in _IN_THE_CLEAR else "(not shown, as logs are kept)"
            raise InvalidRequest([FieldProblem(kind, shown, f"use {_ALLOWED[kind]}")])
        return cls(kind, normalised, reason, source)

    @property
    def digest(self) -> str:
        return _digest(self.kind, self.value)

    def __repr__(self) -> str:
        return f"Entry({self.kind}, {self.value if self.kind in _IN_THE_CLEAR else self.digest[:12]})"


@dataclass(frozen=True)
class Suppressed:
    """A company, or (`contact_index`, from 0) one of its contacts, that is not to be loaded, and by which entry."""

    candidate_id: int
    contact_index: int | None
    kind: Kind
    source: str
    reason: str


def add(conn: Connection, entries: Iterable[Entry]) -> int:
    """Put entries on the list; returns how many are new. Those that are on it already stay as they are."""
    rows = list(entries)
    return conn.execute(
        "INSERT INTO lead_mining.suppression (kind, digest, value, reason, source)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        [
            [e.kind for e in rows],
            [e.digest for e in rows],
            [e.value if e.kind in _IN_THE_CLEAR else None for e in rows],
            [e.reason for e in rows],
            [e.source for e in rows],
        ],
    ).rowcount


def lift(conn: Connection, entries: Iterable[Entry]) -> int:
    """Take entries off the list; returns how many were on it."""
    rows = list(entries)
    return conn.execute(
        "DELETE FROM lead_mining.suppression WHERE (kind, digest) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
        [[e.kind for e in rows], [e.digest for e in rows]],
    ).rowcount


def suppressed_domains(conn: Connection, domains: Iterable[str]) -> frozenset[str]:
    """Which of these registered domains are on the list, so that their companies can be left out before they are paid
    for."""
    rows = conn.execute(
        "SELECT value FROM lead_mining.suppression WHERE kind = 'domain' AND digest = ANY(%s)",
        [[_digest("domain", domain) for domain in domains]],
    )
    return frozenset(value for (value,) in rows)


# As JSON: arrays of hundreds of thousands of texts take psycopg many times as long.
_ASKED = """
WITH asked AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        jsonb_array_elements_text(%(kinds)s), jsonb_array_elements_text(%(values)s),
        jsonb_array_elements_text(%(digests)s)
    ) WITH ORDINALITY AS asked (kind, value, digest, place)
)
"""
_ON_OUR_LIST = """
SELECT a.place, s.source, s.reason
FROM asked a JOIN lead_mining.suppression s ON s.kind = a.kind AND s.digest = a.digest
"""
_ON_THE_CRMS = """
SELECT a.place, 'the CRM''s blacklist', 'blacklisted in the CRM'
FROM asked a JOIN {table} b ON b.{column} = a.value AND b.active WHERE a.kind = '{column_kind}'
"""
_LISTS_OF_THE_CRM = (("mail_blacklist", "email", "email"), ("phone_blacklist", "number", "phone"))


def _listed(conn: Connection) -> tuple[frozenset[str], str]:
    """The kinds of which anything is on a list, and the query for these lists: the embedded CRM has none of its own."""
    rows = conn.execute(
        "SELECT kind FROM unnest(%s::text[]) AS listed (kind)"
        " WHERE EXISTS (SELECT FROM lead_mining.suppression s WHERE s.kind = listed.kind)"
        " UNION ALL SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass('public.' || name) IS NOT NULL",
        [list(KINDS), [table for table, _, _ in _LISTS_OF_THE_CRM]],
    )
    there = {name for (name,) in rows}
    theirs = [
        (kind, _ON_THE_CRMS.format(table=table, column=column, column_kind=kind))
        for table, column, kind in _LISTS_OF_THE_CRM
        if table in there and conn.execute(f"SELECT FROM {table} WHERE active LIMIT 1".encode()).fetchone() is not None
    ]
    kinds = there.intersection(KINDS) | {kind for kind, _ in theirs}
    return frozenset(kinds), _ASKED + " UNION ALL ".join([_ON_OUR_LIST, *(query for _, query in theirs)])


def find_suppressed(
    conn: Connection, companies: Sequence[tuple[int, Company]], home: str | None = None
) -> list[Suppressed]:
    """The companies, given as (candidate id, company), that are suppressed, and contacts of the others.

    A company is by its domain, its country, any of its own addresses or numbers; a contact by address, number, or name
    and company, and by the domain of the address. Named is the first of KINDS that is on a list. Reads only.
    `home`: the country of the CRM's own company, by which the CRM reads numbers too.
    """
    listed, on_a_list = _listed(conn)
    if not listed:
        return []
    bearers: dict[tuple[Kind, str], set[tuple[int, int | None]]] = defaultdict(set)
    for candidate_id, company in companies:
        for index, kind, value in _marks(company, listed, home):
            bearers[kind, value].add((candidate_id, index))
    marks = list(bearers)
    rows = conn.execute(
        on_a_list.encode(),
        {
            "kinds": Jsonb([kind for kind, _ in marks]),
            "values": Jsonb([value.encode("utf-8", errors="replace").decode() for _, value in marks]),
            "digests": Jsonb([_digest(kind, value) for kind, value in marks]),
        },
    )
    found: dict[tuple[int, int | None], Suppressed] = {}
    for place, source, reason in rows:
        kind, _ = mark = marks[place - 1]
        for bearer in bearers[mark]:
            known = found.get(bearer)
            if known is None or KINDS.index(kind) < KINDS.index(known.kind):
                found[bearer] = Suppressed(*bearer, kind, source, reason)
    return [one for (candidate_id, index), one in found.items() if index is None or (candidate_id, None) not in found]


def _marks(company: Company, listed: Container[str], home: str | None) -> Iterator[tuple[int | None, Kind, str]]:
    """(contact index, kind, normalised value) of all of the kinds listed by which a company and its contacts may be
    suppressed. What is of no such kind is not normalised, which for telephone numbers is slow."""
    domain = registered_domain(company.domain) if company.domain else None
    country = company.country_code.upper() if company.country_code else None
    if domain and "domain" in listed:
        yield None, "domain", domain
    if country and "country" in listed:
        yield None, "country", country
    for email in company.emails if "email" in listed else ():
        for address in _spellings(email):
            yield None, "email", address
    for phone in company.phones if "phone" in listed else ():
        for number in _numbers(phone, country, home):
            yield None, "phone", number
    for index, contact in enumerate(company.contacts):
        for kind, value in _marks_of(contact, domain, (country, home), listed):
            yield index, kind, value


def _marks_of(
    contact: Contact, domain: str | None, countries: tuple[str | None, str | None], listed: Container[str]
) -> Iterator[tuple[Kind, str]]:
    addresses = _spellings(contact.email)
    known_at = [domain, *(registered_domain(a.rpartition("@")[2]) for a in addresses if is_email_address(a))]
    hosts = {host for host in known_at if host}
    for address in addresses if "email" in listed else ():
        yield "email", address
    for host in hosts if "domain" in listed else ():
        yield "domain", host
    for number in _numbers(contact.phone, *countries) if contact.phone and "phone" in listed else ():
        yield "phone", number
    for host in hosts if "person" in listed else ():
        if contact.full_name and (person := _normalised("person", f"{contact.full_name}@{host}")):
            yield "person", person


def _numbers(phone: str, *countries: str | None) -> set[str]:
    return {number for country in countries if (number := e164(phone, country))}


def _spellings(field: str | None) -> set[str]:
    """All addresses of a field, as the CRM's blacklist has them and as our list does, in lower case."""
    addresses = set(email_addresses(field))
    return addresses | {address.lower() for address in addresses}


def _normalised(kind: str, value: str) -> str | None:
    """The one form in which values of a kind are compared; None for what is no such value."""
    if "\x00" in value:
        return None
    if kind == "domain":
        return registered_domain(value)
    if kind == "country":
        return code if (code := value.upper()) in vocabulary.countries() else None
    if kind == "email":
        return one_mailbox(value)
    if kind == "phone":
        return e164(value, None)
    name, _, company = value.rpartition("@")
    letters = unicodedata.normalize("NFKD", name).casefold()
    plain = " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())
    domain = registered_domain(company)
    return f"{plain}@{domain}" if plain and domain else None


def _digest(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode("utf-8", errors="surrogatepass")).hexdigest()
