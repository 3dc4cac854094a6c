"""What the tests of the crm room have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from lead_mining.crm.context import CrmContext, resolve
from lead_mining.crm.requests import create_request
from lead_mining.request import MiningRequest

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows(crm: psycopg.Connection) -> Rows:
    """Runs a query in the test's transaction; rows as dicts."""

    def fetch(query: str, *arguments: object) -> list[dict[str, Any]]:
        with crm.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, list(arguments)).fetchall()  # type: ignore[arg-type]

    return fetch


@pytest.fixture
def requested(crm: psycopg.Connection) -> Callable[..., tuple[CrmContext, int]]:
    """Resolves and creates a request from params; its context and id."""

    def make(**params: Any) -> tuple[CrmContext, int]:
        request = MiningRequest.parse({"countries": ["US"]} | params)
        context = resolve(crm, request)
        return context, create_request(crm, request, context).id

    return make


@pytest.fixture
def users(crm_kind: str) -> tuple[str, str]:
    """Logins of the two salespeople."""
    return {"embedded": ("alex", "kim"), "odoo17": ("mia", "sam")}[crm_kind]


@pytest.fixture
def teams(crm_kind: str) -> tuple[str, str]:
    """Names of their teams."""
    return {"embedded": ("Americas", "Europe"), "odoo17": ("West Coast", "East Coast")}[crm_kind]


@pytest.fixture
def context(
    requested: Callable[..., tuple[CrmContext, int]], users: tuple[str, str], teams: tuple[str, str]
) -> CrmContext:
    """A salesperson who is not the acting user, and a team that nobody follows."""
    return requested(salesperson=users[0], team=teams[0])[0]
