"""The DAG credits_top_up: its form, and real runs of it by Airflow on a ledger in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import airflow_connection, call, load, run_in_airflow, validated

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance

GOOD = {"credits": 500, "reference": "INV/2026/0007", "credit_account": "default", "crm_conn_id": "lead_mining_crm"}


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("credits_top_up")


def test_it_is_one_task_with_a_form_of_four_fields(dag: DAG) -> None:
    assert list(dag.task_dict) == ["top_up_credits"]
    assert list(dag.params) == ["credit_account", "credits", "reference", "crm_conn_id"]
    assert dag.params["credit_account"] == "default"
    assert dag.params["crm_conn_id"] == "lead_mining_crm"
    assert "counts once" in (dag.params.get_param("reference").description or "")
    assert dag.schedule is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("credits", [None, 0, -1, 1_000_001, 1.5, "5", True]),
        ("reference", [None, "", " ", " INV", "INV ", "x" * 201, 7, "a\nb"]),
        ("credit_account", [None, "", " default", "x" * 201, 7]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_cannot_be_booked(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


@pytest.mark.parametrize("missing", ["credits", "reference"])
def test_amount_and_payment_must_be_given(dag: DAG, missing: str) -> None:
    with pytest.raises(ParamValidationError, match=missing):
        validated(dag, {name: value for name, value in GOOD.items() if name != missing})


def test_a_payment_is_booked_once(tmp_path: Path, ledger_dsn: str) -> None:
    confs = (
        GOOD,
        GOOD,
        GOOD | {"credits": 501},  # the reference is used already
        GOOD | {"credit_account": "team Ü"},
        GOOD | {"reference": "INV/2026/0008", "crm_conn_id": "no_such_connection"},
        GOOD | {"reference": "INV/2026/0008", "credit_account": "team Ü", "credits": 1_000_000},
    )
    done = run_in_airflow(tmp_path, ledger_dsn, *(("credits_top_up", conf) for conf in confs))
    assert [[state, tasks["top_up_credits"][1]] for state, tasks in done] == [
        ["success", {"added": 500, "available": 500}],
        ["success", {"added": 0, "available": 500}],
        ["failed", None],
        ["failed", None],
        ["failed", None],
        ["success", {"added": 1_000_000, "available": 1_000_000}],
    ]
    with psycopg.connect(ledger_dsn) as conn:
        assert ledger.balance(conn, "default") == Balance(available=500)
        assert ledger.balance(conn, "team Ü") == Balance(available=1_000_000)
        booked = conn.execute("SELECT key, reference FROM lead_mining.ledger_transaction ORDER BY id").fetchall()
    assert booked == [("top_up/INV/2026/0007", "INV/2026/0007"), ("top_up/INV/2026/0008", "INV/2026/0008")]


def test_credits_bought_at_a_provider_are_booked_on_its_mirror(dag: DAG, conn: psycopg.Connection) -> None:
    accounts.set_up(conn, Account("mirror", "a_provider"))
    assert call(dag, "top_up_credits", GOOD | {"credit_account": "mirror"}) == {"added": 500, "available": 500}
    assert accounts.find(conn, "mirror").mirrored


def test_a_database_that_is_not_set_up_is_named(
    dag: DAG, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(postgres_server))
    with pytest.raises(AirflowFailException, match="'postgres' has no schema lead_mining"):
        call(dag, "top_up_credits", GOOD)
