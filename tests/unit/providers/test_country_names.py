"""Country names of real files become ISO codes; near misses do not."""

from __future__ import annotations

import csv
from pathlib import Path

import pycountry
import pytest

from lead_mining.providers import country_names
from lead_mining.providers.country_names import country_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("US", "US"),
        ("usa", "US"),
        (" United States ", "US"),
        ("U.S.A.", "US"),
        ("United Kingdom", "GB"),
        ("UK", "GB"),
        ("South Korea", "KR"),
        ("Czech Republic", "CZ"),
        ("Czechia", "CZ"),
        ("Ivory Coast", "CI"),
        ("Côte d'Ivoire", "CI"),
        ("COTE D'IVOIRE", "CI"),
        ("Macedonia", "MK"),
        ("Russia", "RU"),
        ("Turkey", "TR"),
        ("Türkiye", "TR"),
        ("Turkiye", "TR"),
        ("Macau", "MO"),
        ("Vietnam", "VN"),
        ("The Netherlands", "NL"),
        ("Bahamas", "BS"),
        ("The Bahamas", "BS"),
        ("Falkland Islands", "FK"),
        ("British Virgin Islands", "VG"),
        ("Republic of the Congo", "CG"),
        ("Democratic Republic of the Congo", "CD"),
        ("Curaçao", "CW"),
    ],
)
def test_known_names(text: str, code: str) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize("text", ["", "  ", "Netherlands Antilles", "Austr", "Untied States", "XX", "America", "\x00"])
def test_a_near_miss_is_no_country(text: str) -> None:
    assert country_code(text) is None


def test_every_code_is_itself_and_every_alias_points_to_a_country() -> None:
    assert all(country_code(c.alpha_2) == country_code(c.alpha_3) == c.alpha_2 for c in pycountry.countries)
    with Path(country_names.__file__).with_name("country_aliases.csv").open(encoding="utf-8") as file:
        aliases = list(csv.DictReader(file))
    assert aliases
    for alias in aliases:
        assert pycountry.countries.get(alpha_2=alias["code"]) is not None
        assert country_code(alias["name"]) == alias["code"]
