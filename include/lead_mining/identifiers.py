"""Domains, e-mail addresses and phone numbers in the one form that they are compared in, here and in Odoo.

One place: what is loaded, what is recognised and what is suppressed must never differ. Nothing here asks the network
or writes to disk.
"""

from __future__ import annotations

import email.utils
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lead_mining import vocabulary

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber
    from tldextract import TLDExtract

_MAX_EMAIL, _MAX_PHONE, _MAX_DOMAIN, _MAX_FIELD = 320, 250, 253, 2_000
_CACHED = 30_000  # as many as a chunk of companies has; each keeps memory from being given back
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\x00]+@[^@\s<>()\[\],;:\"\x00]+\.[^@\s<>()\[\],;:\".\x00]+")
_ASCII_EMAIL = re.compile(r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,63}")
_SEPARATORS = re.compile(r"[\s<>()\[\],;:\"\x00]+")
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


def email_addresses(text: str | None) -> list[str]:
    """All addresses in a field, in order, each as Odoo's `email_normalize_all` has it: no display name, domain in lower
    case, the local part too unless it has letters beyond ASCII.

    What is no address by any standard may be among them, as in Odoo: `is_email_address` says.
    """
    if not text or "@" not in text:
        return []
    return [_lowered(address) for address in _split(text.replace("\x00", ""))]


def email_address(text: str | None) -> str | None:
    """The first address in a field, as Odoo's column `email_normalized` has it."""
    return next(iter(email_addresses(text)), None)


def is_email_address(address: str) -> bool:
    """Whether an address has a local part and a host with a dot, and no character that needs quotes."""
    return len(address) <= _MAX_EMAIL and _EMAIL.fullmatch(address) is not None


def mailboxes(text: str | None) -> frozenset[str]:
    """All addresses in a field in lower case, by which a person is known however the address is written."""
    return frozenset(address.lower() for address in email_addresses(text) if is_email_address(address))


def one_mailbox(text: str) -> str | None:
    """The one address of a field, in lower case; None where it has none or several."""
    found = mailboxes(text)
    return next(iter(found)) if len(found) == 1 else None


def _lowered(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local.lower() if local.isascii() else local}{at}{domain.lower()}"


def _split(text: str) -> list[str]:
    if _EMAIL.fullmatch(text):
        return [text]
    if len(text) > _MAX_FIELD:
        return _words(text)
    try:
        found = [(name, address) for name, address in _header_addresses(text) if "@" in address]
        if any(address.startswith("@") for _, address in found):
            found = [("", address) for address in _ASCII_EMAIL.findall(text)] or found
        return [_of_words(address) if " " in address and not name else address for name, address in found]
    except RecursionError:  # deeply nested comments or groups
        return _words(text)


def _of_words(address: str) -> str:
    """The last address in `Ann Lee ann@acme.example`, which parsers take for one."""
    found = [word for _, word in _header_addresses(address.replace(" ", ",")) if "@" in word]
    return found[-1] if found else address


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if _EMAIL.fullmatch(word)]


def _header_addresses(text: str) -> list[tuple[str, str]]:
    """(name, address) of a header's value, by the lenient parser, which is the only one in older Pythons."""
    if getattr(email.utils, "supports_strict_parsing", False):
        return email.utils.getaddresses([text], strict=False)
    return email.utils.getaddresses([text])


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

    number = _parsed(text, country)
    if number is not None and not phonenumbers.is_valid_number(number):
        number = _parsed(_as_dialled_now(number), country)
        if number and phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.TOO_LONG:
            # Dialled from abroad, or without its plus: 0044 20 ... and 44 20 ... are +44 20 ...
            dialled = text.lstrip("0") if text.startswith("00") else text
            return None if text.startswith("+") else _e164(f"+{dialled}", country)
    if number is None or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parsed(text: str, country: str | None) -> PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None


def _as_dialled_now(number: PhoneNumber) -> str:
    """A number with + as it would be dialled today: Brazil's mobile numbers got a 9, Mexico's lost their 1."""
    import phonenumbers

    digits = phonenumbers.national_significant_number(number)
    if number.country_code == 55 and re.fullmatch("(?:[1-689][0-9][016-9]|7[0-9][689])[0-9]{7}", digits):
        digits = f"{digits[:2]}9{digits[2:]}"
    elif number.country_code == 52 and re.fullmatch("1[0-9]{10}", digits):
        digits = digits[1:]
    return f"+{number.country_code}{digits}"


def smtp_address(text: str) -> str:
    """An e-mail address as SMTP takes it, with its domain in ASCII. Raises ValueError, which says what is wrong."""
    from email_validator import validate_email

    return str(validate_email(text, check_deliverability=False, allow_smtputf8=False).ascii_email)
