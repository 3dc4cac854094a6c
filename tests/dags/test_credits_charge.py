"""The DAG credits_charge: its form, and credits that a provider took from a mirrored account."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, load, validated

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance

GOOD = {"credit_account": "mirror", "credits": 30, "reference": "used by hand", "crm_conn_id": "lead_mining_crm"}


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("credits_charge")


@pytest.fixture(autouse=True)
def accounts_with_100_credits(conn: psycopg.Connection) -> None:
    accounts.set_up(conn, Account("mirror", "a_provider"))
    with conn.transaction():
        for name in ("mirror", "default"):
            ledger.top_up(conn, name, 100, f"t/{name}", "invoice")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("credit_account", [None, "", " mirror", "x" * 201, 7]),
        ("credits", [None, 0, -1, 1_000_001, 1.5, "5", True]),
        ("reference", [None, "", " ", " x", "x" * 201, 7, "a\nb"]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_cannot_be_booked(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


@pytest.mark.parametrize("missing", ["credit_account", "credits", "reference"])
def test_what_is_charged_must_be_given(dag: DAG, missing: str) -> None:
    with pytest.raises(ParamValidationError, match=missing):
        validated(dag, {name: value for name, value in GOOD.items() if name != missing})


def test_a_reference_is_booked_once(dag: DAG, conn: psycopg.Connection) -> None:
    assert call(dag, "charge_credits", GOOD) == {"taken": 30, "available": 70}
    assert call(dag, "charge_credits", GOOD) == {"taken": 0, "available": 70}
    with pytest.raises(AirflowFailException, match="key 'charge/used by hand' cannot be used"):
        call(dag, "charge_credits", GOOD | {"credits": 31})
    assert call(dag, "charge_credits", GOOD | {"reference": "again"}) == {"taken": 30, "available": 40}
    assert ledger.balance(conn, "mirror") == Balance(available=40, spent=60)


@pytest.mark.parametrize("name", ["default", "never opened"])
def test_a_local_account_is_refused(dag: DAG, conn: psycopg.Connection, name: str) -> None:
    with pytest.raises(AirflowFailException, match=f"credit_account: '{name}' .* local account"):
        call(dag, "charge_credits", GOOD | {"credit_account": name})
    assert ledger.balance(conn, "default") == Balance(available=100)


def test_more_than_the_account_has_is_refused(dag: DAG, conn: psycopg.Connection) -> None:
    with pytest.raises(AirflowFailException, match="cannot pay: 101 credits needed, 100 available"):
        call(dag, "charge_credits", GOOD | {"credits": 101})
    assert ledger.balance(conn, "mirror") == Balance(available=100)
