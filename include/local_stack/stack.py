"""The local stack: which services there are, and starting and stopping them.

A command that needs services opens a `session`. Services that it started are stopped after it, unless another command
uses them then or `make up` wants them kept. Locks (flock) say who uses what, so a killed command leaves no claim.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO

import psycopg

from local_stack import crm
from local_stack.airflow_api import AirflowApi
from local_stack.environment import ADMIN, CREDITS_VARIABLE, DATABASES, Environment, reachable_by_everybody
from local_stack.errors import StackError
from local_stack.postgres import PostgresServer, server_account
from local_stack.supervision import Program, Supervisor

POSTGRES, SIMULATOR = "postgres", "simulator"
# What the simulator is started by: it gets none of the environment, where Airflow's secrets and connections are.
NO_SECRETS = ["env", "-i", f"PATH={os.environ.get('PATH', os.defpath)}"]
API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER = "api-server", "scheduler", "dag-processor", "triggerer"
MINING = (POSTGRES, SIMULATOR, API_SERVER, SCHEDULER, DAG_PROCESSOR)
ALL = (*MINING, TRIGGERER)
START_SECONDS = 600
PROVIDER_POOL = ("lead_mining_provider", 4, "Saved searches at once from this provider")  # named like its connection


def _tell(line: str) -> None:
    print(line, flush=True)


class Stack:
    """The services of one `.local` folder. Several stacks, each with its own folder, can run side by side.

    `outer` is the user's environment (default: ours); `say` gets the progress lines.
    """

    def __init__(
        self, local: Path | None = None, outer: Mapping[str, str] | None = None, say: Callable[[str], None] = _tell
    ) -> None:
        self.environment = Environment(local, outer)
        self.local = self.environment.local
        self.say = say

    # -- what others need to know of it

    @property
    def url(self) -> str:
        """Of the Airflow UI and API."""
        return self.environment.airflow_url

    @property
    def user(self) -> str:
        return ADMIN

    @property
    def password(self) -> str:
        return self.environment.secrets["airflow_password"]

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that Airflow runs with."""
        return self.environment.variables()

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(self.url, self.user, self.password)

    @property
    def crm_conninfo(self) -> str:
        """How psycopg connects to the CRM database: the user's, else the embedded one."""
        if self.environment.embedded_crm:
            return self.postgres.conninfo("crm")
        return crm.conninfo_of(self.environment.connections()["AIRFLOW_CONN_LEAD_MINING_CRM"])

    # -- parts

    @property
    def postgres(self) -> PostgresServer:
        """The server, as it runs or will be run: in `.local`, or outside where its account could not reach that."""
        hidden = server_account() and not reachable_by_everybody(self.local)
        folder = self.environment.temporary_folder if hidden else self.local
        server = PostgresServer(
            folder / "postgres",
            port=self.environment.ports.postgres,
            password=self.environment.secrets["postgres_password"],
        )
        server.log = self.supervisor.log_of(POSTGRES)
        return server

    @cached_property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.environment.run, self.environment.supervisor_socket, self.environment.logs)

    def _programs(self) -> list[Program]:
        def module(name: str, *arguments: str) -> Program:
            return Program(name, [sys.executable, "-m", *arguments])

        port, state = str(self.environment.ports.simulator), str(self.local / "simulator.sqlite")
        simulator = ["--host", "127.0.0.1", "--port", port, "--state", state]
        postgres = Program(
            POSTGRES,
            self.postgres.command,
            account=server_account(),
            stop_signal="INT",  # PostgreSQL's fast shutdown; it ends its children itself
            stop_children_too=False,
            stop_seconds=60,
            last_to_stop=True,
        )
        return [
            postgres,
            Program(SIMULATOR, [*NO_SECRETS, sys.executable, "-m", "provider_simulator", "serve", *simulator]),
            module(API_SERVER, "airflow", "api-server"),
            # Logs lie where the API server finds them; log servers of two stacks would want the same port.
            module(SCHEDULER, "airflow", "scheduler", "--skip-serve-logs"),
            module(DAG_PROCESSOR, "airflow", "dag-processor"),
            module(TRIGGERER, "airflow", "triggerer", "--skip-serve-logs"),
        ]

    # -- who uses it

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One command at a time starts or stops services."""
        while True:
            self.environment.make_folders()
            path = self.local / "change.lock"
            with path.open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.say("another command is starting or stopping services here; waiting for it")
                    fcntl.flock(lock, fcntl.LOCK_EX)
                if path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno())):  # not removed by a `clean`
                    yield
                    return

    def _claim(self) -> IO[str]:
        claim = (self.local / "in_use.lock").open("a")
        fcntl.flock(claim, fcntl.LOCK_SH)
        return claim

    def _is_claimed(self) -> bool:
        with (self.local / "in_use.lock").open("a") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def is_up(self) -> bool:
        """Whether `make up` keeps the services running; the mark names its supervisord, so it outlives no reboot."""
        mark = self.local / "up"
        return mark.exists() and mark.read_text() == str(self.supervisor.pid)

    @contextmanager
    def session(self, *services: str) -> Iterator[None]:
        """The services run inside; those that nobody else uses are stopped after it."""
        with self._changing():
            if services != (POSTGRES,):
                self._ensure_same_environment()
            claim = self._claim()
            try:
                self.start(*services)
            except BaseException:
                claim.close()
                self._stop_if_unused()
                raise
        try:
            yield
        finally:
            with self._changing():
                claim.close()
                self._stop_if_unused()

    def _stop_if_unused(self) -> None:
        if not self.is_up and not self._is_claimed():
            self.stop()

    # -- starting and stopping

    def up(self) -> None:
        """Start all services and leave them running."""
        with self._changing():
            self._ensure_same_environment()
            try:
                self.start(*ALL)
            except BaseException:
                self._stop_if_unused()
                raise
            (self.local / "up").write_text(str(self.supervisor.pid))

    def down(self) -> None:
        """Stop all services, also those that a command is using."""
        with self._changing():
            self.stop()

    def clean(self) -> None:
        """Stop all services and remove everything that they keep: databases, logs, secrets."""
        if not self.local.exists():
            return
        with self._changing():
            self.stop()
            self.environment.remove_temporary_folder()
            shutil.rmtree(self.local)

    def stop(self) -> None:
        """Stop all services, and what a killed supervisor left of them."""
        self.supervisor.shut_down()
        self._end_orphans()
        (self.local / "up").unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        if (self.local / "ports.json").exists():  # else nothing was ever started here
            self.supervisor.end_orphans()
            self.postgres.stop()

    def start(self, *services: str) -> None:
        """Start the services that do not run yet, with all that they need prepared, and wait until they are healthy."""
        if not self.environment.simulated_provider:
            services = tuple(name for name in services if name != SIMULATOR)
        states = self.supervisor.states()
        missing = [name for name in services if states.get(name) != "RUNNING"]
        if not missing:
            return
        began, since = time.monotonic(), datetime.now(UTC)
        if not states:
            self._launch()
        self.say(f"starting {', '.join(missing)}")
        self._start_postgres()
        airflow = [name for name in missing if name not in (POSTGRES, SIMULATOR)]
        if SIMULATOR in missing:
            self.supervisor.start(SIMULATOR)
        if airflow:
            self.migrate_metadata()
            for name in airflow:
                self.supervisor.start(name)
        self._wait_until_healthy(missing, since)
        if API_SERVER in missing:
            self.api.add_pool(*PROVIDER_POOL)
        self.say(f"started in {time.monotonic() - began:.0f} s")

    def _launch(self) -> None:
        self._end_orphans()
        self.environment.choose_ports()
        self.environment.write_airflow_files()
        self.postgres.prepare()
        (self.local / "environment").write_text(self._environment_digest())
        self.supervisor.launch(self._programs(), self.env)

    def _start_postgres(self) -> None:
        self.supervisor.start(POSTGRES)
        server = self.postgres
        server.wait_until_ready(check=lambda: self.supervisor.check(POSTGRES))
        for name in DATABASES:
            server.create_database(name)

    # Two commands with different connections cannot share one scheduler.

    def _environment_digest(self) -> str:
        # What our own commands change from call to call (make's and the shell's variables) is left out.
        told = {name: value for name, value in self.env.items() if name.startswith(("AIRFLOW", "LEAD_MINING", "GX_"))}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _ensure_same_environment(self) -> None:
        """Stop services that run with other connections than ours. Raises StackError where they are in use."""
        if not self.supervisor.states() or (self.local / "environment").read_text() == self._environment_digest():
            return
        if self.is_up or self._is_claimed():
            raise StackError(
                "services are running here with other AIRFLOW_* variables than those of this command: "
                "run `make down` first, or give this command the same variables"
            )
        self.stop()

    # -- Airflow

    def migrate_metadata(self) -> None:
        """`airflow db migrate`, where this version of Airflow has not done it on this database."""
        stamp = self.environment.airflow_home / "migrated"
        if stamp.exists() and stamp.read_text() == self._metadata_version():
            return
        self.say("preparing the Airflow metadata database")
        log = self.environment.logs / "airflow-db-migrate.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "airflow", "db", "migrate"]
            result = subprocess.run(
                command, check=False, env=self.env, cwd=self.environment.run, stdout=output, stderr=subprocess.STDOUT
            )
        if result.returncode:
            raise StackError(f"`airflow db migrate` failed: {_last_line(log)}\nsee {log}")
        stamp.write_text(self._metadata_version())

    def _metadata_version(self) -> str:
        with psycopg.connect(self.postgres.conninfo("airflow")) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
                return ""
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return f"{importlib.metadata.version('apache-airflow-core')} {row[0] if row else ''}"

    def prepare_crm(self) -> None:
        """Bring the CRM database up to date: the embedded one from nothing, the user's but for the CRM's own tables."""
        credits = self.environment.connections().get(CREDITS_VARIABLE)
        crm.prepare(
            self.crm_conninfo,
            embedded=self.environment.embedded_crm,
            credits_conninfo=crm.conninfo_of(credits) if credits else None,
        )

    def _wait_until_healthy(self, services: Sequence[str], since: datetime) -> None:
        api = self.api
        began = said = time.monotonic()
        warm = API_SERVER not in services
        while True:
            for name in services:
                self.supervisor.check(name)
            beats = api.heartbeats()
            if beats and not warm:
                api.warm()
                warm = True
            waiting = [name for name in services if not self._is_healthy(name, api, beats, since)]
            if not waiting:
                return
            now = time.monotonic()
            if now - began > START_SECONDS:
                logs = self.environment.logs
                raise StackError(f"not healthy after {START_SECONDS} s: {', '.join(waiting)}; logs: {logs}")
            if now - said > 10:
                said = now
                self.say(f"  waiting for {', '.join(waiting)} ({now - began:.0f} s)")
            time.sleep(0.3)

    def _is_healthy(self, name: str, api: AirflowApi, beats: Mapping[str, datetime], since: datetime) -> bool:
        if name == POSTGRES:
            return True  # it was waited for before the others were started
        if name == SIMULATOR:
            return api.is_healthy(f"http://127.0.0.1:{self.environment.ports.simulator}/health")
        return name in beats and beats[name] >= since

    def states(self) -> dict[str, str]:
        """Service to state (`RUNNING`, `STOPPED`, ...); empty where nothing runs."""
        return self.supervisor.states() if self.environment.run.exists() else {}


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
