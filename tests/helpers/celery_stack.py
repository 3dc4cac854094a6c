"""The local stack with the CeleryExecutor: a broker, and workers that can be lost whole, as a machine is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import psutil
from celery import Celery

from local_stack.environment import free_port
from local_stack.stack import Stack

TASKS_OF_A_WORKER = 2


class CeleryStack(Stack):
    """As the Stack, but for the executor. Broker and workers are this process's own: nobody starts a lost one again."""

    @cached_property
    def workers(self) -> dict[str, psutil.Process]:
        return {}

    @cached_property
    def broker_port(self) -> int:
        return free_port()

    @property
    def broker(self) -> str:
        return f"redis://127.0.0.1:{self.broker_port}/0"

    @property
    def env(self) -> dict[str, str]:
        env = super().env
        return env | {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": self.broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{env['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(TASKS_OF_A_WORKER),
            # Stock settings give a silent task five minutes, and ten to one that no worker takes.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
        }

    def start_broker(self) -> None:
        """Redis, which forgets all at its end."""
        port = str(self.broker_port)
        self._start_process("redis", ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", ""])

    def start_workers(self, *names: str) -> None:
        """Returns once they take tasks. The names are what Airflow has as the hostname of the tasks that they do."""
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs", "--celery-hostname"]
        for name in names:
            # All workers are on one host: asked for its name, Airflow is told LOGNAME.
            told = {"AIRFLOW__CORE__HOSTNAME_CALLABLE": "getpass.getuser", "LOGNAME": name}
            self.workers[name] = self._start_process(name, [*command, name], told)
        with Celery(broker=self.broker) as app:
            wait_until(lambda: len(app.control.ping(timeout=0.5)) == len(names), "all take tasks", seconds=120)

    def lose_worker(self, name: str) -> None:
        """SIGKILL for it and all that descends from it, the parents first: none sees its child die."""
        worker = self.workers.pop(name)
        for process in (worker, *worker.children(recursive=True)):
            process.kill()

    def clean(self) -> None:
        for name in list(self.workers):
            self.lose_worker(name)
        super().clean()

    def _start_process(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> psutil.Process:
        folder = self.supervisor.cwd  # what runs in it ends with the stack
        with self.supervisor.log_of(name).open("wb") as log:
            made = subprocess.Popen(command, cwd=folder, env=self.env | (env or {}), stdout=log, stderr=log)
        return psutil.Process(made.pid)


def wait_until(condition: Callable[[], object], what: str, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
