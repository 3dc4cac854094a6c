"""A real supervisord with small programs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_stack.errors import SupervisionError
from local_stack.supervision import Program, Supervisor

SLEEPS = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(600)"]
FAILS = [sys.executable, "-c", "raise SystemExit('no such catalogue: 100% sure')"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    folder = tmp_path / "run it's 100%"
    folder.mkdir()
    made = Supervisor(folder, Path("/tmp") / f"{os.getpid()}-{time.monotonic_ns()}.sock", folder)
    yield made
    made.shut_down()
    made.end_orphans()


def wait_for(condition: object, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_services_start_on_demand_and_stop_together(supervisor: Supervisor) -> None:
    foundation, service = Program("base", SLEEPS, last_to_stop=True), Program("service", SLEEPS)
    supervisor.launch([foundation, service], os.environ)
    assert supervisor.states() == {"base": "STOPPED", "service": "STOPPED"}

    supervisor.start("service")
    wait_for(lambda: supervisor.log_of("service").exists() and "awake" in supervisor.log_of("service").read_text())
    supervisor.start("service")  # once more: nothing happens

    assert supervisor.states()["base"] == "STOPPED"
    supervisor.check("service")
    supervisor.shut_down()
    assert supervisor.states() == {}
    assert supervisor.pid is None


def test_service_that_fails_is_named_with_its_log(supervisor: Supervisor) -> None:
    supervisor.launch([Program("service", FAILS)], os.environ)
    supervisor.start("service")
    wait_for(lambda: supervisor.states()["service"] == "FATAL")

    with pytest.raises(SupervisionError, match=r"service service is FATAL(?s:.*)no such catalogue: 100% sure"):
        supervisor.check("service")


def test_service_that_dies_is_started_again(supervisor: Supervisor) -> None:
    supervisor.launch([Program("service", SLEEPS)], os.environ)
    supervisor.start("service")
    wait_for(lambda: supervisor.states()["service"] == "RUNNING")
    first = psutil.Process(supervisor.pid).children()[0]

    first.kill()

    wait_for(lambda: [child for child in psutil.Process(supervisor.pid).children() if child.pid != first.pid])


def test_services_of_a_killed_supervisor_are_ended(supervisor: Supervisor) -> None:
    supervisor.launch([Program("service", SLEEPS)], os.environ)
    supervisor.start("service")
    wait_for(lambda: psutil.Process(supervisor.pid).children())
    service = psutil.Process(supervisor.pid).children()[0]
    wait_for(lambda: service.cwd() == str(supervisor.cwd))
    pid = supervisor.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert supervisor.pid is None
    assert service.is_running()

    supervisor.end_orphans()

    assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE
    supervisor.launch([Program("service", SLEEPS)], os.environ)  # nothing stale is in its way
    assert supervisor.states() == {"service": "STOPPED"}


def test_pid_file_that_names_another_process_is_not_believed(supervisor: Supervisor) -> None:
    supervisor.pid_file.write_text(str(os.getpid()))

    supervisor.shut_down()  # else this test would not live to see

    assert supervisor.pid is None


def test_configuration_holds_no_environment(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret-of-airflow")

    assert "secret-of-airflow" not in supervisor.configuration([Program("service", SLEEPS)])


def test_path_that_supervisord_cannot_read_is_refused(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, tmp_path / "socket", tmp_path)

    with pytest.raises(SupervisionError, match="move the project: '/clients #1/python' -m airflow"):
        supervisor.configuration([Program("service", ["/clients #1/python", "-m", "airflow"])])
