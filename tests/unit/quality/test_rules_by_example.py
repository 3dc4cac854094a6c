"""Every rule of the suites, by an example that fails it and one that passes."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import pytest
from quality_checks import check_candidates

from lead_mining.providers.base import Company, Contact
from lead_mining.quality.checks import Failure
from lead_mining.quality.rules import suites_that_hold
from lead_mining.request import MiningRequest

NEXT_YEAR = dt.datetime.now(dt.UTC).year + 1

BY_ROLE = MiningRequest.parse(
    {
        "search_type": "people",
        "countries": ["US", "DE"],
        "states": ["US-CA", "US-NY"],
        "industries": ["Software & Services", "Construction Materials", "Consumer Discretionary"],
        "filter_on_size": True,
        "company_size_min": 10,
        "company_size_max": 500,
        "contact_number": 2,
        "preferred_role": "Human Resources",
        "other_roles": ["CEO"],
    }
)
BY_SENIORITY = MiningRequest.parse(
    {
        "search_type": "people",
        "countries": ["US"],
        "contact_number": 2,
        "contact_filter_type": "seniority",
        "seniority": "director",
    }
)
COMPANIES_ALONE = MiningRequest.parse({"countries": ["US"]})

GOOD: dict[str, Any] = {
    "reveal_id": "1234",
    "name": "Acme & Söhne",
    "domain": "acme.example",
    "country_code": "US",
    "state_code": "CA",
    "industry_group": "Software & Services",
    "employees": 10,
    "emails": ("info@acme.example",),
    "phones": ("(415) 555-0120",),
    "founded_year": 1999,
}
GOOD_CONTACT: dict[str, Any] = {"full_name": "Ada Example", "email": "ada@acme.example"}


class Example(NamedTuple):
    """`fails` and `passes`: what differs from a good company. `value`: what the failure shows."""

    rule: str
    fails: dict[str, Any]
    value: str | None
    passes: dict[str, Any]
    request: MiningRequest = BY_ROLE


def contacts(*all_of_them: dict[str, Any]) -> dict[str, Any]:
    """Contacts as a field of a company, each different from a good one in something."""
    return {"contacts": tuple(Contact(**GOOD_CONTACT | one) for one in all_of_them)}


TWO = ({"full_name": "A", "email": "a@x.example"}, {"full_name": "B", "email": "b@x.example"})

COMPANY = [
    Example("company_has_a_name", {"name": None, "domain": None}, None, {"name": None, "legal_name": "Acme Inc."}),
    Example("company_has_a_name", {"name": " ", "domain": ""}, None, {"name": None}),
    Example("name_is_not_a_text", {"name": "x" * 1001}, "x" * 500, {"name": "x" * 1000}),
    Example(
        "fields_are_not_texts",
        {"city": "y" * 1001},
        ("city (1,001 characters): " + "y" * 500)[:500],
        {"city": "y" * 1000},
    ),
    Example("fields_are_not_texts", {"phones": ("1" * 4000,)}, ("phones (4,000 characters): " + "1" * 500)[:500], {}),
    Example("name_is_plain", {"name": "<img src=x>"}, "<img src=x>", {"name": "Fisher < Price > O'Neill & 株式会社"}),
    Example("name_is_plain", {"name": "Acme\nInc"}, "Acme\nInc", {"name": "I <3 Tea"}),
    Example("domain_is_well_formed", {"domain": "acme"}, "acme", {"domain": "shop.acme.co.uk"}),
    Example("domain_is_well_formed", {"domain": "co.uk"}, "co.uk", {"domain": "Müller.DE"}),
    Example("domain_is_well_formed", {"domain": "10.0.0.1"}, "10.0.0.1", {"domain": "xn--mller-kva.de"}),
    Example("domain_is_well_formed", {"domain": "https://acme.com/"}, "https://acme.com/", {"domain": "www.acme.com"}),
    Example("domain_is_well_formed", {"domain": "a b.com'; --"}, "a b.com'; --", {"domain": None}),
    Example("domain_is_not_free_mail", {"domain": "www.GMail.com"}, "gmail.com", {"domain": "gmail-tools.com"}),
    Example("domain_is_known", {"domain": None}, None, {}),
    Example("country_is_known", {"country_code": None}, None, {"country_code": "DE", "state_code": None}),
    Example("country_was_asked_for", {"country_code": "FR"}, "FR", {"country_code": "us"}),
    Example("state_was_asked_for", {"state_code": "TX"}, "TX", {"state_code": "us-ny"}),
    Example("state_was_asked_for", {"state_code": "NW"}, "NW", {"country_code": "DE", "state_code": "NW"}),
    Example("state_is_known", {"state_code": None}, None, {"country_code": "DE", "state_code": None}),
    Example("state_is_in_its_country", {"state_code": "ZZ"}, "ZZ", {"country_code": "DE", "state_code": "BE"}),
    Example("industry_was_asked_for", {"industry_group": "Banks"}, "Banks", {"industry_group": "software & services"}),
    Example(
        "industry_was_asked_for",
        {"sector": "Consumer Staples", "industry_group": "Banks"},
        "Consumer Staples, Banks",
        {"industry_group": "Retailing"},  # a part of Consumer Discretionary
    ),
    Example("industry_is_known", {"industry_group": "Widgets"}, "Widgets", {}),
    Example("industry_is_known", {"industry_group": None}, None, {}),
    Example("industry_is_known", {"industry_group": "Materials"}, "Materials", {}),  # Construction Materials, perhaps
    Example("size_was_asked_for", {"employees": 501}, "501", {"employees": 500}),
    Example("size_was_asked_for", {"employees": -1}, "-1", {"employees": 10}),
    Example("size_was_asked_for", {"employees": 10**30}, str(10**30), {"employees": None}),
    Example("size_is_known", {"employees": None}, None, {}),
    Example("email_is_well_formed", {"emails": ("info@acme.example", "x@@y", "@")}, "x@@y, @", {"emails": ()}),
    Example(
        "email_is_a_role_address", {"emails": ("ada@acme.example", "info@acme.example", "@")}, "ada@acme.example", {}
    ),
    Example("phone_is_valid", {"phones": ("12",)}, "12", {"phones": ("+49 2161 3173535",)}),
    Example("founding_year_is_plausible", {"founded_year": 999}, "999", {"founded_year": 1000}),
    Example("founding_year_is_plausible", {"founded_year": NEXT_YEAR + 1}, str(NEXT_YEAR + 1), {"founded_year": None}),
    Example("reveal_id_is_known", {"reveal_id": None}, None, {}),
    Example("contacts_were_asked_for", contacts(*TWO, {"full_name": "C"}), "3", contacts(*TWO)),
    Example("contacts_were_asked_for", contacts({}), "1", {}, COMPANIES_ALONE),
]
CONTACT = [
    Example("contact_has_a_name", contacts({"full_name": ""}), None, contacts({})),
    Example("contact_fields_are_not_texts", contacts({"title": "t" * 1001}), ("title (1,001 characters): " + "t" * 500)[:500], {}),
    Example("contact_email_is_well_formed", contacts({"email": "ada@"}), "ada@", contacts({"email": "ädä@müller.de"})),
    Example("contact_email_is_well_formed", contacts({"email": "A <a@b.com>"}), "A <a@b.com>", contacts({"email": None})),
    Example("contact_is_new_in_company", contacts({}, {"full_name": "A. E."}), "A. E.", contacts(*TWO)),
    Example(
        "contact_is_new_in_company",
        contacts({}, {"full_name": "ADA EXAMPLE", "email": None}),
        "ADA EXAMPLE",
        contacts({}, {"email": "other@acme.example"}),
    ),
    Example("contact_was_asked_for", contacts(*TWO, {"full_name": "C"}), "3", contacts(*TWO)),
    Example("contact_was_asked_for", contacts({}), "1", {}, COMPANIES_ALONE),
    Example("role_was_asked_for", contacts({"role": "finance"}), "finance", contacts({"role": "human_resources"})),
    Example("role_was_asked_for", contacts({"role": "Sale"}), "sale", contacts({"role": "ceo"})),
    Example("role_is_known", contacts({"role": "wizard"}), "wizard", contacts({"role": "CEO"})),
    Example("seniority_was_asked_for", contacts({"seniority": "Manager"}), "manager", contacts({"seniority": "director"}), BY_SENIORITY),
    Example("seniority_is_known", contacts({"seniority": "boss"}), "boss", contacts({"seniority": "director"}), BY_SENIORITY),
    Example("contact_is_reachable", contacts({"email": None}), None, contacts({"email": None, "phone": "+1 415 555 0120"})),
    Example("contact_phone_is_valid", contacts({"phone": "call me"}), "call me", contacts({"phone": "(415) 555-0120"})),
    Example("contact_email_is_personal", contacts({"email": "Sales.DE@acme.example"}), "Sales.DE@acme.example", contacts({"email": "ada.sales@acme.example"})),
    Example(
        "contact_is_new_in_company",
        contacts({"email": "office@acme.example"}, {"email": "office@acme.example"}),
        "Ada Example",
        contacts({"email": "office@acme.example"}, {"full_name": "Bob Example", "email": "office@acme.example"}),
    ),
]  # fmt: skip
LEAD = [
    Example("lead_has_a_name", {"name": None, "domain": None, "legal_name": "Acme Inc."}, None, {"name": None}),
    Example("lead_texts_are_plain", {"city": "<script>"}, "city: <script>", {"city": "Saint-Étienne & Co"}),
    Example("lead_texts_are_plain", contacts({"title": "Boss\x07"}), "function: Boss\x07", {"name": "<i>judged elsewhere</i>"}),
    Example("lead_can_be_reached", {"domain": None, "emails": ("no address",), "phones": ()}, None, {"domain": None, "emails": ()}),
    Example("lead_has_a_contact", contacts({"full_name": None}), None, contacts({"full_name": None, "email": "x@acme.example"}, {})),
    Example("lead_has_a_contact", {"contacts": ()}, None, contacts({})),
]  # fmt: skip
EXAMPLES = [*COMPANY, *CONTACT, *LEAD]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> list[Failure]:
    """All examples, judged in one run a request: example n fails as candidate 2n and passes as candidate 2n + 1."""
    found: list[Failure] = []
    for place, request in enumerate([BY_ROLE, BY_SENIORITY, COMPANIES_ALONE]):
        candidates = [
            (2 * number + passing, Company(**GOOD | (example.passes if passing else example.fails)))
            for number, example in enumerate(EXAMPLES)
            if example.request is request
            for passing in (0, 1)
        ]
        docs = tmp_path_factory.mktemp("docs")
        found += check_candidates(candidates, request, docs, f"run-{place}").failures
    return found


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[e.rule for e in EXAMPLES])
def test_rule(failures: list[Failure], number: int) -> None:
    example = EXAMPLES[number]
    failed = [f for f in failures if f.candidate_id == 2 * number and f.rule == example.rule]
    assert [f.value for f in failed] == [example.value]
    assert (failed[0].contact_index is None) == (example in COMPANY or example in LEAD)
    assert failed[0].reason.endswith(".")
    assert not [f for f in failures if f.candidate_id == 2 * number + 1 and f.rule == example.rule]


def test_no_rule_is_without_an_example() -> None:
    by_suite = {"company": COMPANY, "contact": CONTACT, "lead": LEAD}
    assert {name: set(suite.rules) for name, suite in suites_that_hold().items()} == {
        name: {example.rule for example in examples} for name, examples in by_suite.items()
    }


def test_the_last_of_several_contacts_is_the_one_that_fails(failures: list[Failure]) -> None:
    number = next(i for i, e in enumerate(EXAMPLES) if e.rule == "contact_was_asked_for")
    (surplus,) = [f for f in failures if f.candidate_id == 2 * number and f.rule == "contact_was_asked_for"]
    assert (surplus.contact_index, surplus.field, surplus.severity) == (2, "position", "reject")
