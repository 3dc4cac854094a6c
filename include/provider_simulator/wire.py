"""Catalogue rows and answers in the shape of Odoo 17's IAP wire; Odoo 19 has the same envelope."""

from __future__ import annotations

import json
from typing import Any

from provider_simulator.catalogue import Row
from provider_simulator.errors import ServiceError
from provider_simulator.search import Search

# Sent under their own name.
_AS_IS = (
    "name",
    "legal_name",
    "domain",
    "phone",
    "description",
    "company_type",
    "founded_year",
    "employees",
    "annual_revenue",
    "estimated_annual_revenue",
    "market_cap",
    "raised",
    "sector",
    "industry_group",
    "industry",
    "sub_industry",
    "street_number",
    "street_name",
    "sub_premise",
    "city",
    "state_code",
    "state_name",
    "country_code",
    "country_name",
    "timezone",
    "logo",
    "facebook",
    "linkedin",
    "crunchbase",
    "twitter",
    "twitter_bio",
    "twitter_followers",
    "twitter_location",
    "website_title",
)


def lead(row: Row, search: Search) -> dict[str, Any]:
    """One element of ``result.data``: ``company_data``, and ``people_data`` where people were asked for."""
    company = {
        "clearbit_id": row["reveal_id"],
        **{key: row[key] for key in _AS_IS},
        "phone_numbers": json.loads(row["phones"]),
        "email": json.loads(row["emails"]),
        "sector_primary": row["sector"],
        "tag": json.loads(row["tags"]),
        "tech": json.loads(row["technologies"]),
        "location": row["street"],
        "postal_code": row["zip"],
        "timezone_url": f"https://time.is/{row['city']}",
    }
    if not search.with_people:
        return {"company_data": company}
    return {"company_data": company, "people_data": people(json.loads(row["contacts"]), search)}


def people(contacts: list[dict[str, Any]], search: Search) -> list[dict[str, Any]]:
    """The preferred role first, then the others in the order asked; without a role or seniority, anybody."""
    if search.roles:
        wanted = [contact for contact in contacts if contact["role"] in search.roles]
        wanted.sort(key=lambda contact: search.roles.index(contact["role"]))
    elif search.seniority is not None:
        wanted = [contact for contact in contacts if contact["seniority"] == search.seniority]
    else:
        wanted = contacts
    return wanted[: search.contact_number]


def contacts_in(leads: list[dict[str, Any]]) -> int:
    return sum(len(lead.get("people_data", [])) for lead in leads)


def result(leads: list[dict[str, Any]], *, credit_error: bool = False) -> dict[str, Any]:
    return {"data": leads, "credit_error": credit_error}


def answer(call_id: Any, content: dict[str, Any] | int | ServiceError) -> bytes:
    """The JSON-RPC 2.0 body for a result or an error, as Odoo 17 serialises it."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": call_id}
    if isinstance(content, ServiceError):
        message = str(content)
        body["error"] = {
            "code": 200,
            "message": "Odoo Server Error",
            "data": {
                "name": content.name,
                "debug": "Traceback ...",
                "message": message,
                "arguments": [message],
                "context": {},
            },
        }
    else:
        body["result"] = content
    return json.dumps(body).encode()
