"""The session that crm_connection opens, on a real PostgreSQL."""

from __future__ import annotations

import json
from contextlib import suppress

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from lead_mining.exceptions import CrmError, ProviderUnavailable
from lead_mining.hooks import crm_connection, crm_session


@pytest.fixture(params=[{}, {"cursor": "dictcursor"}, {"options": "-c statement_timeout=5000"}])
def conn_id(request: pytest.FixtureRequest, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An Airflow connection to an empty database, with the extras that data engineers may have set."""
    dsn = conninfo_to_dict(empty_dsn)
    fields = {"conn_type": "postgres", "host": dsn["host"], "port": int(dsn["port"] or 5432), "schema": dsn["dbname"]}
    fields |= {"login": dsn.get("user"), "password": dsn.get("password"), "extra": request.param}
    monkeypatch.setenv("AIRFLOW_CONN_A_CRM", json.dumps(fields))
    return "a_crm"


def test_the_session_is_psycopg_3_in_autocommit_with_our_settings(conn_id: str) -> None:
    with crm_connection(conn_id) as conn:
        assert type(conn) is psycopg.Connection
        assert conn.autocommit
        assert conn.info.transaction_status is TransactionStatus.IDLE
        settings = ("application_name", "lock_timeout", "idle_in_transaction_session_timeout")
        shown = [conn.execute("SELECT current_setting(%s)", [name]).fetchone() for name in settings]
        assert shown == [("lead_mining",), ("1min",), ("10min",)]
        with suppress(ZeroDivisionError), conn.transaction():
            raise ZeroDivisionError
        assert conn.execute("SHOW lock_timeout").fetchone() == ("1min",)  # of the session, not of a transaction


def test_an_error_that_no_retry_can_mend_fails_the_task_at_once(conn_id: str) -> None:
    with pytest.raises(AirflowFailException, match="no such table"), crm_session(conn_id):
        raise CrmError("no such table")
    with pytest.raises(ProviderUnavailable, match="busy"), crm_session(conn_id) as conn:
        raise ProviderUnavailable("busy")
    assert conn.closed


def test_a_database_that_does_not_answer_is_an_operational_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "x", "password": "s3cret-password"}
    monkeypatch.setenv("AIRFLOW_CONN_A_CRM", json.dumps(fields))
    with pytest.raises(psycopg.OperationalError) as caught:
        crm_connection("a_crm")
    assert "s3cret-password" not in str(caught.value)
