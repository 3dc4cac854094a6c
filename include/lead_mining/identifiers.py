"""Domains, e-mail addresses and phone numbers in the one form that they are compared in, here and in Odoo.

One place: what is loaded, what is recognised and what is suppressed must never differ. Nothing here asks the network
or writes to disk.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lead_mining import vocabulary

if TYPE_CHECKING:
    from tldextract import TLDExtract

_MAX_EMAIL, _MAX_PHONE, _MAX_DOMAIN = 320, 250, 253
_CACHED = 30_000  # as many as a chunk of companies has; each keeps memory from being given back
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\x00]+@[^@\s<>()\[\],;:\"\x00]+\.[^@\s<>()\[\],;:\".\x00]+")
_MAILBOX_PARTS = re.compile(r"[._-]|[0-9]+")
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@?#]*@)?([^/:?#\s\x00]+)", re.IGNORECASE)


@cache
def _suffixes() -> TLDExtract:
    from tldextract import TLDExtract

    # The list that comes with the library. With its private part: two shops on myshopify.com are two companies.
    return TLDExtract(
        suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True, extra_suffixes=("example",)
    )


@cache
def shared_domains() -> frozenset[str]:
    """Domains under which many companies have an address or a page: they say nothing about which one it is."""
    platforms = files(vocabulary).joinpath("platform_domains.txt").read_text(encoding="utf-8").split()
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
    if not domain or len(domain) > _MAX_DOMAIN or not shared_domains().isdisjoint((name, domain)):
        return None
    return domain


def email_address(text: str) -> str | None:
    """The one address in `text`, as Odoo's `email_normalized`: lower case, no display name. None if malformed."""
    if len(text) > _MAX_EMAIL:
        return None
    if "<" in text:
        from email.utils import parseaddr

        text = parseaddr(text)[1]
    return text.lower() if _EMAIL.fullmatch(text) else None


def is_role_address(address: str) -> bool:
    """Whether it is a function's, `info@`, `sales.de@`, `no-reply@`, and nobody's own. In doubt it is somebody's."""
    return len(address) <= _MAX_EMAIL and _is_role_mailbox(address.rpartition("@")[0].lower().partition("+")[0])


@lru_cache(maxsize=_CACHED)
def _is_role_mailbox(mailbox: str) -> bool:
    parts = [part for part in _MAILBOX_PARTS.split(mailbox) if part]
    names = vocabulary.role_addresses()
    if "".join(parts) in names:
        return True
    return not names.isdisjoint(parts) and all(part in names or part in _region_codes() for part in parts)


@cache
def _region_codes() -> frozenset[str]:
    return frozenset(code.lower() for code in vocabulary.countries()) | {"en", "eu", "uk"}


def e164(text: str, country: str | None) -> str | None:
    """The number in E.164, as Odoo's `phone_sanitized`; None where it is not a valid number.

    `country`: ISO code that a national number is of.
    """
    return _e164(text, country) if len(text) <= _MAX_PHONE else None


@lru_cache(maxsize=_CACHED)
def _e164(text: str, country: str | None) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def smtp_address(text: str) -> str:
    """An e-mail address as SMTP takes it, with its domain in ASCII. Raises ValueError, which says what is wrong."""
    from email_validator import validate_email

    return str(validate_email(text, check_deliverability=False, allow_smtputf8=False).ascii_email)
