"""The catalogue as People Data Labs has it: what is searched in, and the records that are sold."""

from __future__ import annotations

import hashlib
import json
from functools import cache, lru_cache
from typing import Any

from provider_simulator import reference
from provider_simulator.catalogue import Catalogue, Row
from provider_simulator.elasticsearch import Document

DATASET_VERSION = "35.0"
HIDDEN = True  # in place of a value that the plan does not show

COMPANY_FIELDS = frozenset(
    (
        *("id", "name", "website", "industry", "employee_count", "founded", "size", "type"),
        *("location.country", "location.region", "location.locality"),
    )
)
PERSON_FIELDS = frozenset(
    (
        *("id", "full_name", "job_title", "job_title_role", "job_title_sub_role", "job_title_levels"),
        *("job_company_id", "job_company_website", "job_company_name", "job_company_industry"),
        *("job_company_location_country", "job_company_location_region"),
    )
)

_SIZES = [(10, "1-10"), (50, "11-50"), (200, "51-200"), (500, "201-500"), (1000, "501-1000"), (5000, "1001-5000")]
_TYPES = {"education": "educational", "personal": "private"}
_MALAYSIA = {"JHR": "01", "KUL": "14", "PNG": "07", "SGR": "10", "SWK": "13"}  # ISO's codes, by Odoo's


class Shelves:
    """All companies and people as documents to search in, in the order in which they are sold."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.companies: list[Document] = []
        self.people: list[Document] = []
        self.people_by_company: dict[str, list[int]] = {}
        """Places in ``people``, by the company's id and by its website."""
        self.people_places: list[tuple[int, int]] = []
        """Of a person: the company's place in the catalogue, and the person's in the company."""
        columns = [
            "reveal_id", "name", "domain", "sub_industry", "employees", "founded_year", "company_type",
            "country_code", "country_name", "state_code", "state_name", "city", "contacts",
        ]  # fmt: skip
        for place, row in enumerate(catalogue.table.select(columns).to_pylist()):
            self.companies.append(_company_document(row))
            for index, contact in enumerate(json.loads(row["contacts"])):
                for key in {row["reveal_id"], website_of(row)} - {None}:
                    self.people_by_company.setdefault(key, []).append(len(self.people))
                self.people.append(_person_document(row, index, contact))
                self.people_places.append((place, index))


@lru_cache(maxsize=2)  # tests start many simulators over one catalogue
def shelves_of(catalogue: Catalogue) -> Shelves:
    return Shelves(catalogue)


def _company_document(row: Row) -> Document:
    return {
        "id": row["reveal_id"],
        "name": lower(row["name"]),
        "website": website_of(row),
        "industry": reference.linkedin_industries().get(row["sub_industry"]),
        "employee_count": row["employees"],
        "founded": row["founded_year"],
        "size": size_of(row["employees"]),
        "type": type_of(row),
        "location.country": lower(row["country_name"]),
        "location.region": region_of(row),
        "location.locality": lower(row["city"]),
    }


def _person_document(row: Row, index: int, contact: dict[str, Any]) -> Document:
    words = reference.role_words()[contact["role"]]
    return {
        "id": person_id(row, index),
        "full_name": lower(contact["full_name"]),
        "job_title": lower(contact["title"]),
        "job_title_role": words["job_title_role"] or None,
        "job_title_sub_role": words["job_title_sub_role"] or None,
        "job_title_levels": [words[contact["seniority"]]],
        "job_company_id": row["reveal_id"],
        "job_company_website": website_of(row),
        "job_company_name": lower(row["name"]),
        "job_company_industry": reference.linkedin_industries().get(row["sub_industry"]),
        "job_company_location_country": lower(row["country_name"]),
        "job_company_location_region": region_of(row),
    }


def company_record(row: Row) -> dict[str, Any]:
    """One element of ``data`` of a company search."""
    location = {
        "name": ", ".join(filter(None, (lower(row["city"]), region_of(row), lower(row["country_name"])))) or None,
        "locality": lower(row["city"]),
        "region": region_of(row),
        "metro": None,
        "country": lower(row["country_name"]),
        "continent": None,
        "street_address": lower(" ".join(filter(None, (row["street_number"], row["street_name"])))) or None,
        "address_line_2": lower(row["sub_premise"]),
        "postal_code": lower(row["zip"]),
        "geo": None,
    }
    return {
        "id": row["reveal_id"],
        "name": lower(row["name"]),
        "display_name": row["name"],
        "alternative_names": [lower(row["legal_name"])] if row["legal_name"] else [],
        "website": lower(row["domain"]),
        "alternative_domains": [],
        "size": size_of(row["employees"]),
        "employee_count": row["employees"],
        "founded": row["founded_year"],
        "industry": reference.linkedin_industries().get(row["sub_industry"]),
        "industry_v2": reference.linkedin_industries().get(row["sub_industry"]),
        "gics_sector": lower(row["sector"]),
        "type": type_of(row),
        "ticker": None,
        "headline": row["website_title"],
        "summary": row["description"],
        "tags": [lower(tag) for tag in json.loads(row["tags"])],
        "technologies_used": [lower(name) for name in json.loads(row["technologies"])],
        "inferred_revenue": row["estimated_annual_revenue"],
        "total_funding_raised": row["raised"],
        "linkedin_url": _profile("linkedin.com", row["linkedin"]),
        "linkedin_slug": (row["linkedin"] or "").rpartition("/")[2] or None,
        "facebook_url": _profile("facebook.com", row["facebook"]),
        "twitter_url": _profile("twitter.com", row["twitter"]),
        "profiles": [],
        "location": location,
        "dataset_version": DATASET_VERSION,
    }


def person_record(row: Row, index: int, *, hidden: bool) -> dict[str, Any]:
    """One element of ``data`` of a person search. ``hidden``: of a plan that does not show how to reach people."""
    contact = json.loads(row["contacts"])[index]
    first, _, last = contact["full_name"].rpartition(" ")
    email, phone = contact["email"], contact["phone"]
    emails = [{"address": email, "type": "current_professional"}] if email else []
    return {
        **_person_document(row, index, contact),
        "first_name": lower(first),
        "last_name": lower(last),
        "headline": contact["title"],
        "job_company_size": size_of(row["employees"]),
        "job_company_employee_count": row["employees"],
        "work_email": HIDDEN if hidden and email else email,
        "emails": HIDDEN if hidden and email else emails,
        "personal_emails": HIDDEN if hidden else [],
        "recommended_personal_email": None,
        "mobile_phone": HIDDEN if hidden and phone else phone,
        "phone_numbers": HIDDEN if hidden and phone else [phone] if phone else [],
        "location_name": HIDDEN if hidden else f"{lower(row['city'])}, {lower(row['country_name'])}",
        "location_country": lower(row["country_name"]),
        "linkedin_url": None,
        "dataset_version": DATASET_VERSION,
    }


def person_id(row: Row, index: int) -> str:
    return hashlib.sha256(f"{row['reveal_id']}/{index}".encode()).hexdigest()[:24]


def website_of(row: Row) -> str | None:
    """The domain without scheme, ``www.`` and path: as it is searched for."""
    website = (row["domain"] or "").strip().casefold().rpartition("://")[2].partition("/")[0].removeprefix("www.")
    return website or None


def size_of(employees: int | None) -> str | None:
    if employees is None:
        return None
    return next((size for most, size in _SIZES if employees <= most), "5001-10000" if employees <= 10_000 else "10001+")


def type_of(row: Row) -> str | None:
    return _TYPES.get(row["company_type"], row["company_type"])


def region_of(row: Row) -> str | None:
    """The state's name as ISO 3166-2 has it, in lower case; a state of another country has only our own."""
    return lower(iso_state_name(row["country_code"], row["state_code"]) or row["state_name"])


@cache
def iso_state_name(country: str, state: str | None) -> str | None:
    """By Odoo's code of the state."""
    import pycountry

    code = _MALAYSIA.get(state or "", state) if country == "MY" else state
    found = pycountry.subdivisions.get(code=f"{country}-{code}")  # type: ignore[no-untyped-call]  # it has no types
    return None if found is None else str(found.name)


def lower(text: str | None) -> str | None:
    """People Data Labs gives most text in lower case."""
    return None if text is None else text.lower()


def _profile(site: str, handle: str | None) -> str | None:
    return f"{site}/{handle}" if handle else None
