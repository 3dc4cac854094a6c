"""Country names as files write them, to ISO 3166-1 codes. Exact names only: a near miss must not become a country."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import pycountry


def country_code(text: str) -> str | None:
    """The alpha-2 code of a country; None if the text names none.

    Known are ISO's alpha-2 and alpha-3 codes, its common and official English names, and the names in
    country_aliases.csv. Case, accents and a leading "The" do not matter.
    """
    return _codes().get(_key(text))


def _key(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.strip()) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split()).removeprefix("the ")


@cache
def _codes() -> Mapping[str, str]:
    aliases = files("lead_mining.providers").joinpath("country_aliases.csv").read_text(encoding="utf-8")
    codes = {_key(row["name"]): row["code"] for row in csv.DictReader(aliases.splitlines())}
    for country in pycountry.countries:
        for attribute in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            if name := getattr(country, attribute, None):
                codes[_key(name)] = country.alpha_2
    return codes
