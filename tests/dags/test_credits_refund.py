"""The DAG credits_refund: its form, and bad leads that get their credits back once, all or none."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, load, validated
from mined_runs import mine

from lead_mining import candidates
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance

GOOD = {"lead_ids": [71, 72], "reason": "company closed", "crm_conn_id": "lead_mining_crm"}


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("credits_refund")


@pytest.fixture
def mined(conn: psycopg.Connection) -> dict[int, int]:
    """Leads 71 to 73, paid with 1, 3 and 6 of 100 credits."""
    with conn.transaction():
        ledger.top_up(conn, "default", 100, "t", "invoice")
    return mine(conn, "default", {71: 0, 72: 2, 73: 5})


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("lead_ids", [None, [], 71, "71", [0], [-71], [1.5], [True], [None], ["seventy"], ["-1"], ["71 72"], [""]]),
        ("reason", [None, "", " ", " closed", "x" * 201, 7]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_is_no_refund(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


def test_the_form_takes_lines_as_its_text_field_sends_them(dag: DAG) -> None:
    """Airflow's form shows a text field, a line a value, for an array with no `items`, and sends text."""
    assert "items" not in dag.params.get_param("lead_ids").schema
    assert validated(dag, GOOD | {"lead_ids": ["71", "72"]})["lead_ids"] == ["71", "72"]


def test_candidates_are_found_by_their_leads(conn: psycopg.Connection, mined: dict[int, int]) -> None:
    assert candidates.of_leads(conn, [73, 71, 71, 999, 2**40]) == {71: mined[71], 73: mined[73]}
    assert candidates.of_leads(conn, []) == {}


def test_bad_leads_get_their_credits_back_once(dag: DAG, conn: psycopg.Connection, mined: dict[int, int]) -> None:
    assert ledger.balance(conn, "default") == Balance(available=90, spent=10)
    for conf in (GOOD, GOOD, GOOD | {"lead_ids": ["72", "71", "71"], "reason": "told again"}):
        assert call(dag, "refund_leads", conf) == {"leads": 2, "credits": 4}
        assert ledger.balance(conn, "default") == Balance(available=94, spent=6)
    booked = conn.execute(
        "SELECT candidate_id, credits, reference FROM lead_mining.ledger_transaction WHERE kind = 'refund' ORDER BY id"
    ).fetchall()
    assert booked == [(mined[71], 1, "company closed"), (mined[72], 3, "company closed")]


def test_one_bad_number_refunds_nothing_and_each_is_named(
    dag: DAG, conn: psycopg.Connection, mined: dict[int, int]
) -> None:
    accounts.set_up(conn, Account("mirror", "a_provider"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 100, "t2", "invoice")
    mine(conn, "mirror", {81: 0}, "LMR002")
    with pytest.raises(AirflowFailException) as refused:
        call(dag, "refund_leads", GOOD | {"lead_ids": [71, 999, 81, 4_000_000_000]})
    assert str(refused.value).splitlines() == [
        "Nothing is refunded, as these leads cannot be:",
        '  - lead 81: no refund: account "mirror" mirrors a provider, who alone can refund',
        "  - lead 999: lead mining did not load it",
        "  - lead 4000000000: lead mining did not load it",
    ]
    assert ledger.balance(conn, "default") == Balance(available=90, spent=10)


def test_a_lead_that_is_told_too_late_is_named(dag: DAG, conn: psycopg.Connection, mined: dict[int, int]) -> None:
    accounts.set_up(conn, Account("default", refund_days=0))
    with pytest.raises(AirflowFailException, match=r"lead 71: no refund: .* was paid on .*, more than 0 days ago"):
        call(dag, "refund_leads", GOOD)
    assert ledger.balance(conn, "default") == Balance(available=90, spent=10)
