"""What People Data Labs says of companies and people. Fields: docs.peopledatalabs.com, company and person schema.

`asked`, which is ours, holds the industries or roles that were asked for. `true` stands where the plan of the account
hides a value: it reads as not known. Text is left in lower case, as it comes.
"""

from __future__ import annotations

from typing import Any

from lead_mining import vocabulary
from lead_mining.providers.base import Company, Contact
from lead_mining.providers.country_names import country_code
from lead_mining.providers.people_data_labs.query import WORDS
from lead_mining.providers.places import state_code
from lead_mining.providers.reading import RecordReader

COMPANY_FIELDS = (
    "id,name,display_name,website,summary,headline,type,founded,employee_count,inferred_revenue,gics_sector,industry,"
    "tags,technologies_used,location,facebook_url,linkedin_url,twitter_url,dataset_version"
)
PERSON_FIELDS = (
    "id,full_name,work_email,emails,mobile_phone,phone_numbers,"
    "job_title,job_title_levels,job_title_role,job_title_sub_role,dataset_version"
)
_AT_WORK = "current_professional"
_SAID_OF_A_JOB = ("job_title", "job_title_sub_role", "job_title_role", "job_title_levels")  # the most exact first


def company(record: object) -> Company:
    """Read one record of a company search. Raises MalformedRecord."""
    shown = _shown(record)
    reader = RecordReader(shown)
    place = RecordReader(_shown(shown.get("location")) or {} if isinstance(shown, dict) else {}, prefix="location")
    industry, asked = reader.text("industry"), reader.texts("asked")
    said = [industry] if industry else []
    country = place.text("country")
    code = country and (WORDS.ours("country", country) or country_code(country))
    values: dict[str, Any] = {
        "reveal_id": reader.text("id"),
        "name": reader.text("display_name") or reader.text("name"),
        "domain": reader.domain("website"),
        "description": reader.text("summary") or reader.text("headline"),
        "company_type": reader.text("type"),
        "founded_year": reader.whole("founded"),
        "street": ", ".join(filter(None, (place.text("street_address"), place.text("address_line_2")))) or None,
        "city": place.text("locality"),
        "zip": place.text("postal_code"),
        "state_code": state_code(code, place.text("region")),
        "country_code": code or country,
        "employees": reader.whole("employee_count"),
        "estimated_annual_revenue": reader.text("inferred_revenue"),
        "sector": reader.text("gics_sector"),
        "industry_group": WORDS.meant("industry", said, asked) or WORDS.meant("industry", said),
        "industry": industry,
        "tags": reader.texts("tags"),
        "technologies": reader.texts("technologies_used"),
        "facebook": reader.handle("facebook_url"),
        "linkedin": reader.handle("linkedin_url"),
        "twitter": reader.handle("twitter_url"),
    }
    reader.problems += place.problems
    reader.check()
    return Company(**values)


def contact(record: object) -> Contact:
    """Read one record of a person search. Raises MalformedRecord."""
    reader = RecordReader(_shown(record))
    asked = reader.texts("asked")
    said = [f"{field}:{text}" for field in _SAID_OF_A_JOB for text in reader.texts(field)]
    roles = [name for name in asked if name in vocabulary.roles()]
    role, seniority = WORDS.meant("role", said, roles), WORDS.meant("seniority", said)
    found = Contact(
        full_name=reader.text("full_name"),
        email=reader.text("work_email") or _professional_email(reader),
        phone=next(iter(reader.texts("mobile_phone", "phone_numbers")), None),
        title=reader.text("job_title"),
        role=vocabulary.roles()[role] if role else None,
        seniority=vocabulary.seniorities()[seniority] if seniority else None,
    )
    reader.check()
    return found


def without_private_emails(person: Any) -> Any:
    """The record as it may be stored: `emails` also holds addresses that are the person's own, or were at work once."""
    emails = person.get("emails") if isinstance(person, dict) else None
    if not isinstance(emails, list):
        return person
    return {**person, "emails": [one for one in emails if isinstance(one, dict) and one.get("type") == _AT_WORK]}


def _professional_email(reader: RecordReader) -> str | None:
    """The first address at the present employer."""
    emails = reader.sections("emails")
    return next((e.text("address") for e in emails if e.text("type") == _AT_WORK), None)


def _shown(record: Any) -> Any:
    """The record without what is only said to exist; of lists, the texts, or for `emails` the objects."""
    if not isinstance(record, dict):
        return record
    shown = {key: value for key, value in record.items() if not isinstance(value, bool)}
    for key, value in shown.items():
        if isinstance(value, list):
            kind = dict if key == "emails" else str
            shown[key] = [_shown(item) for item in value if isinstance(item, kind)]
    return shown
