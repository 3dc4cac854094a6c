"""Whether a domain, an e-mail address or a phone number is well formed. Nothing here asks the network."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from lead_mining.identifiers import e164

if TYPE_CHECKING:
    from tldextract import TLDExtract

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+{_LABEL}")  # RFC 1123
# Longer is never well formed, and neither parsed nor cached.
_MAX_DOMAIN, _MAX_EMAIL = 253, 320  # RFC 1035; RFC 3696 and erratum 1690
_PLAIN_EMAIL = re.compile(
    r"(?=.{1,254}\Z)(?=[^@]{1,64}@)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@([\x20-\x7e]+)", re.IGNORECASE | re.ASCII
)
_CACHED = 30_000  # as many as a chunk of companies has; each keeps memory from being given back


@cache
def _suffixes() -> TLDExtract:
    from tldextract import TLDExtract

    # The list that comes with the library, no network, no cache file. `.example` is kept for examples by RFC 2606.
    return TLDExtract(suffix_list_urls=(), cache_dir=None, extra_suffixes=("example",))


def is_domain(text: str) -> bool:
    """A host name below a public suffix: `acme.co.uk`, `müller.de`; not `co.uk`, `acme`, `10.0.0.1` or `a b.com`."""
    return len(text) <= _MAX_DOMAIN and _is_domain(text)


@lru_cache(maxsize=_CACHED)
def _is_domain(text: str) -> bool:
    name = text.lower()
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return False
    return bool(_HOST_NAME.fullmatch(name)) and bool(_suffixes()(name).top_domain_under_public_suffix)


def is_email(text: str) -> bool:
    """One plain e-mail address, by syntax alone."""
    return len(text) <= _MAX_EMAIL and _is_email(text)


@lru_cache(maxsize=_CACHED)
def _is_email(text: str) -> bool:
    plain = _PLAIN_EMAIL.fullmatch(text)
    return _is_mail_domain(plain[1]) if plain else _is_valid_email(text)


@lru_cache(maxsize=_CACHED)
def _is_mail_domain(domain: str) -> bool:
    """What takes time of an address, and is the same for all addresses of a company."""
    return _is_valid_email(f"a@{domain}")


def _is_valid_email(text: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(text, check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return False
    return True


def is_phone(text: str, country: str | None) -> bool:
    """A number that exists, read as dialled in `country` (ISO 3166-1); without a country, only `+44 ...` can be."""
    return e164(text, country) is not None
