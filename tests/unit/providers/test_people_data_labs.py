"""Companies from People Data Labs: what is asked, without those that are known, page by page."""

from __future__ import annotations

import pytest
from pdl_service import KEY, PEOPLE, Known, Service, companies, filters, found

from lead_mining.providers.base import Query

# -- what is asked -----------------------------------------------------------------------------------------------------


def test_a_company_search_says_how_many_and_which_fields_with_the_key_in_a_header() -> None:
    service = Service(found())
    service.fetch(limit=7)
    (call,) = service.calls
    assert (call.method, str(call.url)) == ("POST", "https://pdl.test/v5/company/search")
    assert call.headers["X-Api-Key"] == KEY
    body = service.bodies[0]
    assert body["size"] == 7
    assert "location" in body["data_include"].split(",")
    assert body["query"] == {"bool": {"filter": [{"terms": {"location.country": ["united states"]}}]}}
    assert set(body) == {"query", "size", "data_include"}


def test_every_filter_is_in_the_providers_words() -> None:
    service = Service(found())
    query = Query(countries=("US", "GB"), industries=("Media", "Materials"), company_size_min=10, company_size_max=50)
    service.fetch(query)
    places, industries, size = filters(service)
    assert places == {"terms": {"location.country": ["united states", "united kingdom"]}}
    assert {"publishing", "chemicals"} <= set(industries["terms"]["industry"])
    assert size == {"range": {"employee_count": {"gte": 10, "lte": 50}}}


def test_a_size_without_an_end_has_none() -> None:
    service = Service(found())
    service.fetch(Query(countries=("US",), company_size_min=10))
    assert filters(service)[1] == {"range": {"employee_count": {"gte": 10}}}


def test_states_narrow_their_own_country_alone_and_have_every_name() -> None:
    service = Service(found())
    service.fetch(Query(countries=("US", "MY", "DE"), states=("US-CA", "MY-07")))
    assert filters(service) == [
        {
            "bool": {
                "should": [
                    {"bool": {"filter": [{"terms": {"location.country": ["united states"]}}, {"terms": {"location.region": ["california"]}}]}},
                    {"bool": {"filter": [{"terms": {"location.country": ["malaysia"]}}, {"terms": {"location.region": ["pulau pinang", "penang"]}}]}},
                    {"terms": {"location.country": ["germany"]}},
                ]
            }
        }
    ]  # fmt: skip


def test_what_cannot_be_searched_for_is_said_without_a_call() -> None:
    service = Service(found())
    misfits = service.provider.misfits(PEOPLE)
    assert [(m.field, m.value, m.roughly) for m in misfits] == [("preferred_role", "CEO", True)]
    assert not service.calls


# -- known companies and the scroll token ------------------------------------------------------------------------------


def test_known_companies_are_left_out_by_the_query_itself() -> None:
    service = Service(found())
    service.fetch(known=Known(("b1", "b.test"), ("a1", None), (None, "c.test")))
    assert service.bodies[0]["query"]["bool"]["must_not"] == [
        {"terms": {"id": ["a1", "b1"]}},
        {"terms": {"website": ["b.test", "c.test"]}},
    ]


def test_a_list_that_is_full_is_told(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(found())
    service.fetch(known=Known(*((f"id{number}", None) for number in range(6000))))
    (clause,) = service.bodies[0]["query"]["bool"]["must_not"]
    assert len(clause["terms"]["id"]) == 5000
    assert "newest 5000 known companies" in caplog.text


def test_pages_scroll_with_the_same_query_while_the_process_lives() -> None:
    service = Service(found(*companies("a"), scroll="1.1$2"), found(*companies("b")))
    known = Known(("x1", None))
    first = service.fetch(known=known)
    known.companies.append(("a", "a.test"))  # a run's own companies are known from then on
    second = service.fetch(cursor=first.next_cursor, known=known)
    assert service.bodies[1].pop("scroll_token") == "1.1$2"
    assert service.bodies[1]["query"] == service.bodies[0]["query"]
    assert second.next_cursor is None


def test_a_new_process_that_knows_more_begins_anew_with_all_of_it() -> None:
    cursor = Service(found(*companies("a"), scroll="1.1$2")).fetch(known=Known(("x1", None))).next_cursor
    service = Service(found())
    service.fetch(cursor=cursor, known=Known(("a", None), ("x1", None)))
    assert "scroll_token" not in service.bodies[0]
    assert service.bodies[0]["query"]["bool"]["must_not"] == [{"terms": {"id": ["a", "x1"]}}]


def test_a_new_process_that_knows_the_same_goes_on() -> None:
    cursor = Service(found(*companies("a"), scroll="1.1$2")).fetch(known=Known(("x1", None))).next_cursor
    service = Service(found())
    service.fetch(cursor=cursor, known=Known(("x1", None)))
    assert service.bodies[0]["scroll_token"] == "1.1$2"


@pytest.mark.parametrize("token", [None, "", 7, {"a": 1}, True, "x" * 10_001])
def test_without_a_token_it_is_the_last_page(token: object) -> None:
    assert Service(found(*companies("a"), scroll=token)).fetch().next_cursor is None


def test_the_same_token_again_is_the_end() -> None:
    service = Service(found(*companies("a"), scroll="1.1$2"))
    first = service.fetch()
    assert first.next_cursor is not None
    assert service.fetch(cursor=first.next_cursor).next_cursor is None


def test_an_empty_page_is_the_end_whatever_its_token() -> None:
    assert Service(found(scroll="1.1$2")).fetch().next_cursor is None
