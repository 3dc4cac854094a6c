"""What is delivered matches, is paid for once, and is remembered."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from provider_simulator.catalogue import write_catalogue
from provider_simulator.generate import generate
from provider_simulator.odoo_iap import ENDPOINT
from provider_simulator.testing import Simulator, running_simulator

Mine = Callable[..., list[dict[str, Any]]]
GERMANY = [{"code": "DE", "states": []}]


def ids(leads: list[dict[str, Any]]) -> list[str]:
    return [lead["company_data"]["clearbit_id"] for lead in leads]


def test_every_company_matches_the_filter(mine: Mine) -> None:
    leads = mine(
        lead_number=200,
        countries=[{"code": "US", "states": ["CA", "NY"]}, {"code": "DE", "states": []}],
        industry_ids=["165", "162", "163"],
        company_size_min=20,
        company_size_max=900,
    )
    assert len(leads) > 20
    for company in (lead["company_data"] for lead in leads):
        assert company["country_code"] == "DE" or company["state_code"] in ("CA", "NY")
        assert company["country_code"] in ("DE", "US")
        assert 20 <= company["employees"] <= 900
        assert company["sector"] in ("Information Technology", "Industrials")
    assert {company["country_code"] for company in (lead["company_data"] for lead in leads)} == {"DE", "US"}


def test_companies_alone_come_without_people(mine: Mine) -> None:
    assert {frozenset(lead) for lead in mine(lead_number=20)} == {frozenset({"company_data"})}


def test_preferred_role_first_then_the_others(mine: Mine) -> None:
    roles = ["CEO", "marketing", "sale"]
    leads = mine(
        lead_number=200,
        search_type="people",
        contact_number=2,
        contact_filter_type="role",
        preferred_role="CEO",
        other_roles=["marketing", "sale"],
    )
    found = [[person["role"] for person in lead["people_data"]] for lead in leads]
    assert all(people == sorted(people, key=roles.index) for people in found)
    assert {len(people) for people in found} == {0, 1, 2}
    assert {role for people in found for role in people} == set(roles)


@pytest.mark.parametrize("seniority", ["director", "executive", "manager"])
def test_seniority(mine: Mine, seniority: str) -> None:
    people = {"search_type": "people", "contact_number": 9, "contact_filter_type": "seniority"}
    leads = mine(lead_number=100, **people, seniority=seniority)
    assert {person["seniority"] for lead in leads for person in lead["people_data"]} == {seniority}
    everybody = mine(lead_number=200, **people, seniority=False)
    assert max(len(lead["people_data"]) for lead in everybody) == 5  # never more, whatever is asked


def test_one_credit_a_company_and_one_a_contact(simulator: Simulator, mine: Mine) -> None:
    leads = mine(
        lead_number=30, search_type="people", contact_number=3, contact_filter_type="role", preferred_role=False
    )
    contacts = sum(len(lead["people_data"]) for lead in leads)
    account = simulator.account("trial-1")
    assert contacts > 30
    assert account["balance"] == 2_000 - 30 - contacts
    (call,) = account["calls"]
    assert (call["number"], call["companies"], call["contacts"], call["charged"]) == (1, 30, contacts, 30 + contacts)
    assert call["filter"]["lead_number"] == 30
    assert call["outcome"] == "ok"


def test_the_same_filter_sells_the_next_companies_until_all_are_sold(simulator: Simulator, mine: Mine) -> None:
    simulator.buy_credits("trial-1", 10_000)
    pages = [mine(lead_number=200, countries=GERMANY)]
    while len(pages[-1]) == 200:
        pages.append(mine(lead_number=200, countries=GERMANY))
    sold = [company for page in pages for company in ids(page)]
    assert len(sold) == len(set(sold)) > 350
    assert 0 < len(pages[-1]) < 200
    assert ids(mine(lead_number=7, countries=GERMANY)) == sold[:7]  # all were sold: from the start


def test_each_filter_and_each_account_has_its_own_pile(mine: Mine) -> None:
    first = ids(mine(countries=GERMANY))
    assert ids(mine(token="trial-2", countries=GERMANY)) == first
    assert ids(mine(countries=GERMANY, lead_number=4)) != [*first, first[0]]
    assert not set(ids(mine(countries=GERMANY))) & set(first)
    assert len(mine(countries=[{"code": "DE", "states": ["BY"]}])) == 3


def test_too_few_credits_charge_nothing_and_skip_nothing() -> None:
    with running_simulator(credits=5) as simulator:

        def call(number: int) -> dict[str, Any]:
            data = {"lead_number": number, "search_type": "companies", "countries": GERMANY}
            params = {"account_token": "t", "dbuuid": "d", "data": data}
            body: dict[str, Any] = simulator.client.post(ENDPOINT, json={"params": params, "id": 1}).json()
            return body

        error = call(6)["error"]["data"]
        assert error["name"].endswith("InsufficientCreditError")
        assert '"credit": 6' in error["message"]
        assert simulator.account("t")["balance"] == 5
        all_that_can_be_paid = ids(call(5)["result"]["data"])
        account = simulator.account("t")
        assert (account["balance"], account["charged"]) == (0, 5)
        assert [one["outcome"] for one in account["calls"]] == ["insufficient_credits", "ok"]
        simulator.buy_credits("t", 1)
        assert not set(ids(call(1)["result"]["data"])) & set(all_that_can_be_paid)


def test_calls_at_once_never_oversell_and_never_sell_twice(
    simulator: Simulator, payload_of: Callable[..., Any]
) -> None:
    barrier = threading.Barrier(8)

    def call(_: int) -> httpx.Response:
        with httpx.Client(base_url=simulator.url, timeout=60) as client:
            barrier.wait()
            return client.post(ENDPOINT, json=payload_of("crowd", lead_number=150))

    simulator.buy_credits("crowd", 1)  # 2,001: enough for 13 calls of 150
    with ThreadPoolExecutor(8) as pool:
        bodies = [answer.json() for _ in range(2) for answer in pool.map(call, range(8))]
    sold = [company for body in bodies if "result" in body for company in ids(body["result"]["data"])]
    account = simulator.account("crowd")
    assert sum("error" in body for body in bodies) == 3
    assert len(sold) == len(set(sold)) == account["charged"] == 13 * 150
    assert account["balance"] == 2_001 - 13 * 150
    assert [call["number"] for call in account["calls"]] == list(range(1, 17))


def test_only_given_tokens_are_accepted() -> None:
    with running_simulator(tokens=frozenset({"known"})) as simulator:
        data = {"lead_number": 1, "search_type": "companies"}
        for token, name in (("known", None), ("other", "odoo.exceptions.AccessError")):
            params = {"account_token": token, "dbuuid": "d", "data": data}
            body = simulator.client.post(ENDPOINT, json={"params": params}).json()
            assert body.get("error", {"data": {"name": None}})["data"]["name"] == name


@contextmanager
def served(*arguments: str | Path) -> Iterator[httpx.Client]:
    """The simulator as its own process; killed, not stopped, at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "provider_simulator", "serve", "--port", port, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            end = time.monotonic() + 60
            while True:
                try:
                    client.get("/health").raise_for_status()
                    break
                except httpx.TransportError:
                    assert process.poll() is None, "the simulator ended"
                    assert time.monotonic() < end, "the simulator did not start"
                    time.sleep(0.05)
            yield client
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_books_survive_a_kill(tmp_path: Path, payload_of: Callable[..., Any]) -> None:
    write_catalogue(tmp_path / "catalogue.parquet", generate(60))
    arguments = ("--state", tmp_path / "s.sqlite", "--catalogue", tmp_path / "catalogue.parquet", "--credits", "50")
    sold: list[str] = []
    for _ in range(2):
        with served(*arguments) as client:
            sold += ids(client.post(ENDPOINT, json=payload_of(lead_number=20)).json()["result"]["data"])
    with served(*arguments) as client:
        account = client.get("/simulator/account/trial-1").json()
    assert len(set(sold)) == 40
    assert (account["balance"], account["charged"], len(account["calls"])) == (10, 40, 2)


def test_the_sample_is_written_once_beside_the_state(tmp_path: Path) -> None:
    for _ in range(2):
        with served("--state", tmp_path / "state" / "s.sqlite") as client:
            assert client.get("/health").json() == {"status": "ok", "companies": 6000}
        (sample,) = (tmp_path / "state").glob("*.parquet")
        changed = sample.stat().st_mtime_ns
    assert sample.stat().st_mtime_ns == changed
