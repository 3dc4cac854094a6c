"""When faults strike, and how they disfigure an answer."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from provider_simulator import wire
from provider_simulator.faults import Fault, FaultPlan, Replay, Switchboard, disfigure
from provider_simulator.generate import generate
from provider_simulator.odoo_iap import SHAPE
from provider_simulator.search import parse_search

SEARCH = parse_search(
    {"lead_number": 9, "search_type": "people", "contact_number": 5, "contact_filter_type": "seniority"}
)
LEADS = [wire.lead(row, SEARCH) for row in generate(9, 8)]


def _strikes(switchboard: Switchboard, calls: int) -> list[str | None]:
    return [plan.fault.value if (plan := switchboard.next_fault()) else None for _ in range(calls)]


def test_plans_strike_in_line_after_the_calls_to_skip() -> None:
    switchboard = Switchboard()
    switchboard.add(FaultPlan(fault=Fault.HTTP_500, calls=2, skip=1))
    switchboard.add(FaultPlan(fault=Fault.DELAY))
    assert [(plan.calls, plan.skip) for plan in switchboard.plans()] == [(2, 1), (1, 0)]
    assert _strikes(switchboard, 5) == [None, "http_500", "http_500", "delay", None]
    assert switchboard.plans() == []


def test_a_share_strikes_the_same_calls_for_the_same_seed_until_cleared() -> None:
    runs = []
    for seed in (1, 1, 2):
        switchboard = Switchboard()
        switchboard.add(FaultPlan(fault=Fault.HTTP_500, share=0.3, seed=seed))
        runs.append(_strikes(switchboard, 300))
        switchboard.clear()
        assert _strikes(switchboard, 1) == [None]
    assert runs[0] == runs[1] != runs[2]
    assert 60 < sum(strike is not None for strike in runs[0]) < 120


@pytest.mark.parametrize(
    "plan",
    [
        {"fault": "earthquake"},
        {"fault": "delay", "calls": 0},
        {"fault": "delay", "share": 1.5},
        {"fault": "delay", "share": 0.5, "calls": 2},
        {"fault": "delay", "share": 0.5, "skip": 2},
        {"fault": "delay", "seconds": -1},
        {"fault": "delay", "minutes": 1},
    ],
)
def test_plans_that_make_no_sense_are_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaultPlan.model_validate(plan)


def test_clear_forgets_recorded_answers_too() -> None:
    switchboard = Switchboard()
    switchboard.queue([Replay(body={}), Replay(body="text", http=500)])
    assert (replay := switchboard.next_replay()) is not None
    assert replay.http == 200
    switchboard.clear()
    assert switchboard.next_replay() is None


@pytest.mark.parametrize("fault", Fault)
def test_the_leads_in_the_books_stay_as_they_are(fault: Fault) -> None:
    before = deepcopy(LEADS)
    disfigure(fault, LEADS, SHAPE)
    assert before == LEADS


def test_missing_keys_in_turn() -> None:
    no_phone, no_name, no_company, whole, *_ = disfigure(Fault.MISSING_KEYS, LEADS, SHAPE)
    assert "phone" not in no_phone["company_data"]
    assert "name" not in no_name["company_data"]
    assert set(no_company) == {"people_data"}
    assert whole == LEADS[3]


def test_wrong_types_in_every_second() -> None:
    spoilt = disfigure(Fault.WRONG_TYPES, LEADS, SHAPE)
    company = spoilt[0]["company_data"]
    assert (company["employees"], company["founded_year"]) == ("many", {})
    assert isinstance(company["email"], str)
    assert spoilt[1::2] == LEADS[1::2]


def test_hostile_text_is_everywhere_but_in_ids_and_can_be_sent() -> None:
    spoilt = disfigure(Fault.HOSTILE, LEADS, SHAPE)
    body = wire.answer("1", wire.result(spoilt))
    read = json.loads(body)["result"]["data"]
    for before, after in zip(LEADS, read, strict=True):
        company = after["company_data"]
        assert company["clearbit_id"] == before["company_data"]["clearbit_id"]
        assert company["sector"] == company["city"] != before["company_data"]["city"]
        assert set(company) == set(before["company_data"])
        assert len(after["people_data"]) == len(before["people_data"])
    texts = {lead["company_data"]["description"] for lead in read}
    assert any("<script>" in text for text in texts)
    assert any("DROP TABLE" in text for text in texts)
    assert any(len(text) >= 100_000 for text in texts)
    assert any("\x00" in text for text in texts)
    assert any("\ud800" in text for text in texts)
