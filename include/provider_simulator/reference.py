"""The word lists and code lists beside this file, read once."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A city. ``postal`` and ``phones`` are patterns: ``#`` is a digit, ``?`` a capital letter."""

    country_code: str
    state_code: str
    state_name: str
    city: str
    postal: str
    timezone: str
    phones: list[str]


class Industry(NamedTuple):
    """One line of business: the provider's id, Odoo's name for it, and the GICS texts that go with it."""

    industry_id: str
    odoo_industry: str
    sector: str
    industry_group: str
    industry: str
    sub_industry: str
    weight: int
    words: list[str]
    tags: list[str]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()))


@cache
def _yaml(name: str) -> Any:
    import yaml

    return yaml.load(files(__package__).joinpath(name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@cache
def places() -> dict[str, list[Place]]:
    """Cities by country code."""
    found: dict[str, list[Place]] = {}
    for row in _rows("places.csv"):
        place = Place(**{**row, "phones": row["phones"].split("|")})  # type: ignore[arg-type]
        found.setdefault(place.country_code, []).append(place)
    return found


@cache
def industries() -> list[Industry]:
    """All lines of business; several share an id, several ids share Odoo's name."""
    return [
        Industry(
            **{  # type: ignore[arg-type]
                **row,
                "weight": int(row["weight"]),
                "words": row["words"].split("|"),
                "tags": row["tags"].split("|"),
            }
        )
        for row in _rows("industries.csv")
    ]


@cache
def industry_ids() -> frozenset[str]:
    """Every industry id that the provider knows."""
    return frozenset(industry.industry_id for industry in industries())


def countries() -> dict[str, dict[str, Any]]:
    """Name, weight, legal forms, people and streets, by country code."""
    return dict(_yaml("countries.yaml"))


def roles() -> dict[str, dict[str, list[str]]]:
    """Titles by role and seniority."""
    return dict(_yaml("roles.yaml"))


def names() -> dict[str, Any]:
    """Parts of invented names, sentences and technologies."""
    return dict(_yaml("names.yaml"))


@cache
def linkedin_industries() -> dict[str, str]:
    """LinkedIn's name of an industry, as People Data Labs and Apollo have it, by sub-industry."""
    return {row["sub_industry"]: row["linkedin"] for row in _rows("industry_words.csv")}


@cache
def sic_groups() -> dict[str, str]:
    """SIC major group, of two digits, by sub-industry."""
    return {row["sub_industry"]: row["sic"] for row in _rows("industry_words.csv")}


@cache
def role_words() -> dict[str, dict[str, str]]:
    """What People Data Labs calls a role, and its level by seniority, by role."""
    return {row["role"]: row for row in _rows("role_words.csv")}


SENIORITIES = ("director", "executive", "manager")
