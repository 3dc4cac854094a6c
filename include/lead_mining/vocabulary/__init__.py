"""The words a mining request may use: industries, roles, seniorities, countries, states; mail domains and mailboxes.

Source: the data files of Odoo 17's lead mining (names, provider ids, the ten countries with a state filter, the
blacklist of mail domains) and ISO 3166 by pycountry. The data lies beside this module, one file a list.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pycountry


@dataclass(frozen=True)
class Industry:
    """An industry of the filter. `reveal_ids`: the provider's ids; `gics`: GICS texts (lower case) that mean it."""

    name: str
    reveal_ids: tuple[str, ...]
    gics: frozenset[str]


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_read(name).splitlines()))


@cache
def industries() -> Mapping[str, Industry]:
    """The 23 industries by name, in Odoo's order."""
    return {
        row["name"]: Industry(
            name=row["name"],
            reveal_ids=tuple(row["reveal_ids"].split(",")),
            gics=frozenset(text.casefold() for text in row["gics"].split("|")),
        )
        for row in _rows("industries.csv")
    }


@cache
def roles() -> Mapping[str, str]:
    """The 22 contact roles: name to the provider's id."""
    return {row["name"]: row["reveal_id"] for row in _rows("roles.csv")}


@cache
def seniorities() -> Mapping[str, str]:
    """The 3 contact seniorities: name to the provider's id."""
    return {row["name"]: row["reveal_id"] for row in _rows("seniorities.csv")}


@cache
def free_mail_domains() -> frozenset[str]:
    """Domains that many unrelated people share (gmail.com, ...): they say nothing about a company."""
    return frozenset(_read("free_mail_domains.txt").split())


@cache
def role_addresses() -> frozenset[str]:
    """Names of mailboxes that are a function's and nobody's own: those of RFC 2142, and what companies call theirs."""
    return frozenset(_read("role_addresses.txt").split())


@cache
def countries() -> Mapping[str, str]:
    """ISO 3166-1 alpha-2 code to the country's common name."""
    return {c.alpha_2: getattr(c, "common_name", c.name) for c in sorted(pycountry.countries, key=lambda c: c.name)}


@cache
def state_filter_countries() -> frozenset[str]:
    """Countries where the provider knows states (Odoo's white list of ten)."""
    return frozenset(_read("state_filter_countries.txt").split())


def _subdivisions(country: str) -> list[Any]:
    return pycountry.subdivisions.get(country_code=country) or []  # type: ignore[no-untyped-call]  # pycountry has no type for it


@cache
def states() -> Mapping[str, str]:
    """ISO 3166-2 code to the name of the state, for the countries with a state filter."""
    found = (state for code in state_filter_countries() for state in _subdivisions(code))
    return {s.code: s.name for s in sorted(found, key=lambda s: str(s.code))}


@cache
def _crm_state_codes() -> Mapping[str, str]:
    return {row["iso"]: row["crm_code"] for row in _rows("crm_state_codes.csv")}


def crm_state_code(iso_code: str) -> str:
    """The code that Odoo and its provider use for an ISO 3166-2 state: `CA` for `US-CA`, `JHR` for `MY-01`."""
    return _crm_state_codes().get(iso_code) or iso_code.split("-", 1)[1]


@cache
def state_codes(country: str) -> frozenset[str]:
    """Every code by which a state of the country may come: `CA`, `US-CA`, and Odoo's own where it differs."""
    codes: set[str] = set()
    for state in _subdivisions(country):
        codes |= {state.code, state.code.split("-", 1)[1], crm_state_code(state.code)}
    return frozenset(codes)


def industries_named(texts: Iterable[str | None]) -> frozenset[str]:
    """Names of the industries that a company's sector, industry group, industry or sub-industry texts mean."""
    said = {text.strip().casefold() for text in texts if text}
    return frozenset(i.name for i in industries().values() if said & (i.gics | {i.name.casefold()}))
