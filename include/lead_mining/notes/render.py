"""The enrichment note: what is known of a company and its contacts, as HTML for the CRM's chatter.

Provider text is hostile. Jinja2 escapes all of it; links are made here and never taken over: `mailto:`, `tel:`, and
`https:` on four social networks and time.is. Nothing is loaded to show a note, so no logo: the reader's browser would
ask any address that the provider names, as the reader, who is logged in to the CRM. Control and bidirectional override
characters are dropped and white space runs become one space. Longer texts are cut, ending in an ellipsis: the
description at 2,000 characters, all others at 255; numbers that are not between 0 and 10**15 are left out. Lists show
their first 100 items and say how many more there are.

The markup uses only tags, attributes and style properties that Odoo 17's sanitizer keeps. It sets no colours but of
lines and links, so that it suits light and dark themes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from lead_mining.plain import HIDDEN
from lead_mining.providers.base import Company, Contact

_MAX_DESCRIPTION, _MAX_TEXT, _MAX_ITEMS, _MAX_NUMBER = 2_000, 255, 100, 10**15

_DIALLABLE = re.compile(r"\+?(?:[ ().\-/]*[0-9]){3,20}[ ().\-/]*")
_EMAIL = re.compile(r"[^\s@…]+@[^\s@…]+")  # not one that was cut
_TIME_ZONE = re.compile(r"https?://time\.is/([^?#]+)")
_SOCIAL = {  # a handle holds the rest of the path, such as company/acme
    "Facebook": "https://www.facebook.com/",
    "LinkedIn": "https://www.linkedin.com/",
    "Crunchbase": "https://www.crunchbase.com/",
    "Twitter": "https://twitter.com/",
}


class _Fact(NamedTuple):
    """Items that are no Markup, which only `_link` makes, are escaped by the template."""

    label: str
    items: list[str]
    as_pills: bool = False


class _Person(NamedTuple):
    name: str
    title: str
    email: str
    phone: str


def render_note(company: Company, *, lead_type: Literal["lead", "opportunity"], request_number: str) -> str:
    """HTML of the note of one lead: an opening line, and a card with the facts that are known, if any.

    `request_number`: the mining request's, `LMR001`.
    """
    contacts = [person for contact in company.contacts if any(person := _person(contact))]
    return _template().render(
        opening=f"{lead_type.capitalize()} created by lead mining request {_clean(request_number)}",
        name=_clean(company.name),
        description=_clean(company.description, _MAX_DESCRIPTION),
        social=_social(company),
        facts=[fact for fact in _facts(company) if fact.items],
        contacts=contacts[:_MAX_ITEMS],
        more_contacts=max(0, len(contacts) - _MAX_ITEMS),
    )


@cache
def _template() -> Template:
    source = files(__package__).joinpath("templates", "enrichment_note.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)


def _facts(company: Company) -> Iterator[_Fact]:
    sectors = (
        company.sector_primary,
        company.sector,
        company.industry_group,
        company.industry,
        company.sub_industry,
    )
    revenue = _clean(company.estimated_annual_revenue) or _number(company.annual_revenue, "$")
    yield _Fact("Company type", _items([company.company_type]))
    yield _Fact("Founded", _items([str(company.founded_year) if _is_shown(company.founded_year) else None]))
    yield _Fact("Sectors", _items(sectors), as_pills=True)
    yield _Fact("Employees", _items([_number(company.employees)]))
    yield _Fact("Estimated revenue", _items([revenue and f"{revenue} per year"]))
    yield _Fact("Market cap", _items([_number(company.market_cap, "$")]))
    yield _Fact("Phone", _items(company.phones, link=_dialled), as_pills=True)
    yield _Fact("E-mail", _items(company.emails, link=_mail_address), as_pills=True)
    yield _Fact("Time zone", _items([company.timezone], _spaced, lambda text: _clock(company.timezone_url)))
    yield _Fact("Technologies", _items(company.technologies, _technology), as_pills=True)
    yield _Fact("Twitter", _items([company.twitter_bio, _number(company.twitter_followers, after=" followers")]))


def _items(
    texts: Iterable[str | None],
    shown: Callable[[str], str] = str,
    link: Callable[[str], str | None] = lambda text: None,
) -> list[str]:
    """The texts that say something, each once, as they are shown, linked to the address that `link` gives."""
    found: dict[str, str] = {}
    for text in texts:
        if text and (cleaned := shown(_clean(text))):
            found.setdefault(cleaned.casefold(), cleaned)
    items = [_link(text, link(text)) for text in found.values()]
    if len(items) > _MAX_ITEMS:
        items[_MAX_ITEMS:] = [f"and {len(items) - _MAX_ITEMS} more"]
    return items


def _link(text: str, address: str | None) -> str:
    if address is None:
        return text
    target = ' target="_blank" rel="noopener noreferrer"' if address.startswith("http") else ""
    return Markup(f'<a href="{escape(address)}"{target}>{escape(text)}</a>')  # noqa: S704 (both are escaped)


def _person(contact: Contact) -> _Person:
    email, phone = _clean(contact.email), _clean(contact.phone)
    return _Person(
        name=_clean(contact.full_name),
        title=_clean(contact.title),
        email=_link(email, _mail_address(email)),
        phone=_link(phone, _dialled(phone)),
    )


def _social(company: Company) -> list[str]:
    handles = (company.facebook, company.linkedin, company.crunchbase, company.twitter)
    return [
        _link(network, base + path)
        for (network, base), handle in zip(_SOCIAL.items(), handles, strict=True)
        if handle and (path := quote(_clean(handle).lstrip("/@"), safe="/"))
    ]


def _dialled(text: str) -> str | None:
    """Only a plain number can be dialled: letters, extensions and notes stay text."""
    if not _DIALLABLE.fullmatch(text):
        return None
    number = text.replace("(0)", "") if text.startswith("+") else text
    return "tel:" + re.sub(r"[^0-9+]", "", number)


def _clock(url: str | None) -> str | None:
    """The page of a time zone at time.is; of all other hosts None, as a link could lead to the CRM's own."""
    page = _TIME_ZONE.fullmatch(_clean(url))
    return "https://time.is/" + quote(page[1], safe="%/") if page else None


def _mail_address(text: str) -> str | None:
    """Quoted, so that an address cannot bring its own subject, body or further recipients."""
    return "mailto:" + quote(text, safe="@+") if _EMAIL.fullmatch(text) else None


def _spaced(text: str) -> str:
    return text.replace("_", " ")


def _technology(text: str) -> str:
    return _spaced(text).strip().title()


def _is_shown(number: float | None) -> bool:
    return number is not None and 0 < number < _MAX_NUMBER  # false for NaN too


def _number(number: float | None, before: str = "", after: str = "") -> str:
    return f"{before}{number:,.0f}{after}" if _is_shown(number) else ""


def _clean(text: str | None, longest: int = _MAX_TEXT) -> str:
    if not text:
        return ""
    if len(text) <= longest and text.isprintable() and "  " not in text and text[0] != " " != text[-1]:
        return text  # as almost all are: what is dropped or becomes a space is not printable
    start = text[: 20 * longest]  # a hostile text of megabytes costs no more than this
    cleaned = " ".join(HIDDEN.sub("", start).split())
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1].rstrip() + "…"
