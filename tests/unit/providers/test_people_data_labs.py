"""People Data Labs on the wire: what is asked, in which order it is paid for, and every trap of its contract."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.base import Exclusions, Gate, Identity, Page, Preview, Query
from lead_mining.providers.people_data_labs import PeopleDataLabs
from lead_mining.providers.people_data_labs.limits import wait_of

KEY = "s3cret-api-key-of-ours"
US = Query(countries=("US",))
PEOPLE = Query(countries=("US",), contact_number=3, preferred_role="CEO", other_roles=("Marketing", "Sale"))
NOTHING = {"status": 404, "error": {"type": "not_found", "message": "No records were found"}}


class Known(Exclusions):
    def __init__(self, *companies: Identity) -> None:
        self.companies = list(companies)

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        return self.companies[:most]


class Spy(Gate):
    def __init__(self) -> None:
        self.entered: list[str] = []
        self.told: list[tuple[bool, float | None]] = []

    def enter(self, bucket: str) -> None:
        self.entered.append(bucket)

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.told.append((failed, wait))


class Service:
    """Gives the answers in turn, the last for ever; `calls` are what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[httpx.Request] = []
        self.provider = PeopleDataLabs(
            "https://pdl.test", KEY, client=httpx.Client(transport=httpx.MockTransport(self))
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(call.content) for call in self.calls]

    def fetch(
        self, query: Query = US, cursor: str | None = None, *, limit: int = 3, known: Exclusions | None = None
    ) -> Page:
        return self.provider.fetch(query, limit, cursor, known or Exclusions())


def found(*records: Any, scroll: Any = None) -> dict[str, Any]:
    return {"status": 200, "data": list(records), "total": len(records), "scroll_token": scroll}


def companies(*ids: str) -> list[dict[str, Any]]:
    return [{"id": one, "display_name": one.upper(), "website": f"{one}.test"} for one in ids]


def person(id_: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "full_name": f"jo {id_}"} | values


def told(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def filters(service: Service, call: int = -1) -> list[Any]:
    clauses: list[Any] = service.bodies[call]["query"]["bool"]["filter"]
    return clauses


# -- what is asked ---------------------------------------------------------------------------------------------------


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


# -- known companies and the scroll token ----------------------------------------------------------------------------


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


# -- people ----------------------------------------------------------------------------------------------------------


def drain(service: Service, query: Query = PEOPLE) -> tuple[list[Page], dict[str, list[Any]]]:
    """All pages up to the first that is whole, and the contacts of each company."""
    pages = [service.fetch(query)]
    contacts: dict[str, list[Any]] = {}
    while pages[-1].unfinished:
        pages.append(service.fetch(query, pages[-1].next_cursor, limit=1))
        for company, people in pages[-1].contacts.items():
            contacts.setdefault(company, []).extend(people)
    return pages, contacts


def test_people_are_bought_one_company_at_a_time_and_then_companies_go_on() -> None:
    query = Query(countries=("US",), contact_number=2)
    service = Service(
        found(*companies("a", "b"), scroll="9$9"),
        found(person("1"), person("2")),
        found(person("3")),
        found(*companies("c")),
    )
    pages, contacts = drain(service, query)
    assert [page.charged for page in pages] == [2, 2, 1]
    assert {company: [p["id"] for p in people] for company, people in contacts.items()} == {"a": ["1", "2"], "b": ["3"]}
    assert [body["size"] for body in service.bodies[1:]] == [2, 2]
    assert [filters(service, call) for call in (1, 2)] == [[{"term": {"job_company_id": one}}] for one in "ab"]
    assert all(page.records == [] for page in pages[1:])
    service.fetch(query, pages[-1].next_cursor)
    assert service.bodies[-1]["scroll_token"] == "9$9"


def test_the_preferred_role_comes_first_and_the_others_fill_up() -> None:
    service = Service(
        found(*companies("a")), found(person("1", job_title="ceo")), found(person("2", job_title_role="sales"))
    )
    pages, contacts = drain(service)
    parsed = [service.provider.parse_contact(record) for record in contacts["a"]]
    assert [contact.role for contact in parsed] == ["CEO", "sale"]
    first, second = service.bodies[1:]
    ceos = first["query"]["bool"]["filter"][1]["terms"]["job_title"]
    assert "chief executive officer" in ceos
    assert second["query"]["bool"]["filter"][1] == {"terms": {"job_title_role": ["marketing", "sales"]}}
    assert second["query"]["bool"]["must_not"] == [{"terms": {"job_title": ceos}}]  # nobody is paid for twice
    assert [first["size"], second["size"]] == [3, 2]
    assert [page.unfinished for page in pages] == [True, True, False]


def test_each_fetch_makes_one_paid_call_and_any_number_of_free_ones() -> None:
    service = Service(found(*companies("a")), told(NOTHING, 404), found(person("2", job_title_role="sales")))
    pages, contacts = drain(service)
    assert [page.charged for page in pages] == [1, 1]
    assert [record["id"] for record in contacts["a"]] == ["2"]


def test_a_search_that_finds_nothing_but_is_charged_is_a_page_of_its_own() -> None:
    charged = told(found(), x_call_credits_spent="1")
    service = Service(found(*companies("a")), charged, found(person("2", job_title_role="sales")))
    assert [page.charged for page in drain(service)[0]] == [1, 1, 1]


def test_enough_of_the_preferred_role_asks_for_no_other() -> None:
    service = Service(found(*companies("a")), found(*(person(one, job_title="ceo") for one in "123")))
    pages, _ = drain(service)
    assert len(pages) == 2


def test_who_was_looked_for_and_not_found_is_said() -> None:
    service = Service(found(*companies("a")), told(NOTHING, 404))
    pages, contacts = drain(service)
    assert contacts == {"a": []}
    assert (pages[-1].charged, len(service.calls)) == (0, 3)


def test_people_by_seniority() -> None:
    query = Query(countries=("US",), contact_number=1, contact_filter_type="seniority", seniority="executive")
    service = Service(found(*companies("a")), found(person("1", job_title_levels=["vp"])))
    _, contacts = drain(service, query)
    assert filters(service)[1] == {"terms": {"job_title_levels": ["cxo", "vp", "owner", "partner"]}}
    assert service.provider.parse_contact(contacts["a"][0]).seniority == "executive"


def test_roles_that_are_known_by_different_fields_are_alternatives() -> None:
    query = Query(countries=("US",), contact_number=1, other_roles=("Owner", "Legal"))
    service = Service(found(*companies("a")), found())
    drain(service, query)
    assert filters(service)[1] == {
        "bool": {"should": [{"terms": {"job_title_levels": ["owner"]}}, {"terms": {"job_title_role": ["legal"]}}]}
    }


def test_companies_that_another_provider_sold_are_asked_for_by_domain() -> None:
    service = Service(found(person("1")), told(NOTHING, 404))
    query = Query(countries=("US",), contact_number=1)
    cursor = service.provider.contacts_of(query, [("theirs", "a.test"), ("x", None), (None, "b.test")])
    assert service.provider.most(query, 1, cursor) == 2
    first = service.fetch(query, cursor)
    second = service.fetch(query, first.next_cursor)
    assert [filters(service, call)[0] for call in (0, 1)] == [
        {"term": {"job_company_website": "a.test"}},
        {"term": {"job_company_website": "b.test"}},
    ]
    assert (list(first.contacts), list(second.contacts)) == (["theirs"], ["b.test"])
    assert (second.next_cursor, second.unfinished) == (None, False)
    assert service.provider.contacts_of(US, [("theirs", "a.test")]) is None
    assert service.provider.contacts_of(query, [("theirs", None)]) is None
    twice = service.provider.contacts_of(query, [("theirs", "a.test"), ("theirs", "a.test")])
    assert service.provider.most(query, 1, twice) == query.contact_number


def test_a_record_without_an_id_is_owed_no_people_and_is_not_lost() -> None:
    page = Service(found({"website": "a.test"}, {"id": True}, "no object", *companies("b"))).fetch(PEOPLE)
    assert page.next_cursor is not None
    assert (len(page.records), page.charged) == (4, 4)
    assert [one["reveal_id"] for one in json.loads(page.next_cursor)["owed"]] == ["b"]


def test_no_personal_data_is_asked_for_or_stands_in_a_cursor() -> None:
    service = Service(found(*companies("a")), found(person("p1", job_title="ceo", work_email="jo@a.test")), found())
    pages, _ = drain(service)
    asked_for = set(service.bodies[1]["data_include"].split(","))
    assert not asked_for & {"personal_emails", "recommended_personal_email", "birth_date", "street_addresses", "sex"}
    assert all("jo" not in str(page.next_cursor) and "p1" not in str(page.next_cursor) for page in pages)


def test_private_addresses_are_not_stored_though_they_come_beside_the_others() -> None:
    emails = [
        {"address": f"jo@{kind}.test", "type": kind} for kind in ("personal", "professional", "current_professional")
    ]
    service = Service(
        found(*companies("a")),
        found(person("1", job_title="ceo", emails=[*emails, "odd"]), person("2", emails="odd")),
        found(),
    )
    pages, contacts = drain(service)
    assert pages[1].raw["data"][0]["emails"] == contacts["a"][0]["emails"] == emails[2:]
    assert "personal.test" not in json.dumps([[page.raw, page.contacts] for page in pages])
    assert service.provider.parse_contact(contacts["a"][0]).email == "jo@current_professional.test"


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_the_most_that_it_can_cost() -> None:
    service = Service(found(*companies("a", "b")), found(person("1", job_title="ceo")))
    assert service.provider.most(US, 60, None) == 60
    assert service.provider.most(PEOPLE, 100, None) == 400
    first = service.fetch(PEOPLE)
    assert service.provider.most(PEOPLE, 1, first.next_cursor) == 6
    second = service.fetch(PEOPLE, first.next_cursor)
    assert service.provider.most(PEOPLE, 50, second.next_cursor) == 5


@pytest.mark.parametrize(("header", "charged"), [("5", 5), ("0", 0), ("2.0", 2), ("-1", 2), ("many", 2), ("", 2)])
def test_the_header_says_what_was_charged_or_else_the_number_of_records(
    header: str, charged: int, caplog: pytest.LogCaptureFixture
) -> None:
    page = Service(told(found(*companies("a", "b")), x_call_credits_spent=header)).fetch()
    assert page.charged == charged
    assert ("charged" in caplog.text) == (charged != 2)


@pytest.mark.parametrize("answer", [told(NOTHING, 404, x_call_credits_spent="0"), told(NOTHING, 404), found()])
def test_nothing_found_is_an_empty_page_and_free(answer: Any) -> None:
    page = Service(answer).fetch()
    assert (page.records, page.charged, page.next_cursor) == ([], 0, None)


def test_a_preview_would_cost_so_none_is_asked_for() -> None:
    service = Service(found())
    assert service.provider.preview_costs(US) == 1
    assert service.provider.preview(US, 3, Exclusions()) == Preview(None, [])
    assert not service.calls


def test_the_balance_is_told_by_a_search_that_finds_nothing() -> None:
    service = Service(told(NOTHING, 404, x_totallimit_remaining="77"))
    assert service.provider.balance() == 77
    assert service.bodies[0] == {"query": {"bool": {"filter": [{"term": {"id": "none"}}]}}, "size": 1}
    assert service.provider.check() == "The key is accepted; 77 credits are left."


def test_a_balance_that_need_not_be_fresh_takes_no_call() -> None:
    service = Service(
        told(found(*companies("a")), x_totallimit_remaining="41"), told(NOTHING, 404, x_totallimit_remaining="40")
    )
    service.fetch()
    assert (service.provider.balance(fresh=False), len(service.calls)) == (41, 1)
    assert (service.provider.balance(), len(service.calls)) == (40, 2)


def test_a_first_balance_takes_a_call() -> None:
    service = Service(told(NOTHING, 404, x_totallimit_remaining="40"))
    assert service.provider.balance(fresh=False) == 40


@pytest.mark.parametrize("header", ["", "-3", "lots", "None"])
def test_a_balance_that_is_not_told_is_not_known(header: str) -> None:
    assert Service(told(NOTHING, 404, x_totallimit_remaining=header)).provider.balance() is None


def test_a_balance_of_before_is_never_told_as_a_fresh_one() -> None:
    service = Service(told(found(*companies("a")), x_totallimit_remaining="41"), told(NOTHING, 404))
    service.fetch()
    assert service.provider.balance() is None


def test_an_account_at_its_maximum_has_nothing_left() -> None:
    assert Service(told({}, 402)).provider.balance() == 0


def test_a_balance_is_asked_for_again_where_the_service_stumbles() -> None:
    service = Service(told({}, 503), told(NOTHING, 404, x_totallimit_remaining="7"))
    assert service.provider.balance() == 7


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "charge"),
    [
        (told({}, 400), ProviderRejected, "none"),
        (told({}, 405), ProviderRejected, "none"),
        (told({}, 401), ProviderAccessDenied, "none"),
        (told({}, 403), ProviderAccessDenied, "none"),
        (told({}, 402), ProviderCreditsExhausted, "none"),
        (told({}, 429), ProviderUnavailable, "none"),
        (told({}, 500), ProviderUnavailable, "unknown"),
        (told({}, 503), ProviderUnavailable, "unknown"),
        (told({}, 504), ProviderUnavailable, "pending"),
        (httpx.ConnectError("refused"), ProviderUnavailable, "none"),
        (httpx.ReadTimeout("slow"), ProviderUnavailable, "pending"),
        (told({"detail": "Not Found"}, 404), ProviderRejected, "none"),  # not of this service: a wrong base URL
        (httpx.Response(404, text="<html>"), ProviderRejected, "none"),
        (told({"status": 200}), MalformedAnswer, "unknown"),
        (told({"data": {"id": "a"}}), MalformedAnswer, "unknown"),
        (told([]), MalformedAnswer, "unknown"),
        (httpx.Response(200, text="<html>"), MalformedAnswer, "unknown"),
    ],
)  # fmt: skip
def test_each_refusal_says_whether_it_was_charged(answer: Any, error: type[ProviderError], charge: str) -> None:
    with pytest.raises(error) as caught:
        Service(answer).fetch()
    assert type(caught.value) is error
    assert caught.value.charge == charge
    assert KEY not in str(caught.value)


def test_an_answer_cut_at_a_million_bytes_is_not_asked_for_again() -> None:
    cut = b'{"data": ["' + b"x" * 1_000_000
    packed = httpx.Response(200, content=gzip.compress(cut), headers={"Content-Encoding": "gzip"})
    with pytest.raises(MalformedAnswer, match="ask for less at once") as caught:
        Service(packed).fetch()
    assert (caught.value.permanent, caught.value.charge) == (True, "unknown")
    with pytest.raises(ProviderUnavailable, match="cut off after"):
        Service(httpx.Response(200, content=cut[:1000])).fetch()


def test_the_key_stands_in_nothing_that_comes_back() -> None:
    page = Service(found({"id": "a", "name": f"key {KEY}", KEY: 1})).fetch()
    assert KEY not in json.dumps([page.raw, page.records])
    assert KEY not in repr(Service(found()).provider)


@pytest.mark.parametrize("limit", [0, 51, -1])
def test_a_limit_outside_a_page_is_a_mistake_of_ours(limit: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 50"):
        Service(found()).fetch(limit=limit)


# -- its limit -------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=30)
NONE_LEFT = "{'minute': 0, 'day': None}"


@pytest.mark.parametrize(
    "reset",
    [
        LATER.isoformat(),
        "2026-11-26T12:00:30Z",
        "2026-11-26T12:00:30",
        f"{LATER.timestamp():.0f}",
        format_datetime(LATER, usegmt=True),
    ],
)
@pytest.mark.parametrize(("status", "left"), [(429, ""), (200, NONE_LEFT)])
def test_the_reset_is_by_their_clock_and_a_second_more(status: int, left: str, reset: str) -> None:
    headers = {"x-ratelimit-reset": reset, "x-ratelimit-remaining": left, "date": format_datetime(NOON, usegmt=True)}
    assert wait_of(status, headers) == 31.0


def test_without_their_clock_ours_counts() -> None:
    reset = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    assert 25 < (wait_of(429, {"x-ratelimit-reset": reset}) or 0) <= 31


@pytest.mark.parametrize(("seconds", "wait"), [(-600, 1.0), (10**6, 24 * 3600.0)])
def test_a_wait_is_between_a_second_and_a_day(seconds: int, wait: float) -> None:
    reset = (NOON + timedelta(seconds=seconds)).isoformat()
    assert wait_of(429, {"x-ratelimit-reset": reset, "date": format_datetime(NOON, usegmt=True)}) == wait


@pytest.mark.parametrize("reset", ["", "soon", "nan", "inf", "1e400", "9" * 400, "-1" * 50, "1764158430000"])
def test_a_reset_that_is_no_time_leaves_retry_after(reset: str) -> None:
    assert wait_of(429, {"x-ratelimit-reset": reset}) is None
    assert wait_of(429, {"x-ratelimit-reset": reset, "retry-after": "20"}) == 20


@pytest.mark.parametrize(
    "left",
    ["", "{'minute': 3}", "{'minute': None}", "{'day': 0}", "0", "{'minute': ", "__import__('os')", "(" * 150, "[" * 10_000, "{'minute': 0}" + " " * 300, '{"minute": null}'],
)  # fmt: skip
def test_only_a_minute_without_calls_left_makes_wait(left: str) -> None:
    assert wait_of(200, {"x-ratelimit-reset": LATER.isoformat(), "x-ratelimit-remaining": left}) is None


def test_every_call_passes_the_gate_which_is_told_what_came_of_it() -> None:
    reset = {"x_ratelimit_reset": LATER.isoformat(), "date": format_datetime(NOON, usegmt=True)}
    service = Service(found(*companies("a")), told({}, 429, **reset), told({}, 500), told(NOTHING, 404))
    service.provider.gate = spy = Spy()
    cursor = service.fetch(PEOPLE).next_cursor
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            service.fetch(PEOPLE, cursor)
    service.provider.balance()
    assert spy.entered == ["search"] * 4 == ["search"] * len(service.calls)
    assert spy.told == [(False, None), (False, 31.0), (True, None), (False, None)]


def test_nothing_is_logged_of_what_they_say(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="lead_mining")
    service = Service(told(found({"id": "a", "name": "Secretive"}), x_call_credits_spent="9"))
    service.fetch()
    assert "Secretive" not in caplog.text


def test_a_cursor_holds_all_that_another_process_needs() -> None:
    answers: Sequence[Any] = [found(*companies("a", "b"), scroll="5$5"), found(person("1")), found(person("2"))]
    query, cursor, got = Query(countries=("US",), contact_number=1), None, []
    for answer in answers:
        page = Service(answer).fetch(query, cursor)
        cursor = page.next_cursor
        got += [*page.records, *(record for people in page.contacts.values() for record in people)]
    assert [record["id"] for record in got] == ["a", "b", "1", "2"]
