"""What is understood of Apollo's records: the documented ones, and those that are wrong or hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import MalformedRecord, ProviderAccessDenied, ProviderUnavailable
from lead_mining.providers.apollo import Apollo
from lead_mining.providers.apollo import records as read
from lead_mining.providers.base import Company, Contact, Exclusions, Page, Query

DOCUMENTED = Path(__file__).parent / "documented" / "apollo"
QUERY = Query(countries=("US",), industries=("Capital Goods",), contact_number=1, preferred_role="CEO")
PATHS = {
    "/api/v1/mixed_companies/search": "company_search",
    "/api/v1/organizations/bulk_enrich": "company_enrichment",
    "/api/v1/mixed_people/api_search": "people_search",
    "/api/v1/people/bulk_match": "people_enrichment",
    "/api/v1/usage_stats/credit_usage_stats": "balance",
}


def documented(name: str) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((DOCUMENTED / f"{name}.json").read_text(encoding="utf-8"))
    return example


def provider(**instead: str) -> Apollo:
    """Of which every path gives the documented example, or that which is named instead."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = PATHS[request.url.path]
        example = documented(instead.get(name, name))
        return httpx.Response(example["status"], json=example["body"], headers=example["headers"])

    return Apollo("https://apollo.test", "k", client=httpx.Client(transport=httpx.MockTransport(answer)))


def bought() -> list[Page]:
    apollo = provider()
    pages = [apollo.fetch(QUERY, 10, None, Exclusions())]
    while pages[-1].unfinished:
        pages.append(apollo.fetch(QUERY, 10, pages[-1].next_cursor, Exclusions()))
    return pages


# -- the documentation's ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place", "fields", "number"),
    [
        ("company_search", [], "answer", 11),
        ("company_search", ["organizations", 0], "organizations", 24),
        ("company_search", ["pagination"], "pagination", 4),
        ("people_search", [], "answer", 2),
        ("people_search", ["people", 0], "people", 11),
        ("people_search", ["people", 0, "organization"], "organization", 9),
        ("company_enrichment", ["organizations", 0], "organization", 52),
        ("people_enrichment", ["matches", 0], "person", 29),
        ("people_enrichment", ["matches", 0, "organization"], "organization", 52),
        ("people_enrichment", ["matches", 0, "employment_history", 0], "employment_history", 18),
    ],
)
def test_the_examples_have_every_documented_field(name: str, place: list[Any], fields: str, number: int) -> None:
    example = documented(name)
    assert example["_source"]
    found = example["body"]
    for key in place:
        found = found[key]
    assert sorted(found) == sorted(example["_fields"][fields])
    assert len(found) == number


def test_the_documented_way_from_a_search_to_a_contact() -> None:
    pages = bought()
    assert [page.charged for page in pages] == [1, 1, 1]
    (company,) = pages[1].records
    assert read.company(company) == Company(
        reveal_id="exampleOrg000000000000001",
        name="Example Widgets",
        domain="example.com",
        description="Maker of example widgets.",
        founded_year=1998,
        phones=("+1 217-555-0100",),
        street="1 Example Street",
        city="Springfield",
        zip="62701",
        state_code="IL",
        country_code="US",
        employees=120,
        estimated_annual_revenue="12M",
        annual_revenue=12_000_000.0,
        industry_group="Capital Goods",
        industry="machinery",
        tags=("widgets", "examples"),
        technologies=("Example CRM",),
        facebook="examplewidgets",
        linkedin="company/example-widgets",
        twitter="examplewidgets",
    )
    ((contact,),) = pages[2].contacts.values()
    assert read.contact(contact) == Contact(
        full_name="Jo Example",
        email="jo@example.com",
        title="Chief Executive Officer",
        role="CEO",
        seniority="executive",
    )


def test_the_documented_balance_and_count() -> None:
    assert provider().balance() == 940
    assert provider().preview(QUERY, 3, Exclusions()).people == 1


def test_the_documented_refusals() -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        provider(company_search="rate_limit").fetch(QUERY, 10, None, Exclusions())
    assert (caught.value.retry_after, caught.value.charge) == (1800.0, "none")
    with pytest.raises(ProviderAccessDenied, match="needs a paid plan"):
        provider(company_search="paid_plans_only").fetch(QUERY, 10, None, Exclusions())


# -- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "email"),
    [
        ({"email": "jo@a.test", "email_status": "verified"}, "jo@a.test"),
        ({"email": "jo@a.test", "email_status": None}, "jo@a.test"),
        ({"email": "jo@a.test", "email_status": "unavailable"}, None),
        ({"email": "email_not_unlocked@domain.com", "email_status": "verified"}, None),
        ({"email": "Email_Not_Unlocked@a.test"}, None),
        ({"email": "j***@a.test"}, None),
        ({"email": None}, None),
        ({"contact": {"email": "jo@a.test"}}, None),
    ],
)
def test_an_email_is_one_that_was_told(values: dict[str, Any], email: str | None) -> None:
    assert read.contact(values).email == email


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"name": "Jo Example", "first_name": "J"}, "Jo Example"),
        ({"first_name": "Jo", "last_name": "Example"}, "Jo Example"),
        ({"first_name": "Jo", "last_name": None}, "Jo"),
        ({"name": "Jo Ex***e"}, None),
        ({"first_name": "Jo", "last_name_obfuscated": "Ex***e"}, "Jo"),
        ({}, None),
    ],
)
def test_a_part_of_a_name_is_none(values: dict[str, Any], name: str | None) -> None:
    contact = read.contact(values)
    assert contact.full_name == name
    assert "*" not in contact.model_dump_json()


@pytest.mark.parametrize(
    ("asked", "title", "role"),
    [
        (["CEO"], "Chief Executive Officer & Co-Founder", "CEO"),
        (["Founder", "CEO"], "Co-Founder & CEO", "founder"),
        (["CEO", "Founder"], "Co-Founder, Chief Executive Officer", "CEO"),
        (["Marketing"], "VP, Marketing", "marketing"),
        (["Marketing"], "Telemarketing Agent", None),
        (["Owner"], "Product Owner", "owner"),
        (["Legal"], "Marketing Manager", None),
        ([], "Marketing Manager", "marketing"),
        ([], "General Counsel", "legal"),
        ([], "Astronaut", None),
        (["CEO"], None, None),
        (["CEO"], "", None),
        (["CEO"], "ceo " * 10_000, "CEO"),
        (["unheard of"], "CEO", "CEO"),
    ],
)
def test_a_role_is_one_asked_for_that_the_title_names(asked: list[str], title: str | None, role: str | None) -> None:
    assert read.contact({"asked": asked, "title": title}).role == role


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("c_suite", "executive"), ("Head", "executive"), ("director", "director"), ("manager", "manager"), ("intern", None), (None, None)],
)  # fmt: skip
def test_seniorities_are_ours(theirs: str | None, ours: str | None) -> None:
    assert read.contact({"seniority": theirs}).seniority == ours


# -- companies -------------------------------------------------------------------------------------------------------


def test_values_with_a_second_place_to_stand() -> None:
    company = read.company(
        {
            "website_url": "http://www.Example.com/en",
            "seo_description": "Widgets.",
            "phone": "+1 217-555-0100",
            "raw_address": "1 Example Street, Springfield",
            "primary_phone": {},
        }
    )
    assert (company.domain, company.description, company.phones) == ("example.com", "Widgets.", ("+1 217-555-0100",))
    assert company.street == "1 Example Street, Springfield"


@pytest.mark.parametrize(
    ("asked", "industry", "ours"),
    [
        ([], "information technology & services", "Software & Services"),
        (["Media"], "Marketing & Advertising", "Media"),
        (["Media"], "banking", "Banks & Insurance"),  # found by a keyword: for the quality rules to refuse
        (["Media"], "think tanks", None),
    ],
)
def test_an_industry_is_ours_beside_theirs(asked: list[str], industry: str, ours: str | None) -> None:
    company = read.company({"asked": asked, "industry": industry})
    assert (company.industry, company.industry_group) == (industry, ours)


@pytest.mark.parametrize(
    ("country", "state", "codes"),
    [
        ("Germany", None, ("DE", None)),
        ("united states", "New York", ("US", "NY")),
        ("Türkiye", None, ("TR", None)),
        ("Atlantis", "New York", ("Atlantis", None)),
        (None, "New York", (None, None)),
    ],
)
def test_places_are_codes(country: str | None, state: str | None, codes: tuple[str | None, str | None]) -> None:
    company = read.company({"country": country, "state": state})
    assert (company.country_code, company.state_code) == codes


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("text", "record"),
        (None, "record"),
        ({"estimated_num_employees": "many"}, "estimated_num_employees"),
        ({"name": {"x": 1}}, "name"),
        ({"annual_revenue": "12M"}, "annual_revenue"),
        ({"primary_phone": {"number": []}}, "primary_phone.number"),
        ({"keywords": [1]}, "keywords"),
    ],
)
def test_what_is_wrong_is_named(record: object, field: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        read.company(record)
    assert field in [problem[0] for problem in caught.value.problems]


def test_hostile_text_stays_text() -> None:
    text = "<script>alert(1)</script>\x00'; DROP TABLE crm_lead; --"
    company = read.company({"id": text, "name": text, "linkedin_url": "javascript:alert(1)", "keywords": [text]})
    clean = text.replace("\x00", "")
    assert (company.name, company.tags, company.linkedin) == (clean, (clean,), None)
    assert read.contact({"name": text, "title": text, "asked": [text]}).full_name == clean
