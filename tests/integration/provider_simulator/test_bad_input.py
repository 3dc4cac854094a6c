"""Nothing that is sent breaks the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from provider_simulator.odoo_iap import ENDPOINT
from provider_simulator.testing import Simulator

Ask = Callable[..., httpx.Response]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe\x00",
        b'{"params": ',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_object_is_a_bad_request(simulator: Simulator, body: bytes) -> None:
    answer = simulator.client.post(ENDPOINT, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert simulator.client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        "text",
        {},
        {"account_token": ""},
        {"account_token": None},
        {"account_token": 7},
        {"account_token": ["t"]},
        {"account_token": "\ud800"},
    ],
)
def test_without_a_token_there_is_no_access(simulator: Simulator, params: Any) -> None:
    answer = simulator.client.post(ENDPOINT, content=_json({"jsonrpc": "2.0", "params": params, "id": 4}))
    assert answer.status_code == 200
    assert answer.json()["error"]["data"]["name"] == "odoo.exceptions.AccessError"
    assert answer.json()["id"] == 4


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"lead_number": 201}, "lead_number"),
        ({"lead_number": 10**40}, "lead_number"),
        ({"countries": [{"code": "XX"}]}, "countries"),
        ({"countries": [{"code": "US", "states": [None]}]}, "states"),
        ({"industry_ids": ["1"]}, "industry_ids"),
        ({"industry_ids": ["165'; drop table account; --"]}, "industry_ids"),
        ({"search_type": "people"}, "contact_number"),
        ({"company_size_min": "1"}, "company_size_min"),
    ],
)
def test_what_the_service_does_not_accept_is_a_user_error(
    simulator: Simulator, ask: Ask, data: dict[str, Any], field: str
) -> None:
    error = ask(**data).json()["error"]
    assert (error["code"], error["message"]) == (200, "Odoo Server Error")
    assert error["data"]["name"] == "odoo.exceptions.UserError"
    assert error["data"]["message"].startswith(field)
    assert error["data"]["arguments"] == [error["data"]["message"]]
    account = simulator.account("trial-1")
    assert (account["balance"], account["calls"][-1]["outcome"]) == (2_000, "user_error")


@pytest.mark.parametrize("dbuuid", [None, 5, {}, "\udfff"])
def test_dbuuid_is_needed(simulator: Simulator, dbuuid: Any) -> None:
    data = {"lead_number": 1, "search_type": "companies"}
    body = {"params": {"account_token": "t", "dbuuid": dbuuid, "data": data}}
    error = simulator.client.post(ENDPOINT, content=_json(body)).json()["error"]
    assert "dbuuid" in error["data"]["message"]


def test_a_huge_filter_is_answered_and_its_note_is_cut(simulator: Simulator, ask: Ask) -> None:
    states = [f"{number:05}" for number in range(100_000)]
    assert ask(countries=[{"code": "US", "states": states}]).json()["result"]["data"] == []
    (call,) = simulator.account("trial-1")["calls"]
    assert len(call["filter"]) == 10_000


@pytest.mark.parametrize("token", ["'; drop table account; --", "trial/1", "日本", "<script>"])
def test_any_text_is_a_token(simulator: Simulator, ask: Ask, token: str) -> None:
    assert len(ask(token).json()["result"]["data"]) == 3
    assert len(ask(token).json()["result"]["data"]) == 3


def test_an_unknown_account_is_not_found(simulator: Simulator) -> None:
    assert simulator.client.get("/simulator/account/nobody").status_code == 404


@pytest.mark.parametrize("credits", [0, -5, 10**12, "many", None])
def test_credits_are_bought_in_whole_numbers(simulator: Simulator, credits: Any) -> None:
    answer = simulator.client.post("/simulator/account/t/credits", json={"credits": credits})
    assert answer.status_code == 422


def test_openapi_page(simulator: Simulator) -> None:
    assert "swagger" in simulator.client.get("/docs").text.lower()
    paths = simulator.client.get("/openapi.json").json()["paths"]
    assert {ENDPOINT, "/health", "/simulator/faults", "/simulator/replay"} <= set(paths)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
