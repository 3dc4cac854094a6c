"""The catalogue as Apollo has it: what is searched in, and what searches and enrichment give."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from provider_simulator import reference
from provider_simulator.catalogue import Catalogue, Row
from provider_simulator.pdl_records import iso_state_name, person_id, website_of

PersonPlace = tuple[int, int]
"""The company's place in the catalogue, and the person's in the company."""

_SENIORITIES = {"cxo": "c_suite"}  # what People Data Labs calls otherwise


@dataclass(frozen=True)
class Card:
    """What of a company is searched in."""

    organization_id: str
    domain: str | None
    employees: int | None
    locations: frozenset[str]
    keywords: frozenset[str]
    contacts: list[dict[str, Any]]


class Cards:
    """All companies and people, in the order in which they are sold."""

    def __init__(self, catalogue: Catalogue) -> None:
        columns = [
            *("reveal_id", "domain", "sub_industry", "employees", "tags", "contacts"),
            *("country_code", "country_name", "state_code", "state_name", "city"),
        ]
        self.cards: list[Card] = []
        self.place_of_id: dict[str, int] = {}
        self.place_of_domain: dict[str, int] = {}
        self.people: dict[str, PersonPlace] = {}
        for place, row in enumerate(catalogue.table.select(columns).to_pylist()):
            domain = website_of(row)
            contacts = json.loads(row["contacts"])
            self.cards.append(
                Card(
                    organization_id=row["reveal_id"],
                    domain=domain,
                    employees=row["employees"],
                    locations=_locations(
                        row["country_code"], row["country_name"], row["state_code"], row["state_name"], row["city"]
                    ),
                    keywords=frozenset({industry_of(row), *(tag.casefold() for tag in json.loads(row["tags"]))}),
                    contacts=contacts,
                )
            )
            self.place_of_id.setdefault(row["reveal_id"], place)
            if domain:
                self.place_of_domain.setdefault(domain, place)
            self.people.update({person_id(row, index): (place, index) for index in range(len(contacts))})


@lru_cache(maxsize=2)  # tests start many simulators over one catalogue
def cards_of(catalogue: Catalogue) -> Cards:
    return Cards(catalogue)


@cache
def _locations(
    country_code: str, country: str, code: str | None, state: str | None, city: str | None
) -> frozenset[str]:
    """Every text by which a place may be asked for."""
    inside = {name for name in (state, iso_state_name(country_code, code), city) if name}
    return frozenset(
        plain(text) for text in (country, *(f"{name}, {whole}" for name in inside for whole in (country_code, country)))
    )


def plain(text: str) -> str:
    """In lower case, without accents and blanks around it."""
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def industry_of(row: Row) -> str:
    """LinkedIn's name, with "&" as Apollo writes it."""
    return reference.linkedin_industries().get(row["sub_industry"], "").replace(" and ", " & ")


def seniority_of(contact: dict[str, Any]) -> str:
    if contact["role"] == "founder" and contact["seniority"] == "executive":
        return "founder"
    level = reference.role_words()[contact["role"]][contact["seniority"]]
    return _SENIORITIES.get(level, level)


def found_organization(row: Row) -> dict[str, Any]:
    """One organization of a company search: no employees, industry or address; these cost a credit more."""
    phone = row["phone"]
    domain = website_of(row)
    return {
        "id": row["reveal_id"],
        "name": row["name"],
        "website_url": f"http://www.{domain}" if domain else None,
        "blog_url": None,
        "angellist_url": None,
        "linkedin_url": f"http://www.linkedin.com/{row['linkedin']}" if row["linkedin"] else None,
        "twitter_url": f"https://twitter.com/{row['twitter']}" if row["twitter"] else None,
        "facebook_url": f"https://facebook.com/{row['facebook']}" if row["facebook"] else None,
        "primary_phone": {"number": phone, "source": "Owler", "sanitized_number": phone} if phone else {},
        "languages": [],
        "alexa_ranking": None,
        "phone": phone,
        "linkedin_uid": None,
        "founded_year": row["founded_year"],
        "publicly_traded_symbol": None,
        "publicly_traded_exchange": None,
        "logo_url": row["logo"],
        "crunchbase_url": f"https://www.crunchbase.com/{row['crunchbase']}" if row["crunchbase"] else None,
        "primary_domain": domain,
        "sanitized_phone": phone,
        "owned_by_organization_id": None,
        "show_intent": False,
        "has_intent_signal_account": False,
        "intent_signal_account": None,
    }


def account_of(organization: dict[str, Any]) -> dict[str, Any]:
    """A company that the team has as an account: under an id of its own."""
    return {**organization, "id": f"account-{organization.get('id')}", "organization_id": organization.get("id")}


def enriched_organization(row: Row) -> dict[str, Any]:
    """One organization of an enrichment."""
    industry = industry_of(row)
    street = " ".join(filter(None, (row["street_number"], row["street_name"], row["sub_premise"])))
    return {
        **found_organization(row),
        "industry": industry or None,
        "industries": [industry] if industry else [],
        "secondary_industries": [],
        "keywords": [tag.lower() for tag in json.loads(row["tags"])],
        "estimated_num_employees": row["employees"],
        "raw_address": row["street"],
        "street_address": street or None,
        "city": row["city"],
        "state": row["state_name"],
        "postal_code": row["zip"],
        "country": row["country_name"],
        "seo_description": None,
        "short_description": row["description"],
        "suborganizations": [],
        "num_suborganizations": 0,
        "annual_revenue": row["annual_revenue"],
        "annual_revenue_printed": None,
        "total_funding": row["raised"],
        "total_funding_printed": None,
        "technology_names": json.loads(row["technologies"]),
        "current_technologies": [{"uid": name.lower(), "name": name} for name in json.loads(row["technologies"])],
    }


def found_person(row: Row, index: int) -> dict[str, Any]:
    """One person of a people search: the last name obfuscated, and whether there is an e-mail, not which."""
    contact = json.loads(row["contacts"])[index]
    first, _, last = contact["full_name"].rpartition(" ")
    return {
        "id": person_id(row, index),
        "first_name": first or last,
        "last_name_obfuscated": f"{last[:2]}***{last[-1:]}",
        "title": contact["title"],
        "last_refreshed_at": "2026-06-01T00:00:00.000Z",
        "has_email": contact["email"] is not None,
        "has_city": True,
        "has_state": row["state_name"] is not None,
        "has_country": True,
        "has_direct_phone": "Yes" if contact["phone"] else "Maybe: please request direct dial via people/bulk_match",
        "organization": {
            "name": row["name"],
            "has_industry": bool(industry_of(row)),
            "has_phone": row["phone"] is not None,
            "has_city": row["city"] is not None,
            "has_state": row["state_name"] is not None,
            "has_country": True,
            "has_zip_code": row["zip"] is not None,
            "has_revenue": row["annual_revenue"] is not None,
            "has_employee_count": row["employees"] is not None,
        },
    }


def matched_person(row: Row, index: int) -> dict[str, Any]:
    """One match of a people enrichment."""
    contact = json.loads(row["contacts"])[index]
    first, _, last = contact["full_name"].rpartition(" ")
    return {
        "id": person_id(row, index),
        "first_name": first,
        "last_name": last,
        "name": contact["full_name"],
        "linkedin_url": None,
        "title": contact["title"],
        "email_status": "verified" if contact["email"] else "unavailable",
        "photo_url": None,
        "twitter_url": None,
        "github_url": None,
        "facebook_url": None,
        "extrapolated_email_confidence": None,
        "headline": contact["title"],
        "email": contact["email"],
        "organization_id": row["reveal_id"],
        "employment_history": [],
        "state": row["state_name"],
        "city": row["city"],
        "country": row["country_name"],
        "contact_id": None,
        "revealed_for_current_team": True,
        "organization": enriched_organization(row),
        "is_likely_to_engage": False,
        "show_intent": False,
        "departments": [],
        "subdepartments": [],
        "functions": [],
        "seniority": seniority_of(contact),
    }
