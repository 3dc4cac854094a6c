"""Windows of calls, by account, contract and bucket."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from stopped_clock import StoppedClock

from provider_simulator import limits
from provider_simulator.limits import Limit, Limits


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    clock = StoppedClock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def minute(calls: int, seconds: float = 50) -> Limit:
    return Limit(contract="apollo", bucket="people", calls=calls, seconds=seconds)


def test_a_full_window_refuses_until_it_ends(clock: StoppedClock) -> None:
    watched = Limits()
    watched.set(minute(2))
    clock.now += 10
    assert [watched.enter("apollo", "people", "a") for _ in range(3)] == [None, None, 40]
    clock.now += 39
    assert watched.enter("apollo", "people", "a") == 1
    clock.now += 1
    assert watched.enter("apollo", "people", "a") is None
    assert [one.refused for one in watched.arrivals("apollo", "people", "a")] == [False, False, True, True, False]
    assert [one.at - 1_800_000_000 for one in watched.arrivals("apollo", "people", "a")] == [10, 10, 10, 49, 50]


def test_accounts_and_buckets_are_counted_apart(clock: StoppedClock) -> None:
    watched = Limits()
    watched.set(minute(1))
    assert watched.enter("apollo", "people", "a") is None
    assert watched.enter("apollo", "people", "b") is None
    assert watched.enter("apollo", "companies", "a") is None
    assert watched.enter("apollo", "people", "a") == 50


def test_the_longest_of_several_full_windows_is_waited_for_and_a_refused_call_counts_in_none(
    clock: StoppedClock,
) -> None:
    watched = Limits()
    watched.set(minute(1))
    watched.set(minute(2, seconds=1000))
    assert watched.enter("apollo", "people", "a") is None
    assert watched.enter("apollo", "people", "a") == 50
    clock.now += 50
    assert watched.enter("apollo", "people", "a") is None
    assert watched.enter("apollo", "people", "a") == 950
    short, long = watched.windows("apollo", "people", "a")
    assert (short.used, long.used, long.ends) == (1, 2, 1_800_001_000)


def test_a_limit_is_set_anew_and_cleared(clock: StoppedClock) -> None:
    watched = Limits()
    watched.set(minute(0))
    assert watched.enter("apollo", "people", "a") == 50
    watched.set(minute(5))
    assert watched.enter("apollo", "people", "a") is None
    assert len(watched.limits) == 1
    watched.clear()
    assert watched.arrivals("apollo", "people", "a") == watched.windows("apollo", "people", "a") == []


@pytest.mark.parametrize(
    "wrong",
    [{"calls": -1}, {"seconds": 0}, {"seconds": 1e9}, {"minutes": 1}, {"contract": "zoominfo"}, {"bucket": "search"}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Limit.model_validate({"contract": "apollo", "bucket": "people", "calls": 1, "seconds": 60, **wrong})
