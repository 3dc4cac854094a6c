"""What is understood of People Data Labs' records: the documented ones, and those that are wrong or hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import MalformedRecord, ProviderUnavailable
from lead_mining.providers.base import Company, Contact, Exclusions, Page, Query
from lead_mining.providers.people_data_labs import PeopleDataLabs
from lead_mining.providers.people_data_labs import records as pdl

DOCUMENTED = Path(__file__).parent / "documented" / "people_data_labs"
QUERY = Query(countries=("US",), industries=("Capital Goods",), contact_number=1, preferred_role="CEO")


def documented(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DOCUMENTED / f"{name}.json").read_text(encoding="utf-8"))
    return read


def fetched(name: str, cursor: str | None = None) -> Page:
    example = documented(name)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(example["status"], json=example["body"], headers=example["headers"])

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return PeopleDataLabs("https://pdl.test", "k", client=client).fetch(QUERY, 1, cursor, Exclusions())


# -- the documentation's ---------------------------------------------------------------------------------------------


def test_the_examples_have_every_documented_field() -> None:
    for name in ("company_search", "person_search"):
        example = documented(name)
        assert example["_source"]
        (record,) = example["body"]["data"]
        assert list(record) == example["_fields"]["data"]
        assert len(record) == {"company_search": 87, "person_search": 115}[name]
    place = documented("company_search")["body"]["data"][0]["location"]
    assert list(place) == documented("company_search")["_fields"]["location"]


@pytest.mark.parametrize(
    ("fields", "name"), [(pdl.COMPANY_FIELDS, "company_search"), (pdl.PERSON_FIELDS, "person_search")]
)
def test_only_documented_fields_are_asked_for(fields: str, name: str) -> None:
    assert set(fields.split(",")) <= set(documented(name)["_fields"]["data"])


def test_the_documented_company() -> None:
    page = fetched("company_search")
    assert page.charged == 1
    assert json.loads(page.next_cursor or "")["scroll"] == "13.312621$543927"
    assert pdl.company(page.records[0]) == Company(
        reveal_id="exampleWidgets0000000000001",
        name="Example Widgets",
        domain="example.com",
        description="maker of example widgets.",
        company_type="private",
        founded_year=1998,
        street="1 example street, suite 2",
        city="springfield",
        zip="62701",
        state_code="IL",
        country_code="US",
        employees=120,
        estimated_annual_revenue="$10M-$25M",
        sector="industrials",
        industry_group="Capital Goods",
        industry="machinery",
        tags=("widgets", "examples"),
        technologies=("example crm",),
        facebook="examplewidgets",
        linkedin="company/example-widgets",
        twitter="examplewidgets",
    )


def test_the_documented_person() -> None:
    page = fetched("person_search", cursor=fetched("company_search").next_cursor)
    ((record,),) = page.contacts.values()
    assert pdl.contact(record) == Contact(
        full_name="jo example",
        email="jo@example.com",
        phone="+12175550100",
        title="chief executive officer",
        role="CEO",
        seniority="executive",
    )


def test_the_documented_refusals() -> None:
    empty = fetched("not_found")
    assert (empty.records, empty.charged, empty.next_cursor) == ([], 0, None)
    with pytest.raises(ProviderUnavailable) as caught:
        fetched("rate_limit")
    assert (caught.value.retry_after, caught.value.charge) == (31.0, "none")


# -- values that the account's plan hides ----------------------------------------------------------------------------


def test_true_is_no_value() -> None:
    hidden = dict.fromkeys(pdl.PERSON_FIELDS.split(","), True)
    assert pdl.contact(hidden) == Contact()
    assert pdl.company(dict.fromkeys(pdl.COMPANY_FIELDS.split(","), True)) == Company()
    place = dict.fromkeys(("street_address", "locality", "region", "country", "postal_code"), True)
    assert pdl.company({"id": "a", "location": place}) == Company(reveal_id="a")
    assert pdl.contact({"emails": [{"address": True, "type": "current_professional"}, True]}) == Contact()


# -- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "email"),
    [
        ({"work_email": "jo@a.test"}, "jo@a.test"),
        ({"emails": [{"address": "x@gmail.com", "type": "personal"}]}, None),
        ({"emails": [{"address": "jo@old.test", "type": "professional"}]}, None),
        ({"emails": ["jo@a.test"]}, None),
        ({"personal_emails": ["x@gmail.com"], "recommended_personal_email": "x@gmail.com"}, None),
    ],
)
def test_an_email_is_the_one_at_work_or_none(values: dict[str, Any], email: str | None) -> None:
    assert pdl.contact(values).email == email


@pytest.mark.parametrize(
    ("asked", "values", "role"),
    [
        (["CEO"], {"job_title": "Chief Executive Officer"}, "CEO"),
        (["CEO"], {"job_title": "chief financial officer", "job_title_levels": ["cxo"]}, None),
        (["Founder", "CEO"], {"job_title": "founder & ceo"}, "founder"),
        (["CEO", "Founder"], {"job_title": "founder & ceo"}, "CEO"),
        (["Public Relations"], {"job_title_role": "marketing"}, "public_relations"),
        (["Communications", "Marketing"], {"job_title_role": "marketing"}, "communications"),
        (["Information Technology", "Engineering"], {"job_title_role": "engineering"}, "engineering"),
        (["Engineering"], {"job_title_role": "engineering", "job_title_sub_role": "information_technology"}, "engineering"),
        (["Human Resources", "Recruiting"], {"job_title_role": "human_resources", "job_title_sub_role": "recruiting"}, "recruiting"),
        (["Legal"], {"job_title_role": "sales"}, None),
        ([], {"job_title_role": "marketing"}, "marketing"),
        ([], {"job_title_role": "engineering", "job_title_sub_role": "information_technology"}, "information_technology"),
        ([], {"job_title": "president", "job_title_levels": ["cxo"]}, "president"),
        ([], {"job_title_role": "unheard_of"}, None),
    ],
)  # fmt: skip
def test_a_role_is_one_asked_for_that_fits(asked: list[str], values: dict[str, Any], role: str | None) -> None:
    assert pdl.contact({"asked": asked} | values).role == role


@pytest.mark.parametrize(
    ("levels", "seniority"),
    [(["cxo"], "executive"), (["partner"], "executive"), (["director"], "director"), (["manager", "senior"], "manager"), (["entry"], None), ([], None)],
)  # fmt: skip
def test_seniorities_are_ours(levels: list[str], seniority: str | None) -> None:
    assert pdl.contact({"job_title_levels": levels}).seniority == seniority


# -- companies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "industry", "ours"),
    [
        ([], "banking", "Banks & Insurance"),
        (["Media"], "publishing", "Media"),
        (["Media"], "banking", "Banks & Insurance"),  # for the quality rules to refuse
        (["Media"], "think tanks", None),
        ([], None, None),
    ],
)
def test_an_industry_is_ours_beside_theirs(asked: list[str], industry: str | None, ours: str | None) -> None:
    company = pdl.company({"asked": asked, "industry": industry})
    assert (company.industry, company.industry_group) == (industry, ours)


@pytest.mark.parametrize(
    ("place", "code", "state"),
    [
        ({"country": "united states", "region": "california"}, "US", "CA"),
        ({"country": "malaysia", "region": "penang"}, "MY", "PNG"),
        ({"country": "turkey", "region": None}, "TR", None),
        ({"country": "united states", "region": "ontario"}, "US", None),
        ({"country": "atlantis", "region": "california"}, "atlantis", None),
        ({"region": "california"}, None, None),
        (None, None, None),
        ("", None, None),
    ],
)
def test_places_are_codes(place: object, code: str | None, state: str | None) -> None:
    company = pdl.company({"location": place})
    assert (company.country_code, company.state_code) == (code, state)


def test_a_size_that_is_only_a_range_is_no_number_of_employees() -> None:
    assert pdl.company({"size": "1-10"}).employees is None


def test_the_name_in_lower_case_will_do() -> None:
    assert pdl.company({"name": "example widgets", "display_name": None}).name == "example widgets"


def test_lists_may_hold_what_is_no_text() -> None:
    company = pdl.company({"tags": ["a", {"b": 1}, None, True, 7], "technologies_used": [{"name": "x"}]})
    assert (company.tags, company.technologies) == (("a",), ())


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("text", "record"),
        (None, "record"),
        ([], "record"),
        ({"employee_count": "many"}, "employee_count"),
        ({"name": {"x": 1}}, "name"),
        ({"website": 7}, "website"),
        ({"location": "here"}, "location"),
        ({"location": {"country": {}}}, "location.country"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(record: object, field: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        pdl.company(record)
    assert field in [problem[0] for problem in caught.value.problems]


def test_hostile_text_stays_text() -> None:
    text = "<script>alert(1)</script>\x00'; DROP TABLE crm_lead; --"
    company = pdl.company({"id": text, "display_name": text, "linkedin_url": "javascript:alert(1)", "tags": [text]})
    clean = text.replace("\x00", "")
    assert (company.name, company.tags, company.linkedin) == (clean, (clean,), None)
    assert pdl.contact({"full_name": text, "asked": [text]}).full_name == clean


def test_what_they_say_was_asked_for_does_not_count() -> None:
    record = documented("company_search")["body"]["data"][0] | {"asked": ["Media"]}

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": [record]})

    provider = PeopleDataLabs("https://pdl.test", "k", client=httpx.Client(transport=httpx.MockTransport(answer)))
    assert provider.fetch(QUERY, 1, None, Exclusions()).records[0]["asked"] == ["Capital Goods"]
