"""Who starts and stops services: a real PostgreSQL under a real supervisord."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local_stack.environment import PROVIDER_VARIABLE, reachable_by_everybody
from local_stack.errors import StackError
from local_stack.stack import POSTGRES, SIMULATOR, Stack
from local_stack.tools import psql

OUTER = {"PATH": os.environ["PATH"]}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "local", OUTER, say=lambda line: None)
    yield made
    made.clean()


def same(stack: Stack, **variables: str) -> Stack:
    """Another command on the same folder."""
    return Stack(stack.local, OUTER | variables, say=lambda line: None)


def answers(stack: Stack) -> bool:
    try:
        psycopg.connect(stack.crm_conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


def test_services_run_until_the_last_user_has_left(stack: Stack) -> None:
    with stack.session(POSTGRES):
        with same(stack).session(POSTGRES):
            pass
        assert answers(stack)

    assert not answers(stack)
    assert stack.states() == {}


def test_data_and_secrets_outlive_a_session(stack: Stack) -> None:
    with stack.session(POSTGRES), psycopg.connect(stack.crm_conninfo) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")

    again = same(stack)
    with again.session(POSTGRES), psycopg.connect(again.crm_conninfo) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == [(1,)]


def test_start_after_the_supervisor_was_killed(stack: Stack) -> None:
    with stack.session(POSTGRES):
        pid = stack.supervisor.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        with same(stack).session(POSTGRES):
            assert answers(stack)
            assert stack.supervisor.pid not in (None, pid)


def test_failure_inside_a_session_stops_the_services(stack: Stack) -> None:
    with pytest.raises(ZeroDivisionError), stack.session(POSTGRES):
        raise ZeroDivisionError

    assert not answers(stack)


def test_services_with_other_connections_are_not_taken_for_ours(stack: Stack) -> None:
    with (
        stack.session(POSTGRES),
        pytest.raises(StackError, match="make down"),
        same(stack, **{PROVIDER_VARIABLE: '{"conn_type": "lead_catalog"}'}).session(POSTGRES, SIMULATOR),
    ):
        pass


def test_the_simulator_gets_none_of_airflows_secrets(stack: Stack) -> None:
    with same(stack, AIRFLOW_CONN_PAYROLL="postgresql://u:secret@h/db").session(SIMULATOR):
        state = str(stack.local / "simulator.sqlite")
        (simulator,) = (p for p in psutil.process_iter(["cmdline"]) if state in (p.info["cmdline"] or ()))
        assert simulator.environ().keys() <= {"PATH", "LC_CTYPE"}


def test_clean_leaves_nothing(stack: Stack) -> None:
    with stack.session(POSTGRES):
        outside = stack.postgres.folder
    assert reachable_by_everybody(outside.parent) or os.geteuid() != 0

    stack.clean()

    assert not stack.local.exists()
    assert not outside.exists()
    assert not outside.parent.exists() or outside.parent == stack.local.parent


def test_psql_gives_its_exit_code_and_hides_the_password(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    with stack.session(POSTGRES):
        assert psql(stack, "SELECT 1") == 0
        assert psql(stack, "SELECT 1/0") == 1
    out, err = capfd.readouterr()
    assert "division by zero" in err
    assert stack.environment.secrets["postgres_password"] not in out + err
