"""What Apollo says of companies and people, once they are enriched: searches tell too little to be loaded.

`asked`, which is ours, holds the industries or roles that were asked for.
"""

from __future__ import annotations

from typing import Any

from lead_mining import vocabulary
from lead_mining.providers.apollo.query import WORDS, phrases
from lead_mining.providers.base import Company, Contact
from lead_mining.providers.country_names import country_code
from lead_mining.providers.places import state_code
from lead_mining.providers.reading import RecordReader

_NO_EMAIL = "email_not_unlocked@"  # stands for an address that was not paid for


def company(record: object) -> Company:
    """Read one organization of an enrichment. Raises MalformedRecord."""
    reader = RecordReader(record)
    phone = RecordReader(_object(record, "primary_phone"), prefix="primary_phone")
    industry, asked = reader.text("industry"), reader.texts("asked")
    said = [industry] if industry else []
    country = reader.text("country")
    code = country and (WORDS.ours("country", country) or country_code(country))
    values: dict[str, Any] = {
        "reveal_id": reader.text("id"),
        "name": reader.text("name"),
        "domain": reader.domain("primary_domain") or reader.domain("website_url"),
        "description": reader.text("short_description") or reader.text("seo_description"),
        "founded_year": reader.whole("founded_year"),
        "logo": reader.text("logo_url"),
        "phones": tuple(filter(None, [phone.text("number") or reader.text("phone")])),
        "street": reader.text("street_address") or reader.text("raw_address"),
        "city": reader.text("city"),
        "zip": reader.text("postal_code"),
        "state_code": state_code(code, reader.text("state")),
        "country_code": code or country,
        "employees": reader.headcount("estimated_num_employees"),
        "estimated_annual_revenue": reader.text("annual_revenue_printed"),
        "annual_revenue": reader.amount("annual_revenue"),
        "industry_group": WORDS.meant("industry", said, asked) or WORDS.meant("industry", said),
        "industry": industry,
        "tags": reader.texts("keywords"),
        "technologies": reader.texts("technology_names"),
        "facebook": reader.handle("facebook_url"),
        "linkedin": reader.handle("linkedin_url"),
        "crunchbase": reader.handle("crunchbase_url"),
        "twitter": reader.handle("twitter_url"),
    }
    reader.problems += phone.problems
    reader.check()
    return Company(**values)


def contact(record: object) -> Contact:
    """Read one match of a people enrichment. Raises MalformedRecord."""
    reader = RecordReader(record)
    title, seniority = reader.text("title"), reader.text("seniority")
    asked = [name for name in reader.texts("asked") if name in vocabulary.roles()]
    role = WORDS.meant("role", phrases(title or ""), asked)
    level = WORDS.ours("seniority", seniority or "")
    name = reader.text("name") or " ".join(filter(None, (reader.text("first_name"), reader.text("last_name"))))
    email = reader.text("email")
    found = Contact(
        full_name=name if name and "*" not in name else None,  # a part of a name is nobody's
        email=email if email and _is_told(email, reader.text("email_status")) else None,
        title=title,
        role=vocabulary.roles()[role] if role else None,
        seniority=vocabulary.seniorities()[level] if level else None,
    )
    reader.check()
    return found


def domain_of_employer(match: object) -> str | None:
    """Where the person works now: a search by domain also finds who worked there once."""
    return RecordReader(_object(match, "organization")).domain("primary_domain")


def has_mobile(match: object) -> bool:
    """Whether a mobile phone was given, which costs eight credits more and is never asked for."""
    phones = _object(match, "contact").get("phone_numbers")
    return isinstance(phones, list) and any(isinstance(p, dict) and p.get("type") == "mobile" for p in phones)


def _is_told(email: str, status: str | None) -> bool:
    return status != "unavailable" and "*" not in email and not email.casefold().startswith(_NO_EMAIL)


def _object(record: object, key: str) -> dict[str, Any]:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, dict) else {}
