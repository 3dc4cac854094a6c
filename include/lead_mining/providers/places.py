"""States as providers write them: by name, where Odoo has codes. Exact names only: a near miss is no state."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import pycountry
from anyascii import anyascii

from lead_mining import vocabulary


def state_names(state: str) -> tuple[str, ...]:
    """Every name by which a state with an ISO 3166-2 code may be known, as written; also without accents."""
    names = (vocabulary.states()[state], *_aliases().get(state, ()))
    return tuple(dict.fromkeys(text for name in names for text in (name, _plain(name))))


def state_code(country: str | None, name: str | None) -> str | None:
    """The code, as the CRM has it, of the country's state of this name; None where there is none."""
    if not country or not name:
        return None
    iso = _states_of(country).get(_plain(name).casefold())
    return vocabulary.crm_state_code(iso) if iso else None


def _plain(name: str) -> str:
    return anyascii(name).strip().lstrip("'")


@cache
def _aliases() -> Mapping[str, tuple[str, ...]]:
    """By ISO 3166-2 code: names that ISO does not have."""
    table = files("lead_mining.providers").joinpath("state_aliases.csv").read_text(encoding="utf-8")
    found: dict[str, tuple[str, ...]] = {}
    for row in csv.DictReader(table.splitlines()):
        found[row["code"]] = (*found.get(row["code"], ()), row["name"])
    return found


@cache
def _states_of(country: str) -> Mapping[str, str]:
    """ISO 3166-2 codes by name, in lower case and without accents."""
    states = pycountry.subdivisions.get(country_code=country) or []  # type: ignore[no-untyped-call]  # as in vocabulary
    by_name = {_plain(state.name).casefold(): str(state.code) for state in states}
    aliases = {code: names for code, names in _aliases().items() if code.startswith(f"{country}-")}
    return by_name | {_plain(name).casefold(): code for code, names in aliases.items() for name in names}
