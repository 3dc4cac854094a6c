"""Errors say who, what and how much, and whether a retry makes sense."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lead_mining import exceptions as e


def test_only_trouble_on_the_way_is_worth_a_retry() -> None:
    raised = [
        e.InvalidRequest([e.FieldProblem("states", "DE-BE", "use another")]),
        e.InsufficientCredits("default", 30, 4),
        e.ProviderUnavailable("timed out"),
        e.ProviderBusy("at its limit", datetime.now(UTC)),
        e.ProviderRejected("no such industry"),
        e.MalformedRecord([("employees", "many", "not a number")]),
    ]
    assert [type(error).__name__ for error in raised if not error.permanent] == [
        "ProviderUnavailable",
        "ProviderBusy",
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            e.InsufficientCredits("default", 30, 4),
            "credit account 'default' cannot pay: 30 credits needed, 4 available; buy credits (DAG credits_top_up), "
            "ask for fewer leads, or set on_insufficient_credits to 'trim'",
        ),
        (e.MalformedRecord([("employees", "many", "not a number")]), "employees: not a number"),
    ],
)
def test_text(error: e.LeadMiningError, text: str) -> None:
    assert str(error) == text


def test_a_busy_provider_says_when_to_ask_again_and_has_charged_nothing() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    busy = e.ProviderBusy("at its limit", at)
    assert (busy.retry_at, busy.charge, str(busy)) == (at, "none", "at its limit")
