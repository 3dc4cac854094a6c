"""Whether a request can be paid: by the account, by budgets, by the run's own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from mined_runs import set_aside

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.pricing import price
from lead_mining.request import MiningRequest
from lead_mining.sources import Offer


@pytest.fixture
def crm_kind() -> str:
    return "embedded"


@pytest.fixture
def conn(crm: psycopg.Connection) -> psycopg.Connection:
    """A default account with 100 credits."""
    ledger.top_up(crm, "default", 100, "pricing", "invoice")
    return crm


def asked(**params: Any) -> MiningRequest:
    return MiningRequest.parse({"countries": ["DE"], "lead_number": 10} | params)


@pytest.mark.parametrize(
    ("params", "needed", "left", "enough", "leads"),
    [
        ({}, 10, 100, True, 10),
        ({"lead_number": 100}, 100, 100, True, 100),
        ({"lead_number": 101}, 101, 100, False, 100),
        ({"search_type": "people", "preferred_role": "CEO", "lead_number": 30}, 120, 100, False, 25),
        ({"credit_account": "nobody's"}, 10, 0, False, 0),
        ({"max_credits": 4}, 10, 4, False, 4),
        ({"max_credits": 500}, 10, 100, True, 10),
        ({"saved_search": "S", "search_budget": 9}, 10, 9, False, 9),
        ({"saved_search": "S", "search_budget": 0}, 10, 0, False, 0),
    ],
)
def test_what_is_needed_beside_what_is_left(
    conn: psycopg.Connection, params: dict[str, Any], needed: int, left: int, enough: bool, leads: int
) -> None:
    found = price(conn, asked(**params))
    assert (found.needed, found.least.credits, found.enough, found.payable_leads) == (needed, left, enough, leads)


def test_what_was_used_this_month_counts_for_the_account(conn: psycopg.Connection) -> None:
    accounts.set_up(conn, Account("default", monthly_budget=40))
    set_aside(conn, "default", 35, "held")
    found = price(conn, asked())
    assert (found.enough, found.least.credits) == (False, 5)
    assert found.least.budget == "this month's budget of the account 'default'"


def test_it_is_what_preparing_the_run_finds(conn: psycopg.Connection) -> None:
    accounts.set_up(conn, Account("default", monthly_budget=40))
    assert price(conn, asked()).least.credits == ledger.spendable(conn, "default").credits


@pytest.mark.parametrize(("a_lead", "told"), [(1, 0), (2, 20)], ids=["no more than our price", "more"])
def test_a_provider_that_may_take_more_than_our_price_is_told(conn: psycopg.Connection, a_lead: int, told: int) -> None:
    found = price(conn, asked(), Offer((), lambda leads: a_lead * leads))
    assert (found.needed, found.most_of_provider) == (10, told)


def test_nothing_is_locked_or_set_aside(conn: psycopg.Connection) -> None:
    before = ledger.balance(conn, "default")
    conn.execute("SET TRANSACTION READ ONLY")
    price(conn, asked(saved_search="S", search_budget=9))
    assert ledger.balance(conn, "default") == before
