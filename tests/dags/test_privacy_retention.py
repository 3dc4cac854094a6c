"""The DAG privacy_retention: every day, and only what is old enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import airflow_connection, call, load, validated
from privacy_dags import mined_crm


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("privacy_retention")


@pytest.fixture
def crm(postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    with mined_crm(postgres_server, tmp_path / "docs") as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_PRIVACY", airflow_connection(dsn))
        yield conn


def test_it_runs_every_day_once_and_catches_nothing_up(dag: DAG) -> None:
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert dag.timetable.expression == "0 0 * * *"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert validated(dag, {}) == {"days": 180, "crm_conn_id": "lead_mining_privacy"}
    for value in (None, 0, -1, 1.5, "180", 36501):
        with pytest.raises(ParamValidationError, match="days"):
            validated(dag, {"days": value})


def test_what_is_old_goes_once(dag: DAG, crm: psycopg.Connection) -> None:
    nothing = {"raw_pages": 0, "rejections": 0, "candidates": 0, "answers": 0, "call_errors": 0, "gone_from_the_crm": 0}
    assert call(dag, "remove_old_data", {}) == nothing
    crm.execute("UPDATE lead_mining.known_company SET record_id = -record_id")
    assert call(dag, "remove_old_data", {})["gone_from_the_crm"] > 0
    crm.execute("UPDATE lead_mining.raw_page SET received_at = received_at - interval '31 days'")
    first = call(dag, "remove_old_data", {"days": 31})
    assert first["raw_pages"] > 0
    assert crm.execute("SELECT count(*) FROM lead_mining.raw_page WHERE body IS NOT NULL").fetchone() == (0,)
    assert call(dag, "remove_old_data", {"days": 31}) == nothing


def test_without_the_connection_it_says_what_to_do(dag: DAG) -> None:
    with pytest.raises(AirflowFailException, match="make the Airflow connection lead_mining_privacy"):
        call(dag, "remove_old_data", {})
