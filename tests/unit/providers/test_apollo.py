"""Companies from Apollo: what is found, what is bought of it, and where it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from apollo_service import (
    COMPANIES,
    ENRICH,
    KEY,
    Known,
    Service,
    bought,
    enriched,
    organizations,
)

from lead_mining.providers.base import Query

# -- finding companies -------------------------------------------------------------------------------------------------


def test_a_search_always_asks_for_a_hundred_with_the_key_in_a_header() -> None:
    service = Service(companies=organizations())
    service.fetch(limit=1)
    (request,) = service.requests
    assert (request.method, request.url.path) == ("POST", "/api/v1/mixed_companies/search")
    assert request.headers["x-api-key"] == KEY
    assert KEY not in str(request.url)
    assert service.asked(COMPANIES) == [
        [("organization_locations[]", "United States"), ("page", "1"), ("per_page", "100")]
    ]


def test_every_filter_is_an_argument() -> None:
    service = Service(companies=organizations())
    service.fetch(
        Query(
            countries=("US", "DE"),
            states=("US-CA",),
            industries=("Energy & Utilities",),
            company_size_min=10,
            company_size_max=50,
        )
    )
    (arguments,) = service.asked(COMPANIES)
    assert arguments[:-2] == [
        ("organization_locations[]", "California, US"),
        ("organization_locations[]", "Germany"),
        ("organization_num_employees_ranges[]", "10,50"),
        ("q_organization_keyword_tags[]", "oil & energy"),
        ("q_organization_keyword_tags[]", "utilities"),
    ]


@pytest.mark.parametrize(("ends", "asked"), [((10, None), "10,10000000"), ((None, 50), "0,50")])
def test_a_size_with_one_end_gets_the_other(ends: tuple[int | None, int | None], asked: str) -> None:
    service = Service(companies=organizations())
    service.fetch(Query(countries=("US",), company_size_min=ends[0], company_size_max=ends[1]))
    assert ("organization_num_employees_ranges[]", asked) in service.asked(COMPANIES)[0]


def test_what_it_does_only_roughly_is_said_without_a_call() -> None:
    service = Service()
    query = Query(countries=("US",), industries=("Media",), contact_number=1, preferred_role="President")
    misfits = service.provider.misfits(query)
    assert [(m.field, m.roughly) for m in misfits] == [("industries", True), ("preferred_role", True)]
    assert "no filter by industry" in misfits[0].why
    assert service.calls == []


def test_a_search_finds_and_an_enrichment_buys() -> None:
    service = Service(companies=organizations("a", "b"), enrich=enriched("a", "b"))
    found, whole = bought(service)
    assert (found.records, found.charged, found.unfinished) == ([], 1, True)
    assert (len(whole.records), whole.charged, whole.unfinished, whole.next_cursor) == (2, 2, False, None)
    assert service.asked(ENRICH) == [[("domains[]", "a.test"), ("domains[]", "b.test")]]


def test_known_companies_are_left_out_before_they_are_paid_for() -> None:
    service = Service(companies=organizations("a", "b", "c"), enrich=enriched("b"))
    pages = bought(service, known=Known("a", "c"))
    assert service.asked(ENRICH) == [[("domains[]", "b.test")]]
    assert [page.charged for page in pages] == [1, 1]


def test_a_page_of_known_companies_alone_is_followed_by_the_next() -> None:
    service = Service(companies=[organizations("a", pages=2), organizations("b", pages=2)])
    first = service.fetch(known=Known("a"))
    assert (first.records, first.unfinished, first.charged) == ([], False, 1)
    second = service.fetch(cursor=first.next_cursor, known=Known("a"))
    assert dict(service.asked(COMPANIES)[1])["page"] == "2"
    assert second.unfinished


def test_found_companies_are_bought_before_more_are_searched_for() -> None:
    ids = [f"c{number}" for number in range(12)]
    service = Service(
        companies=[organizations(*ids, pages=2), organizations(pages=2)],
        enrich=[enriched(*ids[:10]), enriched(*ids[10:])],
    )
    pages = bought(service)
    for _ in range(2):
        pages.append(service.fetch(cursor=pages[-1].next_cursor))
    assert [page.charged for page in pages] == [1, 10, 2, 0]
    assert [path for path, _ in service.calls] == [COMPANIES, ENRICH, ENRICH, COMPANIES]
    assert pages[-1].next_cursor is None


def test_accounts_of_the_team_count_by_their_organization() -> None:
    account = {"id": "of-the-team", "organization_id": "b", "website_url": "https://www.b.test/"}
    service = Service(companies=organizations("a") | {"accounts": [account]}, enrich=enriched("a"))
    bought(service, known=Known("b"))
    assert service.asked(ENRICH) == [[("domains[]", "a.test")]]


@pytest.mark.parametrize(
    "organization",
    [
        None,
        "text",
        {},
        {"id": "a"},
        {"id": 7, "primary_domain": "a.test"},
        {"id": "a", "primary_domain": {}},
        {"id": "a", "primary_domain": ""},
    ],
)
def test_what_has_no_id_or_domain_cannot_be_bought(organization: object) -> None:
    page = Service(companies={"organizations": [organization]}).fetch()
    assert (page.records, page.unfinished, page.charged) == ([], False, 1)


def test_companies_of_one_domain_are_bought_once_and_of_a_mail_provider_never() -> None:
    domains = ["a.test", "www.a.test", "gmail.com", "b.test"]
    listed = [{"id": str(number), "primary_domain": domain} for number, domain in enumerate(domains)]
    service = Service(companies={"organizations": listed}, enrich=enriched("a", "b"))
    page = service.fetch()
    service.fetch(cursor=page.next_cursor)
    assert service.asked(ENRICH) == [[("domains[]", "a.test"), ("domains[]", "b.test")]]
    assert json.loads(page.next_cursor or "")["found"] == [["0", "a.test"], ["3", "b.test"]]


@pytest.mark.parametrize("more", [{"partial_results_only": True, "pages": 9}, {"pages": 1}, {"pages": 0}])
def test_the_end_of_what_is_shown(more: dict[str, Any]) -> None:
    page = Service(companies=organizations("a", **more)).fetch(known=Known("a"))
    assert page.next_cursor is None


def test_the_display_limit_ends_the_search_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(companies=organizations("a", pages=900))
    cursor = json.dumps({"page": 499, "first": "z"})
    cursor = service.fetch(cursor=cursor, known=Known("a")).next_cursor
    service.answers[COMPANIES] = [organizations("b", pages=900)]
    assert service.fetch(cursor=cursor, known=Known("b")).next_cursor is None
    assert "shows no more of this search" in caplog.text


def test_an_account_that_leaves_out_the_eu_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    for disabled, told in ((False, False), ("yes", False), (True, True)):
        Service(companies=organizations("a", disable_eu_prospecting=disabled)).fetch()
        assert ("disable_eu_prospecting" in caplog.text) == told


@pytest.mark.parametrize("pages", [None, "many", -1.5, {}])
def test_without_a_number_of_pages_it_ends_at_an_empty_one(pages: object) -> None:
    service = Service(companies=[organizations("a", pages=pages), organizations(pages=pages)])
    first = service.fetch(known=Known("a"))
    assert first.next_cursor is not None
    assert service.fetch(cursor=first.next_cursor).next_cursor is None


def test_a_page_that_comes_again_is_the_end() -> None:
    service = Service(companies=organizations("a", "b", pages=9))
    first = service.fetch(known=Known("a", "b"))
    again = service.fetch(cursor=first.next_cursor, known=Known("a", "b"))
    assert (again.next_cursor, again.charged) == (None, 1)


def test_an_empty_search_is_free() -> None:
    page = Service(companies=organizations()).fetch()
    assert (page.records, page.charged, page.next_cursor, page.unfinished) == ([], 0, None, False)


# -- buying companies --------------------------------------------------------------------------------------------------


def test_no_more_are_bought_than_asked_for() -> None:
    service = Service(companies=organizations("a", "b", "c"), enrich=enriched("a", "b"))
    _, page = bought(service, limit=2)
    assert service.asked(ENRICH) == [[("domains[]", "a.test"), ("domains[]", "b.test")]]
    assert page.next_cursor is not None


def test_what_is_not_known_there_is_not_charged() -> None:
    service = Service(companies=organizations("a", "b"), enrich=enriched("a", None))
    assert [(len(page.records), page.charged) for page in bought(service)] == [(0, 1), (1, 1)]


@pytest.mark.parametrize("limit", [0, 11])
def test_a_limit_outside_a_page_is_a_mistake_of_ours(limit: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 10"):
        Service().fetch(limit=limit)
