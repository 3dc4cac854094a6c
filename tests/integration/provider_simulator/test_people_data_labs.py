"""People Data Labs' contract as the simulator speaks it: filters, pages, charges, headers, limits, faults."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from provider_simulator import EMPTY_200, HIDDEN_CONTACTS
from provider_simulator.generate import generate
from provider_simulator.testing import Simulator, running_simulator

KEY = "pdl-key"
CREDITS = 100_000
US = {"terms": {"location.country": ["united states"]}}
Search = Callable[..., httpx.Response]


def in_all(*clauses: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"bool": {"filter": list(clauses), **more}}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with running_simulator(credits=CREDITS) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator) -> Iterator[Simulator]:
    yield server
    server.clear_faults()
    server.clear_limits()


def ask(simulator: Simulator, query: Any, kind: str = "company", key: str = KEY, **body: Any) -> httpx.Response:
    asked = {"query": query, **body}
    return simulator.client.post(f"/v5/{kind}/search", json=asked, headers={"X-Api-Key": key})


def data_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return list(answer.raise_for_status().json()["data"])


def charged(simulator: Simulator) -> int:
    return int(simulator.account(KEY)["charged"])


def test_one_record_by_default_and_a_credit_a_record(simulator: Simulator) -> None:
    answer = ask(simulator, in_all(US))
    assert len(data_of(answer)) == 1
    before = charged(simulator)
    answer = ask(simulator, in_all(US), size=7)
    assert len(data_of(answer)) == 7
    assert answer.json()["total"] > 1000
    assert charged(simulator) - before == 7
    headers = answer.headers
    assert (headers["x-call-credits-spent"], headers["x-call-credits-type"]) == ("7", "search_company")
    assert int(headers["x-totallimit-remaining"]) == CREDITS - charged(simulator)
    assert int(headers["x-lifetime-used"]) == charged(simulator)


def test_filters(simulator: Simulator) -> None:
    query = in_all(
        {"bool": {"should": [in_all(US, {"term": {"location.region": "california"}}), {"term": {"location.country": "belgium"}}]}},
        {"range": {"employee_count": {"gte": 50, "lte": 500}}},
        {"terms": {"industry": ["computer software", "banking", "insurance", "machinery"]}},
    )  # fmt: skip
    companies = data_of(ask(simulator, query, size=100))
    assert {(one["location"]["country"], one["location"]["region"]) for one in companies} >= {
        ("united states", "california")
    }
    assert {one["location"]["country"] for one in companies} == {"united states", "belgium"}
    assert all(
        one["location"]["region"] == "california" for one in companies if one["location"]["country"] != "belgium"
    )
    assert all(50 <= one["employee_count"] <= 500 for one in companies)
    assert {one["industry"] for one in companies} <= {"computer software", "banking", "insurance", "machinery"}
    left = data_of(ask(simulator, {"bool": {**query["bool"], "must_not": [
        {"terms": {"id": [companies[0]["id"]]}}, {"terms": {"website": [companies[1]["website"].removeprefix("www.")]}},
    ]}}, size=100))  # fmt: skip
    assert {one["id"] for one in companies} - {one["id"] for one in left} >= {companies[0]["id"], companies[1]["id"]}


def test_pages_by_scroll_token_bring_all_once(simulator: Simulator) -> None:
    query = in_all({"term": {"location.country": "japan"}}, {"term": {"industry": "banking"}})
    found, token, total = [], None, None
    while total is None or token:
        body = ask(simulator, query, size=5, **({"scroll_token": token} if token else {})).json()
        found += [one["id"] for one in body["data"]]
        token, total = body["scroll_token"], body["total"]
    assert len(set(found)) == len(found) == total > 5
    token = ask(simulator, query, size=2).json()["scroll_token"]
    other = ask(simulator, in_all(US), size=2, scroll_token=token)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "invalid_request_error")


def test_people_of_a_company(simulator: Simulator) -> None:
    company = next(one for one in data_of(ask(simulator, in_all(US), size=60)) if ask(
        simulator, in_all({"term": {"job_company_id": one["id"]}}), "person").status_code == 200)  # fmt: skip
    by_id = data_of(ask(simulator, in_all({"term": {"job_company_id": company["id"]}}), "person", size=100))
    by_value = in_all({"term": {"job_company_id": {"value": company["id"]}}})
    assert data_of(ask(simulator, by_value, "person", size=100)) == by_id
    website = company["website"].removeprefix("www.")
    by_website = data_of(ask(simulator, in_all({"terms": {"job_company_website": [website]}}), "person", size=100))
    assert {one["id"] for one in by_id} <= {one["id"] for one in by_website}
    assert {one["job_company_id"] for one in by_id} == {company["id"]}
    assert any("@" in (one["work_email"] or "") for one in by_website)


def test_people_by_role_level_and_title(simulator: Simulator) -> None:
    marketing = data_of(ask(simulator, in_all({"terms": {"job_title_role": ["marketing"]}}), "person", size=20))
    assert {one["job_title_role"] for one in marketing} == {"marketing"}
    top = in_all({"term": {"job_title_levels": "cxo"}}, {"match_phrase": {"job_title": "chief executive officer"}})
    bosses = data_of(ask(simulator, top, "person", size=20, data_include="id,job_title"))
    assert {one["job_title"] for one in bosses} == {"chief executive officer"}
    assert set(bosses[0]) == {"id", "job_title"}
    without = data_of(ask(simulator, top, "person", data_include="-emails,work_email"))[0]
    assert "full_name" in without and not {"emails", "work_email"} & set(without)


def test_nothing_found_is_404_or_an_empty_200_and_free(simulator: Simulator) -> None:
    nothing = in_all({"term": {"id": "none"}})
    answer = ask(simulator, nothing)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")
    assert answer.headers["x-call-credits-spent"] == "0"
    assert int(answer.headers["x-totallimit-remaining"]) > 0
    with running_simulator(quirks=frozenset({EMPTY_200})) as other:
        assert ask(other, nothing).json() == {"status": 200, "data": [], "total": 0, "scroll_token": None}
        assert other.account(KEY)["charged"] == 0


def test_a_plan_that_hides_how_to_reach_people_says_true() -> None:
    with running_simulator(quirks=frozenset({HIDDEN_CONTACTS})) as poor:
        people = data_of(ask(poor, in_all({"exists": {"field": "job_title"}}), "person", size=50))
    assert {one["work_email"] for one in people} == {True, None}
    assert True in {one["mobile_phone"] for one in people}
    assert "@" not in str(people)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": {}, "size": 0},
        {"query": {"match_all": {}}, "size": 101},
        {"query": {"match_all": {}}, "size": "5"},
        {"query": {"match_all": {}}, "from": 10},
        {"sql": "SELECT * FROM company"},
        {"query": {"wildcard": {"name": "a*"}}},
        {"query": {"term": {"no_such_field": "a"}}},
        {"query": {"exists": {"field": ["name"]}}},
        {"query": {"terms": {"name": "a"}}},
        {"query": {"terms": {"name": [["a"]]}}},
        {"query": {"range": {"employee_count": {"gte": "many"}}}},
        {"query": {"bool": {"filter": ["a"]}}},
        {"query": {"bool": {"any": []}}},
        {"query": {"match_all": {}}, "scroll_token": "0$"},
        {"query": {"match_all": {}}, "scroll_token": "٣$abc"},
    ],
)
def test_what_it_does_not_understand_is_400(simulator: Simulator, body: dict[str, Any]) -> None:
    answer = simulator.client.post("/v5/company/search", json=body, headers={"X-Api-Key": "new"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_deep_queries_and_half_surrogates_are_refused(simulator: Simulator) -> None:
    deep: dict[str, Any] = {"match_all": {}}
    for _ in range(300):
        deep = {"bool": {"filter": [deep]}}
    assert ask(simulator, deep).status_code == 400
    half = b'{"query": {"term": {"name": "\\ud800"}}}'
    answer = simulator.client.post("/v5/company/search", content=half, headers={"X-Api-Key": KEY})
    assert answer.status_code == 400


def test_keys_and_credits() -> None:
    with running_simulator(credits=3, tokens=frozenset({KEY})) as strict:
        assert ask(strict, in_all(US), key="other").json()["error"]["type"] == "authentication_error"
        assert strict.client.post("/v5/company/search", json={"query": in_all(US)}).status_code == 401
        answer = ask(strict, in_all(US), size=4)
        assert (answer.status_code, answer.json()["error"]["type"]) == (402, "payment_required")
        assert answer.headers["x-totallimit-remaining"] == "3"
        assert len(data_of(ask(strict, in_all(US), size=3))) == 3


def test_a_limit_is_kept_and_told_by_the_moment_of_its_end(simulator: Simulator, clock: Any) -> None:
    simulator.limit("people_data_labs", "search", calls=2, seconds=60)
    clock.now += 20
    first, second, third = (ask(simulator, in_all(US), kind) for kind in ("company", "person", "company"))
    # people have no such field, but the call counted
    assert (first.status_code, second.status_code, third.status_code) == (200, 400, 429)
    assert third.json()["error"]["type"] == "rate_limit_error"
    assert "retry-after" not in third.headers
    assert ast.literal_eval(first.headers["x-ratelimit-remaining"]) == {"minute": 1, "day": None}
    assert datetime.fromisoformat(first.headers["x-ratelimit-reset"]).timestamp() == clock.now + 40
    assert 10 <= (datetime.fromisoformat(third.headers["x-ratelimit-reset"]) - datetime.now(UTC)).total_seconds() <= 41
    assert [one["refused"] for one in simulator.arrivals(KEY, "people_data_labs", "search")] == [False, False, True]
    assert ask(simulator, in_all(US), key="another").status_code == 200
    clock.now += 40
    assert ask(simulator, in_all(US)).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [("http_429", 429), ("http_500", 500), ("user_error", 400), ("access_error", 401), ("insufficient_credits", 402)],
)
def test_faults_before_the_sale_charge_nothing(simulator: Simulator, fault: str, status: int) -> None:
    ask(simulator, in_all(US))
    before = charged(simulator)
    simulator.add_fault(fault, seconds=5)
    answer = ask(simulator, in_all(US), size=3)
    assert answer.status_code == status
    assert charged(simulator) == before
    assert simulator.account(KEY)["calls"][-1]["outcome"] == fault
    if fault == "http_429":
        assert datetime.fromisoformat(answer.headers["x-ratelimit-reset"]) > datetime.now(UTC)


def test_a_search_that_finds_nothing_is_not_struck(simulator: Simulator) -> None:
    simulator.add_fault("http_500")
    assert ask(simulator, in_all({"term": {"id": "none"}})).status_code == 404
    assert ask(simulator, in_all(US)).status_code == 500


def test_faults_after_the_sale_charge(simulator: Simulator) -> None:
    ask(simulator, in_all(US))
    before = charged(simulator)
    simulator.add_fault("charged_then_500")
    assert ask(simulator, in_all(US), size=3).status_code == 500
    simulator.add_fault("cut_off")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(simulator, in_all(US), size=3)
    assert charged(simulator) - before == 6


def test_faults_in_the_records(simulator: Simulator) -> None:
    good = data_of(ask(simulator, in_all(US), size=4))
    simulator.add_fault("duplicate_companies")
    twice = data_of(ask(simulator, in_all(US), size=4))
    assert [one["id"] for one in twice] == [good[0]["id"], good[1]["id"], good[2]["id"], good[0]["id"]]
    simulator.add_fault("missing_keys")
    assert [set(good[0]) - set(one) for one in data_of(ask(simulator, in_all(US), size=4))] == [
        {"website"}, {"display_name"}, {"id"}, set(),
    ]  # fmt: skip
    simulator.add_fault("wrong_types")
    assert [one["employee_count"] for one in data_of(ask(simulator, in_all(US), size=2))] == [
        "many",
        good[1]["employee_count"],
    ]
    simulator.add_fault("hostile")
    hostile = data_of(ask(simulator, in_all(US), size=4))
    assert [one["id"] for one in hostile] == [one["id"] for one in good]
    assert {one["location"]["country"] for one in hostile} == {"united states"}
    assert "<script>" in hostile[0]["location"]["locality"]


def test_a_repeated_page_is_the_last_answer_once_more(simulator: Simulator) -> None:
    first = ask(simulator, in_all(US), size=3).json()
    simulator.add_fault("repeated_page")
    again = ask(simulator, in_all(US), size=3, scroll_token=first["scroll_token"]).json()
    assert again == first


def test_an_answer_is_cut_at_a_million_bytes() -> None:
    rows = [{**row, "description": "very " * 10_000} for row in generate(30)]
    with running_simulator(rows) as wordy:
        answer = ask(wordy, {"match_all": {}}, size=30)
    assert len(answer.content) == 1_000_000
    assert answer.headers["x-call-credits-spent"] == "30"
