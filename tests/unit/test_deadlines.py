"""The deadline of a run: its time, and what is told where it is missed. A real one is missed in tests/dags."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lead_mining import deadlines, notifiers
from lead_mining.deadlines import RunCreated, run_deadline, tell_of_late_run
from lead_mining.messages import Message

Told = list[tuple[list[str], Message]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    found: Told = []
    monkeypatch.setattr(notifiers, "tell", lambda to, message: found.append((to, message)))
    monkeypatch.setattr(deadlines, "_how_far", lambda run_key, crm_conn_id: (None, []))
    monkeypatch.delenv("LEAD_MINING_ON_CALL", raising=False)
    return found


def context(state: str = "running", **changes: Any) -> dict[str, Any]:
    began = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    run = {"dag_id": "lead_mining_nightly", "dag_run_id": "r 1", "state": state, "conf": None, "run_after": began}
    return {"dag_run": run | changes, "deadline": {}}


@pytest.mark.parametrize(("text", "hours"), [(None, 4), ("", 4), ("0.5", 0.5), ("72", 72)])
def test_the_time_is_four_hours_or_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, text: str | None, hours: float
) -> None:
    monkeypatch.delenv("LEAD_MINING_DEADLINE_HOURS", raising=False)
    if text is not None:
        monkeypatch.setenv("LEAD_MINING_DEADLINE_HOURS", text)
    deadline = run_deadline()
    assert deadline.interval == timedelta(hours=hours)
    assert deadline.callback.path == "lead_mining.deadlines.tell_of_late_run"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e300"])
def test_a_time_that_is_none_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LEAD_MINING_DEADLINE_HOURS", text)
    with pytest.raises(
        ValueError, match=f"LEAD_MINING_DEADLINE_HOURS is '{text}': set it to a number of hours above 0"
    ):
        run_deadline()


def test_it_counts_from_when_the_run_is_made() -> None:
    before = datetime.now(UTC)
    assert before <= RunCreated()._evaluate_with(session=None) <= datetime.now(UTC)


def test_who_is_named_and_who_is_on_call_are_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_MINING_ON_CALL", "#data, ops@example.com , nonsense,")
    asyncio.run(tell_of_late_run(context(conf={"notify": ["boss@example.com", "#data", 7]})))
    ((to, message),) = told
    assert to == ["boss@example.com", "#data", "ops@example.com"]
    assert message.subject == "Lead mining: the run r 1 of lead_mining_nightly has not ended in time"
    assert message.lines[0].endswith("was started 5 hours ago and has not ended.")


def test_where_nobody_is_named_it_is_a_line_in_the_log(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(tell_of_late_run(context()))
    assert [to for to, _ in told] == [[]]
    late, nobody = caplog.messages
    assert late.startswith("Lead mining: the run r 1 of lead_mining_nightly has not ended in time. ")
    assert "What to do" in late
    assert nobody == "nobody is told: name somebody in the request (notify), or for all runs in LEAD_MINING_ON_CALL"


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_has_ended_was_told_of_when_it_did(told: Told, state: str) -> None:
    asyncio.run(tell_of_late_run(context(state)))
    assert told == []


def test_a_database_that_does_not_answer_is_told_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(conn_id: str) -> None:
        raise OSError(f"{conn_id} is down")

    monkeypatch.setattr("lead_mining.hooks.crm_session", down)
    asyncio.run(tell_of_late_run(context(conf={"crm_conn_id": "our_crm"})))
    assert "how far the run has come is not known (OSError)" in caplog.text
    assert "The CRM's database does not answer, which may be why." in caplog.text
