"""People from Apollo: looked for free, chosen by title, and bought ten at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from apollo_service import (
    MATCH,
    PEOPLE,
    PERSONS,
    US,
    Service,
    bought,
    enriched,
    matches,
    organizations,
    persons,
)

from lead_mining.providers import apollo
from lead_mining.providers.base import Page, Query


def contacts_of(pages: list[Page]) -> dict[str, list[Any]]:
    return {company: [p["id"] for p in people] for page in pages for company, people in page.contacts.items()}


def test_people_are_looked_for_free_and_matched_together() -> None:
    service = Service(
        companies=organizations("a", "b"),
        enrich=enriched("a", "b"),
        people=[
            persons(("1", "CEO")),
            persons(("2", "Marketing Manager")),
            persons(),
            persons(("3", "Marketing Lead")),
        ],
        match=matches("1", "2", "3"),
    )
    pages = bought(service, PEOPLE)
    assert [page.charged for page in pages] == [1, 2, 3]
    assert contacts_of(pages) == {"a": ["1", "2"], "b": ["3"]}
    assert service.asked(MATCH) == [{"details": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}]
    first = service.asked(PERSONS)[0]
    assert first[0] == ("organization_ids[]", "a")
    assert ("person_titles[]", "chief executive officer") in first
    assert first[-2:] == [("page", "1"), ("per_page", "100")]


def test_the_preferred_role_comes_first_and_enough_of_it_asks_for_no_other() -> None:
    service = Service(
        companies=organizations("a"),
        enrich=enriched("a"),
        people=persons(("1", "CEO"), ("2", "CEO"), ("3", "CEO")),
        match=matches("1", "2"),
    )
    pages = bought(service, PEOPLE)
    assert (contacts_of(pages), len(service.asked(PERSONS))) == ({"a": ["1", "2"]}, 1)


def test_nobody_is_bought_whose_title_is_only_similar_or_who_has_no_email() -> None:
    similar = persons(("1", "Chief of Protocol"), ("2", ""))
    unreachable = persons(("3", "CEO"), has_email=False)
    odd = {"people": [None, "text", {"id": 7, "title": "CEO"}, {"title": "CEO"}, {"id": "4", "title": {}}]}
    people = {"people": similar["people"] + unreachable["people"] + odd["people"]}
    service = Service(companies=organizations("a"), enrich=enriched("a"), people=people)
    pages = bought(service, PEOPLE)
    assert contacts_of(pages) == {"a": []}
    assert (pages[-1].charged, pages[-1].raw) == (0, {})
    assert service.asked(MATCH) == []


def test_a_companys_people_never_come_on_two_pages() -> None:
    query = Query(countries=("US",), contact_number=4)
    ids = ["a", "b", "c"]
    service = Service(
        companies=organizations(*ids),
        enrich=enriched(*ids),
        people=[persons(*((f"{one}{number}", "x") for number in range(4))) for one in ("a", "b", "c", "c")],
        match=[
            matches(*(f"{one}{number}" for one in "ab" for number in range(4))),
            matches(*(f"c{number}" for number in range(4))),
        ],
    )
    pages = bought(service, query)
    assert [len(asked["details"]) for asked in service.asked(MATCH)] == [8, 4]
    assert {company: len(people) for company, people in contacts_of(pages).items()} == {"a": 4, "b": 4, "c": 4}
    assert [page.unfinished for page in pages] == [True, True, True, False]


def test_a_search_for_people_goes_on_over_three_pages_at_most() -> None:
    full = persons(*((f"p{number}", "Gardener") for number in range(100)))
    service = Service(companies=organizations("a"), enrich=enriched("a"), people=full)
    bought(service, Query(countries=("US",), contact_number=1, preferred_role="CEO"))
    assert [dict(arguments)["page"] for arguments in service.asked(PERSONS)] == ["1", "2", "3"]


def test_people_by_seniority() -> None:
    query = Query(countries=("US",), contact_number=1, contact_filter_type="seniority", seniority="executive")
    service = Service(
        companies=organizations("a"),
        enrich=enriched("a"),
        people=persons(("1", "VP")),
        match=matches("1", seniority="vp"),
    )
    pages = bought(service, query)
    asked = [value for name, value in service.asked(PERSONS)[0] if name == "person_seniorities[]"]
    assert asked == ["c_suite", "owner", "founder", "partner", "vp", "head"]
    (record,) = pages[-1].contacts["a"]
    assert service.provider.parse_contact(record).seniority == "executive"


def test_who_is_matched_is_known_by_id_or_else_by_place() -> None:
    people = persons(("1", "CEO"), ("2", "CEO"))
    swapped = matches("2", "1")
    merged = matches("1", "now-another")
    unknown = matches(None, "2")
    for answer, expected in ((swapped, ["2", "1"]), (merged, ["1", "now-another"]), (unknown, ["2"])):
        service = Service(companies=organizations("a"), enrich=enriched("a"), people=people, match=answer)
        pages = bought(service, PEOPLE)
        assert contacts_of(pages) == {"a": expected}
        assert pages[-1].charged == len(expected)


def test_neither_phones_nor_private_addresses_are_revealed() -> None:
    service = Service(
        companies=organizations("a"), enrich=enriched("a"), people=persons(("1", "CEO")), match=matches("1")
    )
    bought(service, PEOPLE)
    assert not any("reveal" in str(request.url) + request.content.decode() for request in service.requests)
    assert set(service.asked(MATCH)[0]) == {"details"}


def test_a_mobile_phone_that_comes_all_the_same_is_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    phones = {"phone_numbers": [{"raw_number": "+1 217-555-0100", "type": "mobile"}]}
    service = Service(
        companies=organizations("a"),
        enrich=enriched("a"),
        people=persons(("1", "CEO")),
        match=matches("1", contact=phones),
    )
    assert bought(service, PEOPLE)[-1].charged == 9
    assert "mobile phones that were not asked for" in caplog.text
    assert "555" not in caplog.text


@pytest.mark.parametrize(
    ("consumed", "charged"), [(0, 0), (5, 5), ("2", 2), (-1, 1), ("many", 1), (None, 1), (True, 1)]
)
def test_the_answer_says_what_it_cost_or_else_the_number_of_people(consumed: object, charged: int) -> None:
    match = matches("1") | {"credits_consumed": consumed}
    service = Service(companies=organizations("a"), enrich=enriched("a"), people=persons(("1", "CEO")), match=match)
    assert bought(service, PEOPLE)[-1].charged == charged


def test_companies_that_another_provider_sold_are_asked_for_by_domain() -> None:
    at_a, elsewhere = {"organization": {"primary_domain": "www.a.test"}}, {"organization": {"primary_domain": "b.test"}}
    answer = {"matches": [*matches("1", **at_a)["matches"], *matches("2", **elsewhere)["matches"]]}
    service = Service(people=persons(("1", "CEO"), ("2", "CEO")), match=answer)
    cursor = service.provider.contacts_of(PEOPLE, [("theirs", "a.test"), ("x", None)])
    assert service.provider.most(PEOPLE, 1, cursor) == 2
    page = service.fetch(PEOPLE, cursor)
    assert service.asked(PERSONS)[0][0] == ("q_organization_domains_list[]", "a.test")
    assert contacts_of([page]) == {"theirs": ["1"]}  # a search by domain also finds who worked there once
    assert (page.charged, page.next_cursor, page.unfinished) == (2, None, False)
    assert service.provider.contacts_of(US, [("theirs", "a.test")]) is None
    assert service.provider.contacts_of(PEOPLE, [("theirs", None)]) is None
    twice = service.provider.contacts_of(PEOPLE, [("theirs", "a.test"), ("theirs", "a.test")])
    assert service.provider.most(PEOPLE, 1, twice) == PEOPLE.contact_number


def test_no_persons_data_stands_in_a_cursor_or_comes_from_a_search() -> None:
    service = Service(
        companies=organizations("a", pages=2), enrich=enriched("a"), people=persons(("p1", "CEO")), match=matches("p1")
    )
    pages = bought(service, PEOPLE)
    assert all("p1" not in str(page.next_cursor) for page in pages)
    assert "***" not in json.dumps([[page.raw, page.records, page.contacts] for page in pages])


def test_obfuscated_names_are_read_nowhere() -> None:
    package = Path(apollo.__file__).parent
    assert not [path.name for path in package.glob("*.py") if re.search("obfuscated", path.read_text(encoding="utf-8"))]
