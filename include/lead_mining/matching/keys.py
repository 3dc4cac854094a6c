"""By what a company is recognised: its normalised keys. Nothing here asks the network or writes to disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from lead_mining import vocabulary
from lead_mining.phone_numbers import e164
from lead_mining.providers.base import Company

if TYPE_CHECKING:
    from tldextract import TLDExtract

KeyKind = Literal["reveal_id", "domain", "email", "phone"]
Key = tuple[KeyKind, str]

KINDS: Final[tuple[KeyKind, ...]] = ("reveal_id", "domain", "email", "phone")
"""The kinds of key, the most certain first."""

_MAX_REVEAL_ID = 500  # characters; what is longer is not an id, and would not fit into the index
_MAX_EMAIL, _MAX_PHONE, _MAX_DOMAIN = 320, 250, 253
_CACHED = 100_000
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\x00]+@[^@\s<>()\[\],;:\"\x00]+\.[^@\s<>()\[\],;:\".\x00]+")
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@?#]*@)?([^/:?#\s\x00]+)", re.IGNORECASE)


def match_keys(company: Company) -> frozenset[Key]:
    """The keys of a company: reveal_id as given; registered domain; e-mail addresses, its own and its contacts', in
    lower case; its first phone number in E.164, which is the one that Odoo compares leads by: further ones may be an
    agent's or a neighbour's. What is malformed, or shared by many companies, gives no key.
    """
    return frozenset(_keys(company))


def _keys(company: Company) -> Iterator[Key]:
    reveal_id = company.reveal_id
    if reveal_id and len(reveal_id) <= _MAX_REVEAL_ID and "\x00" not in reveal_id:
        yield "reveal_id", reveal_id
    if company.domain and (domain := registered_domain(company.domain)):
        yield "domain", domain
    for email in (*company.emails, *(contact.email for contact in company.contacts)):
        if email and (address := _email(email)):
            yield "email", address
    country = company.country_code.upper() if company.country_code else None
    for phone in company.phones[:1]:
        if len(phone) <= _MAX_PHONE and (number := _phone(phone, country)):
            yield "phone", number


@cache
def _suffixes() -> TLDExtract:
    from tldextract import TLDExtract

    # The list that comes with the library. With its private part: two shops on myshopify.com are two companies.
    return TLDExtract(
        suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True, extra_suffixes=("example",)
    )


@cache
def _shared_domains() -> frozenset[str]:
    """Domains under which many companies have an address or a page: they say nothing about which one it is."""
    platforms = files(__package__).joinpath("platform_domains.txt").read_text(encoding="utf-8").split()
    return vocabulary.free_mail_domains() | frozenset(platforms)


def registered_domain(text: str) -> str | None:
    """`https://www.Shop.ACME.co.uk/x` is `acme.co.uk`, in ASCII (IDNA). None where it is no company's own."""
    return _registered_domain(text) if len(text) <= _MAX_DOMAIN + 100 else None


@lru_cache(maxsize=_CACHED)
def _registered_domain(text: str) -> str | None:
    host = _HOST.match(text.strip())
    if not host:
        return None
    name = host[1].lower().strip(".")
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    domain = _suffixes()(name).top_domain_under_public_suffix
    if not domain or len(domain) > _MAX_DOMAIN or not _shared_domains().isdisjoint((name, domain)):
        return None
    return domain


def _email(text: str) -> str | None:
    """The one address in `text`, as Odoo normalises it: lower case, without a display name."""
    if len(text) > _MAX_EMAIL:
        return None
    if "<" in text:
        from email.utils import parseaddr

        text = parseaddr(text)[1]
    return text.lower() if _EMAIL.fullmatch(text) else None


@lru_cache(maxsize=_CACHED)
def _phone(text: str, country: str | None) -> str | None:
    """E.164, as Odoo's `phone_sanitized`; None for a number that cannot exist."""
    return e164(text, country)
