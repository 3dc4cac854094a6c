"""What a caller asks for: the ``data`` of Odoo 17's lead mining request, checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from provider_simulator import reference
from provider_simulator.errors import UserError

MAX_LEADS = 200
MAX_CONTACTS = 5
_BIGGEST = 2**31 - 1


@dataclass(frozen=True)
class Search:
    """One checked request.

    ``countries``: pairs of country code and state codes; empty means everywhere, as in Odoo.
    ``key``: the company filter alone, written one way: two requests with the same key draw from the same pile.
    """

    lead_number: int
    with_people: bool
    countries: tuple[tuple[str, tuple[str, ...]], ...]
    industry_ids: tuple[str, ...]
    size_min: int | None
    size_max: int | None
    contact_number: int
    roles: tuple[str, ...]
    seniority: str | None

    @property
    def key(self) -> str:
        return json.dumps([self.countries, self.industry_ids, self.size_min, self.size_max])


def parse_search(data: Any) -> Search:
    """Raises ``UserError`` that names the field which the service does not accept."""
    if not isinstance(data, dict):
        raise UserError(f"data: an object is needed, got {_shown(data)}")
    lead_number = _whole(data, "lead_number")
    if lead_number > MAX_LEADS:
        raise UserError(f"lead_number: at most {MAX_LEADS} leads a call, got {lead_number}")
    search_type = data.get("search_type")
    if search_type not in ("companies", "people"):
        raise UserError(f"search_type: companies or people, got {_shown(search_type)}")
    with_people = search_type == "people"
    contacts, roles, seniority = _contacts(data) if with_people else (0, (), None)
    return Search(
        lead_number=lead_number,
        with_people=with_people,
        countries=_countries(data.get("countries", [])),
        industry_ids=_industries(data.get("industry_ids", [])),
        size_min=_size(data, "company_size_min"),
        size_max=_size(data, "company_size_max"),
        contact_number=contacts,
        roles=roles,
        seniority=seniority,
    )


def _contacts(data: dict[str, Any]) -> tuple[int, tuple[str, ...], str | None]:
    number = min(_whole(data, "contact_number"), MAX_CONTACTS)
    kind = data.get("contact_filter_type")
    if kind == "role":
        # Odoo sends false for a role that was left empty.
        preferred = data.get("preferred_role") or None
        wanted = ([preferred] if preferred is not None else []) + texts(data.get("other_roles") or [], "other_roles")
        for role in wanted:
            if not isinstance(role, str) or role not in reference.roles():
                raise UserError(f"preferred_role, other_roles: unknown role {_shown(role)}")
        return number, tuple(dict.fromkeys(wanted)), None
    if kind == "seniority":
        seniority = data.get("seniority") or None
        if seniority is not None and seniority not in reference.SENIORITIES:
            raise UserError(f"seniority: {', '.join(reference.SENIORITIES)}, got {_shown(seniority)}")
        return number, (), seniority
    raise UserError(f"contact_filter_type: role or seniority, got {_shown(kind)}")


def _countries(asked: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(asked, list):
        raise UserError(f"countries: a list is needed, got {_shown(asked)}")
    found: dict[str, set[str]] = {}
    for country in asked:
        if not isinstance(country, dict) or not isinstance(country.get("code"), str):
            raise UserError(f"countries: objects with code and states are needed, got {_shown(country)}")
        code = country["code"]
        if not _is_country(code):
            raise UserError(f"countries: unknown country {_shown(code)}")
        # A state that the service does not know narrows the search without a word: a known weakness, kept.
        states = set(texts(country.get("states", []), "states"))
        # Asked for twice, once without states: the whole country.
        whole = not states or found.get(code) == set()
        found[code] = set() if whole else found.get(code, set()) | states
    return tuple(sorted((code, tuple(sorted(states))) for code, states in found.items()))


def _is_country(code: str) -> bool:
    import pycountry

    return len(code) == 2 and code.isupper() and pycountry.countries.get(alpha_2=code) is not None


def _industries(asked: Any) -> tuple[str, ...]:
    wanted = texts(asked, "industry_ids")
    for industry in wanted:
        if industry not in reference.industry_ids():
            raise UserError(f"industry_ids: unknown industry {_shown(industry)}")
    return tuple(sorted(set(wanted)))


def texts(value: Any, field: str) -> list[str]:
    """Raises ``UserError`` that names the field."""
    if not isinstance(value, list) or not all(is_text(item) for item in value):
        raise UserError(f"{field}: a list of texts is needed, got {_shown(value)}")
    return list(value)


def is_text(value: Any) -> bool:
    """Whether it is a text that can be stored: JSON can carry half a surrogate pair, UTF-8 cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(data: dict[str, Any], field: str) -> int | None:
    return None if data.get(field) is None else _whole(data, field, least=0)


def _whole(data: dict[str, Any], field: str, *, least: int = 1) -> int:
    value = data.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _BIGGEST:
        raise UserError(f"{field}: a whole number from {least} is needed, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:60]
