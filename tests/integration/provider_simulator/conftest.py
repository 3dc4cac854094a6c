"""A running simulator and a caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from stopped_clock import StoppedClock

from provider_simulator import limits
from provider_simulator.odoo_iap import ENDPOINT
from provider_simulator.testing import Simulator, running_simulator

Ask = Callable[..., httpx.Response]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator(credits=2_000) as running:
        yield running


def payload(token: str = "trial-1", **data: Any) -> dict[str, Any]:
    """A call as Odoo makes it: three companies from anywhere, unless told otherwise."""
    asked = {"lead_number": 3, "search_type": "companies", "countries": [], **data}
    params = {"account_token": token, "dbuuid": "790bce26-e71a-11f1-9ef9-02fc00000001", "data": asked}
    return {"jsonrpc": "2.0", "method": "call", "params": params, "id": "c0ffee"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    clock = StoppedClock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


@pytest.fixture
def ask(simulator: Simulator) -> Ask:
    """Posts a call; keywords go into ``data``."""
    return lambda token="trial-1", **data: simulator.client.post(ENDPOINT, json=payload(token, **data))


@pytest.fixture
def mine(ask: Ask) -> Callable[..., list[dict[str, Any]]]:
    """The leads of a call that must succeed."""

    def leads(token: str = "trial-1", **data: Any) -> list[dict[str, Any]]:
        body = ask(token, **data).raise_for_status().json()
        assert body["result"]["credit_error"] is False, body
        return list(body["result"]["data"])

    return leads


@pytest.fixture
def payload_of() -> Callable[..., dict[str, Any]]:
    return payload
