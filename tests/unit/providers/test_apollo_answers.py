"""What Apollo costs, how it refuses, and for how long it wants no call."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from apollo_service import (
    KEY,
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
    refusal,
)
from gate_spy import Spy

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.apollo.calls import wait_of
from lead_mining.providers.base import Exclusions, Preview, Query

# -- what it costs -----------------------------------------------------------------------------------------------------


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
    assert service.provider.check() == "The account is open; 40 credits are left."


@pytest.mark.parametrize(
    "answer",
    [{}, {"credit_usage_stats": []}, {"credit_usage_stats": {"lead_credit": 7}}, {"credit_usage_stats": {"lead_credit": {"left_over": -1}}}],
)  # fmt: skip
def test_a_balance_that_is_not_told_is_not_known(answer: object) -> None:
    assert Service(balance=answer).provider.balance() is None


# -- what goes wrong ---------------------------------------------------------------------------------------------------


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


# -- its limits --------------------------------------------------------------------------------------------------------


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
