"""What People Data Labs costs, how it refuses, and for how long it wants no call."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from gate_spy import Spy
from pdl_service import KEY, NOTHING, PEOPLE, US, Service, companies, found, person, told

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.base import Exclusions, Preview, Query
from lead_mining.providers.people_data_labs.limits import wait_of

# -- what it costs -----------------------------------------------------------------------------------------------------


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
    assert service.provider.check() == "The account is open; 77 credits are left."


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


# -- what goes wrong ---------------------------------------------------------------------------------------------------


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


# -- its limit ---------------------------------------------------------------------------------------------------------


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
