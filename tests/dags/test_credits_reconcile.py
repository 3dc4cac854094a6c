"""The DAG credits_reconcile: what each task finds, and that one that fails stops no other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, function, load, run_in_airflow, validated
from mined_runs import lose_call, make_run, set_aside

import lead_mining
from lead_mining import charge_doubts, notifiers
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import ProviderUnavailable

TASKS = [
    *("release_expired_holds", "check_ledger", "compare_balances", "list_unsettled_calls"),
    *("list_doubted_charges", "notify_low_credits"),
]


@pytest.fixture
def dag() -> DAG:
    return load("credits_reconcile")


@pytest.fixture
def mirror(conn: psycopg.Connection) -> None:
    """A mirrored account with 100 credits."""
    accounts.set_up(conn, Account("mirror", "a_provider"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 100, "t", "invoice")


def tell(dag: DAG, balance: Callable[[], int | None]) -> None:
    """Every connection is a provider with that balance from now on."""
    function(dag, "compare_balances").__globals__["provider_for"] = lambda conn_id, crm_conn_id: SimpleNamespace(
        balance=balance
    )


def test_it_runs_every_day_once_and_catches_nothing_up(dag: DAG) -> None:
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert dag.timetable.expression == "0 0 * * *"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert validated(dag, {}) == {"crm_conn_id": "lead_mining_crm"}
    for value in (None, "", 7):
        with pytest.raises(ParamValidationError, match="crm_conn_id"):
            validated(dag, {"crm_conn_id": value})


def test_its_tasks_stand_alone_and_are_retried(dag: DAG) -> None:
    assert list(dag.task_dict) == TASKS
    for task in dag.tasks:
        assert not task.upstream_task_ids | task.downstream_task_ids
        assert task.retries == 3


# -- release_expired_holds


def test_holds_whose_time_is_over_are_given_back(dag: DAG, conn: psycopg.Connection) -> None:
    with conn.transaction():
        ledger.top_up(conn, "default", 100, "t", "invoice")
        old, _ = (set_aside(conn, "default", 10, key) for key in ("old", "new"))
    with conn.transaction():
        conn.execute("ALTER TABLE lead_mining.hold DISABLE TRIGGER USER")
        conn.execute("UPDATE lead_mining.hold SET expires_at = now() WHERE id = %s", [old])
        conn.execute("ALTER TABLE lead_mining.hold ENABLE TRIGGER USER")
    assert call(dag, "release_expired_holds", {}) == 1
    assert call(dag, "release_expired_holds", {}) == 0
    assert ledger.balance(conn, "default") == Balance(available=90, held=10)


# -- check_ledger


@dataclass(frozen=True)
class Discrepancy:
    claim: str
    check: str
    what: str
    expected: object
    found: object


def test_a_ledger_that_disagrees_fails_with_each_line(
    dag: DAG, ledger_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Discrepancy("balances follow from entries", "account_balance", "account 'default'", 90, 95),
        Discrepancy("entries sum to zero", "zero_sum", "transaction 7", 0, 5),
    ]
    monkeypatch.setattr(lead_mining, "audit", SimpleNamespace(audit=lambda conn: found), raising=False)
    with pytest.raises(AirflowFailException) as failed:
        call(dag, "check_ledger", {})
    assert str(failed.value).splitlines()[1:] == [
        "  - balances follow from entries (account_balance): account 'default': expected 90, found 95",
        "  - entries sum to zero (zero_sum): transaction 7: expected 0, found 5",
    ]
    found.clear()
    assert call(dag, "check_ledger", {}) is None


# -- compare_balances


def test_a_balance_as_the_provider_says_is_no_finding(dag: DAG, conn: psycopg.Connection, mirror: None) -> None:
    tell(dag, lambda: 100)
    assert call(dag, "compare_balances", {}) == 1
    reports = conn.execute("SELECT account, reported, expected FROM lead_mining.balance_report").fetchall()
    assert reports == [("mirror", 100, 100)]


@pytest.mark.parametrize(("told", "says"), [(120, "20 more than booked"), (93, "7 fewer than booked")])
def test_another_balance_fails_with_what_to_do(
    dag: DAG, conn: psycopg.Connection, mirror: None, told: int, says: str
) -> None:
    tell(dag, lambda: told)
    with pytest.raises(AirflowFailException, match=f"mirror: the provider says {told} credits, {says}"):
        call(dag, "compare_balances", {})
    assert ledger.balance(conn, "mirror") == Balance(available=100), "a difference is told, never booked"


def test_a_provider_that_cannot_tell_is_a_warning(
    dag: DAG, conn: psycopg.Connection, mirror: None, caplog: pytest.LogCaptureFixture
) -> None:
    def timed_out() -> int:
        raise ProviderUnavailable("timed out")

    for balance, why in ((lambda: None, "it has no way to"), (timed_out, "timed out")):
        caplog.clear()
        tell(dag, balance)
        assert call(dag, "compare_balances", {}) == 1
        (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert warning.getMessage() == f"mirror: the provider could not tell its balance: {why}"


# -- list_unsettled_calls


def test_lost_calls_are_listed_with_how_to_settle_them(dag: DAG, conn: psycopg.Connection) -> None:
    assert call(dag, "list_unsettled_calls", {}) is None
    before = datetime.now(UTC)
    first = lose_call(conn, make_run(conn, number="LMR041"), most=20)
    second = lose_call(conn, make_run(conn, number="LMR042"), most=5)
    lose_call(conn, make_run(conn, number="LMR043"), answer_within=600)  # its answer may come yet
    with pytest.raises(AirflowFailException) as failed:
        call(dag, "list_unsettled_calls", {})
    _, *lines = str(failed.value).splitlines()
    minutes = {f"{at:%Y-%m-%d %H:%M} UTC" for at in (before, datetime.now(UTC))}
    for line, number, most, call_id in zip(lines, ("LMR041", "LMR042"), (20, 5), (first, second), strict=True):
        assert line in {
            f"  - call {call_id} of {number}, page 1, at most {most} credits, {minute}: settle it with credits_settle,"
            f" call {call_id}"
            for minute in minutes
        }


# -- list_doubted_charges


def test_charges_in_doubt_are_listed_for_a_week(dag: DAG, conn: psycopg.Connection) -> None:
    assert call(dag, "list_doubted_charges", {}) is None
    run_id = make_run(conn, number="LMR041")
    charge_doubts.write_down(conn, run_id, "most", 5, 1_000_000, page=1)
    with pytest.raises(AirflowFailException) as failed:
        call(dag, "list_doubted_charges", {})
    assert str(failed.value).splitlines()[1:] == [
        "  - LMR041: the provider charged 1,000,000 credits for page 1, which could cost 5"
    ]
    conn.execute("UPDATE lead_mining.charge_doubt SET noticed_at = now() - interval '8 days'")
    assert call(dag, "list_doubted_charges", {}) is None


# -- notify_low_credits


def test_low_accounts_are_told_of_in_the_crm_that_is_named(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def send(crm_conn_id: str) -> int:
        asked.append(crm_conn_id)
        return 2

    monkeypatch.setattr(notifiers, "send_due_notices", send)
    assert call(dag, "notify_low_credits", {"crm_conn_id": "another"}) == 2
    assert asked == ["another"]


# -- all of it, by Airflow


def test_a_finding_fails_its_task_alone_and_at_once(
    tmp_path: Path, ledger_dsn: str, conn: psycopg.Connection, mirror: None
) -> None:
    conn.execute("CREATE TABLE crm_lead (id serial, reveal_id text)")  # as much of a CRM as the audit reads
    conn.execute("CREATE TABLE mail_message (id serial, model text, res_id integer)")
    lose_call(conn, make_run(conn))
    ((state, tasks),) = run_in_airflow(tmp_path, ledger_dsn, ("credits_reconcile", {}))
    assert state == "failed"
    assert tasks == {
        "release_expired_holds": ["success", 0],
        "check_ledger": ["success", None],
        "compare_balances": ["success", 1],  # there is no such connection: a warning
        "list_unsettled_calls": ["failed", None],
        "list_doubted_charges": ["success", None],
        "notify_low_credits": ["success", 0],
    }
