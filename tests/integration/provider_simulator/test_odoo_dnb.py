"""Odoo 19's contract as the simulator speaks it; `OdooDnb` is tried against it in tests/integration/providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from provider_simulator.odoo_dnb import ENDPOINT
from provider_simulator.testing import Simulator, running_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


def ask(simulator: Simulator, query: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    query = {"lead_number": 5, "search_type": "companies", "countries": [], **(query or {})}
    call = {"account_token": "dnb", "db_uuid": "db", "query": query, "reveal_ids": [], **params}
    answer = simulator.client.post(ENDPOINT, json={"jsonrpc": "2.0", "method": "call", "params": call, "id": "c0ffee"})
    return dict(answer.raise_for_status().json())


def test_flat_records_of_the_groups_asked_for_but_for_the_known(simulator: Simulator) -> None:
    first = ask(simulator, {"sic_groups": ["60", "65"]})["result"]["data"]
    assert {one["industry_code"] for one in first} <= {"60", "65"}
    again = ask(simulator, {"sic_groups": ["60", "65"]}, reveal_ids=[one["duns"] for one in first])["result"]["data"]
    assert not {one["duns"] for one in first} & {one["duns"] for one in again}
    assert ask(simulator, {"sic_groups": ["60", "65"]})["result"]["data"] == first
    assert simulator.account("dnb")["charged"] == 15


def test_people_are_not_sold(simulator: Simulator) -> None:
    asked = {"search_type": "people", "contact_number": 3, "contact_filter_type": "role"}
    data = ask(simulator, asked, account_token="another")["result"]["data"]
    assert len(data) == 5
    assert not any("people_data" in one for one in data)
    assert simulator.account("another")["charged"] == 5


@pytest.mark.parametrize(
    ("query", "params", "named"),
    [
        ({"sic_groups": ["00"]}, {}, "sic_groups"),
        ({"sic_groups": "73"}, {}, "sic_groups"),
        ({"lead_number": 201}, {}, "lead_number"),
        ({}, {"reveal_ids": [1]}, "reveal_ids"),
        ({}, {"reveal_ids": None}, "reveal_ids"),
        ({}, {"db_uuid": None}, "db_uuid"),
        ({}, {"dbuuid": "db"}, "dbuuid"),
    ],
)
def test_what_it_does_not_understand_is_named(
    simulator: Simulator, query: dict[str, Any], params: dict[str, Any], named: str
) -> None:
    error = ask(simulator, query, **params)["error"]
    assert error["data"]["name"] == "odoo.exceptions.UserError"
    assert named in error["data"]["message"]
