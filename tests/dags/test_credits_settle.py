"""The DAG credits_settle: its form, and what becomes of a paid call whose answer is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, load, validated
from mined_runs import lose_call, make_run

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance

GOOD = {"call": 1, "outcome": "lost", "charged": 12, "crm_conn_id": "lead_mining_crm"}
RUN = SimpleNamespace(triggering_user_name="an operator", run_id="manual__1")


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("credits_settle")


@pytest.fixture
def lost(conn: psycopg.Connection) -> int:
    """A lost call of a run on a mirrored account with 100 credits."""
    accounts.set_up(conn, Account("mirror", "a_provider"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 100, "t", "invoice")
        return lose_call(conn, make_run(conn, "mirror"))


def settle(dag: DAG, conf: dict[str, Any], dag_run: Any = RUN) -> Any:
    return call(dag, "settle_call", conf, dag_run=dag_run)


def state(conn: psycopg.Connection) -> Any:
    return conn.execute("SELECT state, charged, settled_by FROM lead_mining.provider_call").fetchone()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("call", [None, 0, -1, 1.5, "1", True, 2**63]),
        ("outcome", [None, "", "paid", 1]),
        ("charged", [-1, 1.5, "12", 2**31]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_is_no_decision(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


def test_each_outcome_is_shown_in_words(dag: DAG) -> None:
    schema = dag.params.get_param("outcome").schema
    assert set(schema["values_display"]) == set(schema["enum"])


@pytest.mark.parametrize(
    ("outcome", "charged", "match"),
    [
        ("not_charged", 12, "charged: 12 .*the outcome is 'lost'"),
        ("lost", None, "charged: None"),
        ("lost", 0, "charged: 0"),
    ],
)
def test_an_outcome_that_its_credits_contradict_changes_nothing(
    dag: DAG, conn: psycopg.Connection, lost: int, outcome: str, charged: int | None, match: str
) -> None:
    with pytest.raises(AirflowFailException, match=match):
        settle(dag, GOOD | {"call": lost, "outcome": outcome, "charged": charged})
    assert state(conn) == ("unknown", None, None)


def test_a_call_that_the_provider_charged_is_spent_on_its_mirror(dag: DAG, conn: psycopg.Connection, lost: int) -> None:
    assert settle(dag, GOOD | {"call": lost}) == {"call": lost, "outcome": "lost", "charged": 12}
    assert state(conn) == ("lost", 12, "an operator")
    assert ledger.balance(conn, "mirror") == Balance(available=88, spent=12)


@pytest.mark.parametrize("charged", [None, 0])
def test_a_call_that_cost_nothing_spends_nothing(
    dag: DAG, conn: psycopg.Connection, lost: int, charged: int | None
) -> None:
    nobody = SimpleNamespace(triggering_user_name=None, run_id="scheduled__1")
    settle(dag, GOOD | {"call": lost, "outcome": "not_charged", "charged": charged}, nobody)
    assert state(conn) == ("not_charged", 0, "scheduled__1")
    assert ledger.balance(conn, "mirror") == Balance(available=100)


def test_a_call_is_settled_once(dag: DAG, conn: psycopg.Connection, lost: int) -> None:
    settle(dag, GOOD | {"call": lost})
    with pytest.raises(AirflowFailException, match=f"provider call {lost} is settled already: lost"):
        settle(dag, GOOD | {"call": lost, "outcome": "not_charged", "charged": None})
    assert state(conn) == ("lost", 12, "an operator")
    assert ledger.balance(conn, "mirror") == Balance(available=88, spent=12)


def test_a_call_that_is_not_there_or_not_over_is_named(dag: DAG, conn: psycopg.Connection) -> None:
    with pytest.raises(AirflowFailException, match="there is no provider call 404"):
        settle(dag, GOOD | {"call": 404})
    with conn.transaction():
        call_id = lose_call(conn, make_run(conn), answer_within=600)
    with pytest.raises(AirflowFailException, match=f"may still be at work on call {call_id}: settle it after"):
        settle(dag, GOOD | {"call": call_id})
