"""The same request through every provider, over the same companies: the same leads, each at its own price.

It holds for filters that each can do exactly, and where all that match are taken: each has an order of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from lead_mining import pipeline, vocabulary
from lead_mining.credits import ledger
from lead_mining.providers.base import Query
from lead_mining.request import MiningRequest
from lead_mining.testing.stage import Stage
from provider_simulator.catalogue import Row

REQUEST = {
    "countries": ["US", "GB"],
    "states": ["US-CA", "US-NY", "US-TX"],
    "industries": ["Consumer Services", "Transportation", "Real Estate", "Banks & Insurance"],
    "filter_on_size": True,
    "company_size_min": 1,
    "company_size_max": 5000,
    "lead_number": 100,
}
PEOPLE = {
    "search_type": "people",
    "contact_number": 5,
    "preferred_role": "Legal",
    "other_roles": ["Finance", "Research", "Sale", "Product", "Operations"],
}
SELL_PEOPLE = ["apollo", "lead_catalog", "odoo_iap", "people_data_labs"]
SELL_COMPANIES = [*SELL_PEOPLE, "odoo_dnb"]


@pytest.fixture
def crm_kind() -> str:
    return "embedded"


@pytest.mark.parametrize(
    ("provider_name", "what"),
    [*((name, {}) for name in SELL_COMPANIES), *((name, PEOPLE) for name in SELL_PEOPLE)],
    ids=lambda value: value if isinstance(value, str) else value.get("search_type", "companies"),
)
def test_the_same_leads_come_through_every_provider(
    provider_name: str,
    what: dict[str, object],
    conn: psycopg.Connection,
    new_stage: Callable[[str], Stage],
    rows: list[Row],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    stage, request = new_stage(provider_name), REQUEST | what
    query = MiningRequest.model_validate(request).query()
    expected = set(stage.expected(query))
    assert 10 < len(expected) < REQUEST["lead_number"]

    run_id = pipeline.prepare_request(conn, "lead_mining/same", request)["run_id"]
    pipeline.extract(conn, run_id, stage.provider())
    pipeline.validate(conn, run_id, tmp_path / "docs")
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    pipeline.load_leads(conn, run_id)

    leads = conn.execute("SELECT website FROM crm_lead WHERE lead_mining_request_id IS NOT NULL").fetchall()
    assert {website.removeprefix("https://").removeprefix("www.") for (website,) in leads} == expected
    people = conn.execute(
        "SELECT DISTINCT person->>'email' FROM lead_mining.candidate,"
        " jsonb_path_query(company, '$.contacts[*]') AS person WHERE contacts > 0"
    ).fetchall()
    assert {email for (email,) in people} == _expected_people(rows, query, expected)
    balance = ledger.balance(conn, "default")
    assert balance.spent == len(leads) + len(people), "our price is the same at every provider"
    line = [what.get("search_type", "companies"), provider_name, len(leads), len(people)]
    record_property("same leads", json.dumps([*line, balance.spent, stage.charged(), stage.paid_calls()]))


def _expected_people(rows: list[Row], query: Query, domains: set[str]) -> set[str]:
    if not query.contact_number:
        return set()
    asked = {vocabulary.roles()[name] for name in filter(None, (query.preferred_role, *query.other_roles))}
    found = [
        [contact["email"] for contact in json.loads(row["contacts"]) if contact["role"] in asked]
        for row in rows
        if row["domain"] in domains
    ]
    assert all(len(emails) <= query.contact_number for emails in found), "else it would matter whom each prefers"
    return set(chain.from_iterable(found))
