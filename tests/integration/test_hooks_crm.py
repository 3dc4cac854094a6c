"""The session that crm_connection opens, on a real PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from unittest.mock import Mock

import psycopg
import pytest
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException
from crm_role import PASSWORD, apply_role
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from lead_mining import hooks, runs
from lead_mining.exceptions import CrmBusy, CrmError, ProviderUnavailable
from lead_mining.hooks import credits_session, crm_connection, crm_session
from lead_mining.migrations import migrate


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
        with suppress(ZeroDivisionError), conn.transaction():
            raise ZeroDivisionError
        wanted = {  # of the session, not of a transaction
            "application_name": "lead_mining",
            "search_path": "public",
            "lock_timeout": "1min",
            "statement_timeout": "30min",
            "idle_in_transaction_session_timeout": "10min",
            "tcp_keepalives_idle": "60",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "6",
        }
        shown = conn.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(wanted)])
        assert dict(shown.fetchall()) == wanted


def test_airflow_is_asked_for_the_connection_once(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Mock(wraps=BaseHook.get_connection)
    monkeypatch.setattr(BaseHook, "get_connection", asked)
    crm_connection(conn_id).close()
    assert asked.call_count == 1


def test_an_error_that_no_retry_can_mend_fails_the_task_at_once(conn_id: str) -> None:
    with pytest.raises(AirflowFailException, match="no such table"), crm_session(conn_id):
        raise CrmError("no such table")
    with pytest.raises(ProviderUnavailable, match="busy"), crm_session(conn_id) as conn:
        raise ProviderUnavailable("busy")
    assert conn.closed


# -- time-outs

SHORT = {"lock_timeout": "100ms", "statement_timeout": "300ms"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, empty_dsn: str) -> str:
    """An Airflow connection whose sessions give up soon."""
    for name, value in SHORT.items():
        monkeypatch.setitem(hooks._CRM_SESSION, name, value)
    dsn = conninfo_to_dict(empty_dsn)
    fields = {"conn_type": "postgres", "host": dsn["host"], "port": int(dsn["port"] or 5432), "schema": dsn["dbname"]}
    fields |= {"login": dsn.get("user"), "password": dsn.get("password")}
    monkeypatch.setenv("AIRFLOW_CONN_SHORT", json.dumps(fields))
    return "short"


def test_a_lock_of_odoos_is_not_waited_for_for_ever_and_the_task_is_retried(short: str, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as odoo:
        odoo.execute("CREATE TABLE crm_tag (name text UNIQUE)")
        odoo.commit()
        odoo.execute("INSERT INTO crm_tag VALUES ('Fair')")

        def insert() -> None:
            with crm_session(short) as conn, conn.transaction():
                conn.execute("CREATE TABLE undone ()")
                conn.execute("INSERT INTO crm_tag VALUES ('Fair')")

        with pytest.raises(CrmBusy, match="is busy: canceling statement due to lock timeout") as raised:
            insert()
        assert not raised.value.permanent
        assert odoo.execute("SELECT to_regclass('undone')").fetchone() == (None,)


def test_a_statement_that_takes_too_long(short: str) -> None:
    with pytest.raises(CrmBusy, match="canceling statement due to statement timeout"), crm_session(short) as conn:
        conn.execute("SELECT pg_sleep(5)")


def test_a_deadlock(short: str, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hooks._CRM_SESSION, "lock_timeout", "10s")
    monkeypatch.setitem(hooks._CRM_SESSION, "statement_timeout", "10s")
    with psycopg.connect(empty_dsn) as odoo, ThreadPoolExecutor(1) as pool:
        odoo.execute("SET deadlock_timeout = '10s'")  # so that it is the other who is told
        odoo.execute("SELECT pg_advisory_xact_lock(1)")

        def cross() -> None:
            with crm_session(short) as conn, conn.transaction():
                conn.execute("SELECT pg_advisory_xact_lock(2)")
                pool.submit(odoo.execute, "SELECT pg_advisory_xact_lock(2)")
                conn.execute("SELECT pg_advisory_xact_lock(1)")

        with pytest.raises(CrmBusy, match="deadlock detected"):
            cross()


def test_waiting_for_a_run_of_ours_is_not_cut_short(short: str, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as other, crm_session(short) as conn:
        runs.lock_key(other, "lead_mining/x")
        ended = after(0.8, other.commit)
        with conn.transaction():
            runs.lock_key(conn, "lead_mining/x")
            assert ended.is_set()
            limits = conn.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert limits.fetchone() == tuple(SHORT.values())  # for what comes after
            assert locked_relations(conn) == 0
        assert conn.execute("SHOW lock_timeout").fetchone() == ("100ms",)


@pytest.mark.parametrize(
    "alone", [lambda conn: runs.only_once(conn, 1, "extract"), runs.loading_alone], ids=["on the step", "on loading"]
)
def test_waiting_for_another_who_works_is_not_cut_short(
    short: str, empty_dsn: str, alone: Callable[[psycopg.Connection], AbstractContextManager[object]]
) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as other:
        migrate(other)
        held = ExitStack()
        held.enter_context(alone(other))
        ended = after(0.8, held.close)
        with crm_session(short) as conn, alone(conn):
            assert ended.is_set()
            assert locked_relations(conn) == 0
            limits = conn.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert limits.fetchone() == tuple(SHORT.values())


def after(seconds: float, action: Callable[[], object]) -> threading.Event:
    """Does it later, in a thread; the event says that it was begun."""
    begun = threading.Event()

    def act() -> None:
        begun.set()
        action()

    threading.Timer(seconds, act).start()
    return begun


def locked_relations(conn: psycopg.Connection) -> int:
    """Locks of this session on tables, but for the catalogs that the question itself reads."""
    row = conn.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE pid = pg_backend_pid() AND c.relnamespace <> 'pg_catalog'::regnamespace"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_database_that_does_not_answer_is_an_operational_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "x", "password": "s3cret-password"}
    monkeypatch.setenv("AIRFLOW_CONN_A_CRM", json.dumps(fields))
    with pytest.raises(psycopg.OperationalError) as caught:
        crm_connection("a_crm")
    assert "s3cret-password" not in str(caught.value)


# -- what people decide about credits


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_accounts_are_kept_by_a_connection_of_their_own_and_not_by_who_mines(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(name: str, role: str) -> None:
        fields = {"conn_type": "postgres", "host": conn.info.host, "port": conn.info.port, "schema": conn.info.dbname}
        fields |= {"login": role, "password": PASSWORD}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(fields))

    apply_role(conn)
    connect("A_CRM", "lead_mining")
    wanted = "connection a_crm may not keep accounts .* make the Airflow connection a_credits"
    with pytest.raises(AirflowFailException, match=wanted), credits_session("a_crm") as mining:
        mining.execute("UPDATE lead_mining.credit_account SET monthly_budget = 9")
    connect("A_CREDITS", "lead_mining_credits")
    with credits_session("a_crm") as keeper:
        keeper.execute("UPDATE lead_mining.credit_account SET monthly_budget = 9")
    kept = "SELECT monthly_budget, changed_by FROM lead_mining.credit_account_change ORDER BY id"
    assert conn.execute(kept).fetchall()[-1] == (9, "lead_mining_credits")
