"""Each fault, as a caller sees it and as the books have it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from provider_simulator.odoo_iap import ENDPOINT
from provider_simulator.testing import Simulator

Ask = Callable[..., httpx.Response]
Mine = Callable[..., list[dict[str, Any]]]
PAGE = {"lead_number": 4, "countries": [{"code": "AU", "states": []}]}


def ids(leads: list[dict[str, Any]]) -> list[str]:
    return [lead["company_data"]["clearbit_id"] for lead in leads]


def last_call(simulator: Simulator) -> tuple[str, int, int]:
    """Outcome, companies, charged."""
    call = simulator.account("trial-1")["calls"][-1]
    return call["outcome"], call["companies"], call["charged"]


def test_faults_wait_in_line_and_are_cleared(simulator: Simulator, ask: Ask) -> None:
    simulator.add_fault("http_500", calls=2, skip=1)
    assert [ask().status_code for _ in range(4)] == [200, 500, 500, 200]
    simulator.add_fault("http_500", share=1.0)
    assert simulator.client.get("/simulator/faults").json()[0]["fault"] == "http_500"
    assert ask().status_code == 500
    simulator.clear_faults()
    assert simulator.client.get("/simulator/faults").json() == []
    assert ask().status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [("http_429", 429, "7"), ("http_500", 500, None), ("not_json", 200, None)],
)
def test_failures_before_the_sale_charge_nothing(
    simulator: Simulator, ask: Ask, fault: str, status: int, header: str | None
) -> None:
    simulator.add_fault(fault, seconds=6.5)
    answer = ask(**PAGE)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == header
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert last_call(simulator) == (fault, 0, 0)


def test_delay(simulator: Simulator, mine: Mine) -> None:
    simulator.add_fault("delay", seconds=0.4)
    started = time.monotonic()
    assert len(mine(**PAGE)) == 4
    assert time.monotonic() - started >= 0.4
    assert last_call(simulator) == ("delay", 4, 4)


def test_timeout_holds_until_the_caller_gives_up(
    simulator: Simulator, ask: Ask, payload_of: Callable[..., Any]
) -> None:
    simulator.add_fault("timeout", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        simulator.client.post(ENDPOINT, json=payload_of(**PAGE), timeout=0.5)
    assert last_call(simulator) == ("timeout", 0, 0)
    assert ask(**PAGE).status_code == 200
    simulator.add_fault("timeout", seconds=0.2)
    assert ask(**PAGE).status_code == 504


def test_cut_off_is_charged_and_cannot_be_read(simulator: Simulator, ask: Ask) -> None:
    simulator.add_fault("cut_off")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        ask(**PAGE)
    assert last_call(simulator) == ("cut_off", 4, 4)
    assert ask(**PAGE).status_code == 200


def test_charged_then_500(simulator: Simulator, ask: Ask, mine: Mine) -> None:
    simulator.add_fault("charged_then_500")
    assert ask(**PAGE).status_code == 500
    assert last_call(simulator) == ("charged_then_500", 4, 4)
    lost = mine(token="trial-2", **PAGE)  # the same pile, from its start
    assert not set(ids(mine(**PAGE))) & set(ids(lost))


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("insufficient_credits", "odoo.addons.iap.tools.iap_tools.InsufficientCreditError"),
        ("user_error", "odoo.exceptions.UserError"),
        ("access_error", "odoo.exceptions.AccessError"),
    ],
)
def test_errors_of_the_service(simulator: Simulator, ask: Ask, fault: str, name: str) -> None:
    simulator.add_fault(fault)
    answer = ask(**PAGE)
    assert answer.status_code == 200
    assert answer.json()["error"]["data"]["name"] == name
    assert last_call(simulator) == (fault, 0, 0)


def test_credit_flag(simulator: Simulator, ask: Ask) -> None:
    simulator.add_fault("credit_flag")
    assert ask(**PAGE).json()["result"] == {"data": [], "credit_error": True}
    assert last_call(simulator) == ("credit_flag", 0, 0)


def test_duplicate_companies(simulator: Simulator, mine: Mine) -> None:
    simulator.add_fault("duplicate_companies")
    leads = mine(**PAGE)
    assert len(leads) == 4
    assert leads[0] == leads[-1]
    assert len(set(ids(leads))) == 3
    assert last_call(simulator) == ("duplicate_companies", 4, 4)


def test_repeated_page_is_charged_again(simulator: Simulator, mine: Mine) -> None:
    simulator.add_fault("repeated_page", calls=2)
    first = mine(**PAGE)  # nothing to repeat yet
    assert mine(**PAGE) == first
    assert last_call(simulator) == ("repeated_page", 4, 4)
    assert not set(ids(mine(**PAGE))) & set(ids(first))
    assert simulator.account("trial-1")["charged"] == 12


def test_broken_records_are_charged(simulator: Simulator, ask: Ask) -> None:
    for fault in ("missing_keys", "wrong_types", "hostile"):
        simulator.add_fault(fault)
        leads = ask(search_type="people", contact_number=2, contact_filter_type="role", **PAGE).json()["result"]["data"]
        outcome, companies, charged = last_call(simulator)
        assert (outcome, companies) == (fault, 4)
        assert charged == 4 + sum(len(lead["people_data"]) for lead in leads)
        if fault == "missing_keys":
            assert [("company_data" in lead, "phone" in lead.get("company_data", {})) for lead in leads] == [
                (True, False),
                (True, True),
                (False, False),
                (True, True),
            ]
        elif fault == "wrong_types":
            assert [lead["company_data"]["employees"] == "many" for lead in leads] == [True, False, True, False]
        else:
            assert any("<script>" in lead["company_data"]["city"] for lead in leads)


def test_a_fault_does_not_let_a_wrong_call_through(simulator: Simulator, ask: Ask) -> None:
    simulator.add_fault("hostile")
    assert "lead_number" in ask(lead_number=500).json()["error"]["data"]["message"]
    assert last_call(simulator) == ("user_error", 0, 0)


@pytest.mark.parametrize("plan", [{}, {"fault": "fire"}, {"fault": "delay", "calls": -1}, ["delay"], "delay"])
def test_plans_that_make_no_sense_are_refused(simulator: Simulator, plan: Any) -> None:
    assert simulator.client.post("/simulator/faults", json=plan).status_code == 422
    assert simulator.client.get("/simulator/faults").json() == []


def test_recorded_answers_come_before_faults_and_carry_the_callers_id(simulator: Simulator, ask: Ask) -> None:
    simulator.add_fault("http_500")
    simulator.replay(
        {"http": 200, "body": {"jsonrpc": "2.0", "id": "theirs", "result": {"data": [], "credit_error": False}}},
        {"http": 503, "body": "<h1>Maintenance</h1>"},
        {"body": [1, 2]},
    )
    assert ask().json() == {"jsonrpc": "2.0", "id": "c0ffee", "result": {"data": [], "credit_error": False}}
    assert (maintenance := ask()).status_code == 503
    assert maintenance.text == "<h1>Maintenance</h1>"
    assert ask().json() == [1, 2]
    assert ask().status_code == 500
    assert len(ask().json()["result"]["data"]) == 3
