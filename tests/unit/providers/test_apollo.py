"""Apollo on the wire: what each stage asks and costs, and every trap of its contract."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

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
from lead_mining.providers import apollo
from lead_mining.providers.apollo import Apollo
from lead_mining.providers.apollo.calls import wait_of
from lead_mining.providers.base import Exclusions, Gate, Identity, Page, Preview, Query

KEY = "s3cret-api-key-of-ours"
US = Query(countries=("US",))
PEOPLE = Query(countries=("US",), contact_number=2, preferred_role="CEO", other_roles=("Marketing",))
COMPANIES, PERSONS = "/mixed_companies/search", "/mixed_people/api_search"
ENRICH, MATCH, BALANCE = "/organizations/bulk_enrich", "/people/bulk_match", "/usage_stats/credit_usage_stats"


class Known(Exclusions):
    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        return [reveal_id in self.ids for reveal_id, _ in companies]


class Spy(Gate):
    def __init__(self) -> None:
        self.entered: list[str] = []
        self.told: list[tuple[bool, float | None]] = []

    def enter(self, bucket: str) -> None:
        self.entered.append(bucket)

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.told.append((failed, wait))


class Service:
    """Gives each path's answers in turn, the last for ever; `calls` are path and arguments of what was asked."""

    def __init__(self, **answers: Any) -> None:
        paths = {"companies": COMPANIES, "people": PERSONS, "enrich": ENRICH, "match": MATCH, "balance": BALANCE}
        self.answers = {
            paths[name]: list(given) if isinstance(given, list) else [given] for name, given in answers.items()
        }
        self.calls: list[tuple[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.provider = Apollo("https://apollo.test", KEY, client=httpx.Client(transport=httpx.MockTransport(self)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/api/v1")
        arguments = json.loads(request.content) if request.content else parse_qsl(request.url.query.decode())
        self.calls.append((path, arguments))
        answers = self.answers[path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def fetch(
        self, query: Query = US, cursor: str | None = None, *, limit: int = 10, known: Exclusions | None = None
    ) -> Page:
        return self.provider.fetch(query, limit, cursor, known or Exclusions())

    def asked(self, path: str) -> list[Any]:
        return [arguments for asked, arguments in self.calls if asked == path]


def organizations(*ids: str, pages: Any = 1, **more: Any) -> dict[str, Any]:
    found = [{"id": one, "primary_domain": f"{one}.test"} for one in ids]
    return {"accounts": [], "organizations": found, "pagination": {"total_pages": pages}} | more


def enriched(*ids: str | None) -> dict[str, Any]:
    return {"organizations": [one and {"id": one, "name": one.upper(), "primary_domain": f"{one}.test"} for one in ids]}


def persons(*people: tuple[str, str], **more: Any) -> dict[str, Any]:
    listed = [
        {"id": id_, "first_name": "Jo", "last_name_obfuscated": "Ex***e", "title": title, "has_email": True} | more
        for id_, title in people
    ]
    return {"total_entries": len(listed), "people": listed}


def matches(*ids: str | None, **more: Any) -> dict[str, Any]:
    return {
        "matches": [
            one and {"id": one, "name": f"Jo {one}", "title": "CEO", "email": f"{one}@a.test"} | more for one in ids
        ]
    }


def refusal(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def bought(service: Service, query: Query = US, *, limit: int = 10, known: Exclusions | None = None) -> list[Page]:
    """All pages up to the first that is whole."""
    pages = [service.fetch(query, limit=limit, known=known)]
    while pages[-1].unfinished:
        pages.append(service.fetch(query, pages[-1].next_cursor, limit=limit, known=known))
    return pages


# -- finding companies -----------------------------------------------------------------------------------------------


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


# -- buying companies ------------------------------------------------------------------------------------------------


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


# -- people ----------------------------------------------------------------------------------------------------------


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


# -- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "number", "most"), [(100, 3, 401), (1, 0, 2), (101, 0, 103), (10, 1, 21)])
def test_the_most_that_it_can_cost(limit: int, number: int, most: int) -> None:
    query = Query(countries=("US",), contact_number=number)
    assert Service().provider.most(query, limit, None) == most


def test_the_most_that_is_left_to_pay_at_a_cursor() -> None:
    service = Service(
        companies=organizations("a", "b", "c"), enrich=enriched("a", "b"), people=persons(), match=matches()
    )
    found = service.fetch(PEOPLE, limit=2)
    assert [service.provider.most(PEOPLE, limit, found.next_cursor) for limit in (1, 3, 4)] == [3, 9, 13]
    page = service.fetch(PEOPLE, found.next_cursor, limit=2)
    assert service.provider.most(PEOPLE, 10, page.next_cursor) == 4


def test_a_preview_counts_people_free_and_loads_nobody() -> None:
    service = Service(people={"total_entries": 4711, "people": persons(("1", "CEO"))["people"]})
    assert service.provider.preview_costs(PEOPLE) == 0
    assert service.provider.preview(PEOPLE, 5, Exclusions()) == Preview(None, [], people=4711)
    (arguments,) = service.asked(PERSONS)
    assert {
        ("organization_locations[]", "United States"),
        ("person_titles[]", "marketing"),
        ("person_titles[]", "ceo"),
    } <= set(arguments)
    assert arguments[-2:] == [("page", "1"), ("per_page", "1")]


@pytest.mark.parametrize("total", [None, "lots", {}, True])
def test_a_count_that_is_none_is_not_known(total: object) -> None:
    service = Service(people={"total_entries": total, "people": []})
    assert service.provider.preview(PEOPLE, 5, Exclusions()) == Preview(None, [], people=None)


def test_companies_are_not_counted_for_it_would_cost() -> None:
    service = Service()
    assert service.provider.preview_costs(US) == 1
    assert service.provider.preview(US, 5, Exclusions()) == Preview(None, [])
    assert service.calls == []


def test_the_balance_is_free_and_settles_only_when_it_is_no_longer_late() -> None:
    service = Service(balance={"credit_usage_stats": {"lead_credit": {"limit": 100, "consumed": 60, "left_over": 40}}})
    assert service.provider.balance() == 40
    assert service.provider.answer_within == 310.0
    assert service.provider.check() == "The key is accepted; 40 credits are left."


@pytest.mark.parametrize(
    "answer",
    [{}, {"credit_usage_stats": []}, {"credit_usage_stats": {"lead_credit": 7}}, {"credit_usage_stats": {"lead_credit": {"left_over": -1}}}],
)  # fmt: skip
def test_a_balance_that_is_not_told_is_not_known(answer: object) -> None:
    assert Service(balance=answer).provider.balance() is None


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "charge", "says"),
    [
        (httpx.Response(401, text="Invalid API key..."), ProviderAccessDenied, "none", "check the API key"),
        (refusal(403, {"error": "x", "error_code": "API_INACCESSIBLE"}), ProviderAccessDenied, "none", "paid plan, or a master key"),
        (refusal(403, {"error": "x"}), ProviderAccessDenied, "none", "check the API key"),
        (refusal(422, {"error": "Invalid parameters"}), ProviderRejected, "none", "does not take the request"),
        (refusal(422, {"error": "You have insufficient credits"}), ProviderCreditsExhausted, "none", "not enough credits"),
        (refusal(422, ["credits"]), ProviderRejected, "none", "does not take the request"),
        (refusal(402, None), ProviderCreditsExhausted, "none", "not enough credits"),
        (refusal(404, {}), ProviderRejected, "none", "check the base URL"),
        (refusal(429, {"message": "too many"}), ProviderUnavailable, "none", "429"),
        (refusal(500, {}), ProviderUnavailable, "unknown", "500"),
        (refusal(504, {}), ProviderUnavailable, "pending", "504"),
        (httpx.ConnectError("refused"), ProviderUnavailable, "none", "not reached"),
        (httpx.ReadTimeout("slow"), ProviderUnavailable, "pending", "in time"),
        (refusal(200, []), MalformedAnswer, "unknown", "no object"),
        (refusal(200, {}), MalformedAnswer, "unknown", "organizations"),
        (refusal(200, {"organizations": {"id": 1}}), MalformedAnswer, "unknown", "organizations"),
        (refusal(200, {"organizations": [], "accounts": "x"}), MalformedAnswer, "unknown", "organizations"),
    ],
)  # fmt: skip
def test_each_refusal_says_whether_it_was_charged(
    answer: Any, error: type[ProviderError], charge: str, says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        Service(companies=answer).fetch()
    assert type(caught.value) is error
    assert caught.value.charge == charge
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("stage", ["enrich", "match"])
def test_the_paid_stages_name_what_is_missing(stage: str) -> None:
    answers = {"enrich": enriched("a"), "people": persons(("1", "CEO")), "match": matches("1")} | {
        stage: {"status": "success"}
    }
    with pytest.raises(MalformedAnswer, match="sent no list") as caught:
        bought(Service(companies=organizations("a"), **answers), PEOPLE)
    assert caught.value.charge == "unknown"


@pytest.mark.parametrize("answer", [refusal(503, {}), refusal(200, {"people": "x"}), httpx.ReadTimeout("slow")])
def test_a_free_search_that_fails_charged_nothing(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    service = Service(companies=organizations("a"), enrich=enriched("a"), people=answer)
    with pytest.raises(ProviderError) as caught:
        bought(service, PEOPLE)
    assert caught.value.charge == "none"
    assert service.asked(MATCH) == []


def test_the_key_stands_in_nothing_that_comes_back() -> None:
    service = Service(companies=organizations("a"), enrich={"organizations": [{"id": "a", "name": KEY}]})
    assert KEY not in json.dumps([[page.raw, page.records] for page in bought(service)])
    assert KEY not in repr(service.provider)


# -- its limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry-after": "1800", "x-hourly-requests-left": "0"}, 1800.0),
        (429, {"x-minute-requests-left": "0", "x-hourly-requests-left": "12"}, 60.0),
        (429, {"x-minute-requests-left": "0", "x-hourly-requests-left": "0"}, 3600.0),
        (429, {"x-24-hour-requests-left": " 0 "}, 86_400.0),
        (429, {"x-minute-requests-left": "none"}, None),
        (429, {}, None),
        (200, {"x-minute-requests-left": "0", "retry-after": "9"}, None),
        (403, {}, None),
    ],
)
def test_the_wait_is_theirs_or_that_of_the_window_used_up(
    status: int, headers: dict[str, str], wait: float | None
) -> None:
    assert wait_of(status, headers) == wait


def test_every_call_passes_the_gate_by_its_bucket() -> None:
    service = Service(
        companies=organizations("a"), enrich=enriched("a"), people=persons(("1", "CEO")), match=matches("1"), balance={}
    )
    service.provider.gate = spy = Spy()
    bought(service, Query(countries=("US",), contact_number=1, preferred_role="CEO"))
    service.provider.balance()
    assert spy.entered == ["companies", "enrich", "people", "enrich", "enrich"]
    assert len(spy.entered) == len(service.calls) == len(spy.told)
    assert set(spy.entered) == set(service.provider.rates)


def test_the_gate_is_told_to_wait() -> None:
    service = Service(companies=refusal(429, {}, retry_after="7"))
    service.provider.gate = spy = Spy()
    with pytest.raises(ProviderUnavailable) as caught:
        service.fetch()
    assert spy.told == [(False, 7.0)]
    assert caught.value.retry_after == 7.0
