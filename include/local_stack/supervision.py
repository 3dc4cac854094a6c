"""The services of the local stack as children of one supervisord (https://supervisord.org)."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

from local_stack.errors import SupervisionError

STOP_SECONDS = 60
UP = ("RUNNING", "STARTING", "BACKOFF")


@dataclass(frozen=True)
class Program:
    """One service: its command, the account it runs as (None: ours) and the signal that asks it to end."""

    name: str
    command: Sequence[str]
    account: str | None = None
    stop_signal: str = "TERM"
    stop_children_too: bool = True
    stop_seconds: int = 5  # then it is killed: Airflow and the runs bear that
    last_to_stop: bool = False  # the others stop at the same time, before it


class Supervisor:
    """One supervisord: its own files in `folder`, its socket, and the services' logs in `logs`."""

    def __init__(self, folder: Path, socket: Path, logs: Path) -> None:
        self.config = folder / "supervisord.conf"
        self.pid_file = folder / "supervisord.pid"
        self.cwd = folder  # of all services: by it those that a killed supervisord left behind are found
        self.socket = socket
        self.logs = logs

    # -- supervisord itself

    @property
    def pid(self) -> int | None:
        """The process id of the running supervisord."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        command = subprocess.run(
            ["ps", "-ww", "-p", str(pid), "-o", "args="], check=False, capture_output=True, text=True
        )
        return pid if str(self.config) in command.stdout else None

    def launch(self, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Start supervisord with all programs known to it and none started."""
        self.config.write_text(self.configuration(programs), encoding="utf-8")
        self.socket.unlink(missing_ok=True)
        with (self.logs / "supervisord.out").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(self.config)],
                cwd=self.cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + STOP_SECONDS
        while not self.states():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SupervisionError(f"supervisord did not start:\n{(self.logs / 'supervisord.out').read_text()}")
            time.sleep(0.05)

    def configuration(self, programs: Sequence[Program]) -> str:
        # Relative: supervisord expands a % in a log's name twice, so one in the project's path could not be escaped.
        logs = os.path.relpath(self.logs, self.cwd)

        def program_section(program: Program) -> str:
            return Template(_template("program.conf.tmpl")).substitute(
                name=program.name,
                command=_escaped(shlex.join(program.command)),
                log=f"{logs}/{program.name}.log",
                account=f"user={program.account}" if program.account else "",
                stop_signal=program.stop_signal,
                stop_seconds=program.stop_seconds,
                stop_children_too=str(program.stop_children_too).lower(),
            )

        def group(name: str, priority: int, last_to_stop: bool) -> str:
            members = ",".join(program.name for program in programs if program.last_to_stop is last_to_stop)
            return f"\n[group:{name}]\nprograms={members}\npriority={priority}\n" if members else ""

        head = Template(_template("supervisord.conf.tmpl")).substitute(
            socket=_escaped(str(self.socket)),
            log=f"{logs}/supervisord.log",
            pid_file=self.pid_file.name,
            account="user=root" if os.geteuid() == 0 else "",
        )
        groups = group("foundation", 1, True) + group("services", 2, False)
        return head + "".join(map(program_section, programs)) + groups

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def shut_down(self) -> None:
        """Stop all services, in order, and supervisord."""
        pid = self.pid
        if pid is None:
            return
        deadline = time.monotonic() + STOP_SECONDS
        os.kill(pid, signal.SIGTERM)
        while _is_alive(pid):
            if time.monotonic() > deadline:
                raise SupervisionError(f"supervisord (process {pid}) did not stop in {STOP_SECONDS} s")
            time.sleep(0.05)
        self.socket.unlink(missing_ok=True)

    # -- services

    def states(self) -> dict[str, str]:
        """Service to state (`RUNNING`, `STOPPED`, `FATAL`, ...); empty where no supervisord answers."""
        return {info["name"]: info["statename"] for info in self._processes()}

    def _processes(self) -> list[dict[str, str]]:
        try:
            return self._call("getAllProcessInfo")
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return []

    def start(self, name: str) -> None:
        """Start a service and do not wait for it. Nothing happens where it runs."""
        for process in self._processes():
            if process["name"] == name and process["statename"] not in UP:
                self._call("startProcess", f"{process['group']}:{name}", False)

    def check(self, name: str) -> None:
        """Raises SupervisionError, with the end of the service's log, where it has ended for good."""
        state = self.states().get(name, "not running")
        if state not in UP:
            log = self.log_of(name)
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
            raise SupervisionError(f"the service {name} is {state}; the end of {log}:\n{end}")

    def _call(self, method: str, *arguments: object) -> list[dict[str, str]]:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        try:
            server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
            answer: list[dict[str, str]] = getattr(server.supervisor, method)(*arguments)
            return answer
        finally:
            transport.close()

    # -- what a killed supervisord left behind

    def end_orphans(self) -> None:
        """End the services of a supervisord that is no more."""
        import psutil

        def is_ours(process: psutil.Process) -> bool:
            with suppress(psutil.Error, OSError):
                return Path(process.cwd()) == self.cwd
            return False

        orphans = [process for process in psutil.process_iter() if process.pid != os.getpid() and is_ours(process)]
        for process in orphans:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(orphans, timeout=10)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):  # it is our child only where this very process launched it
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _escaped(value: str) -> str:
    if any(mark in value for mark in (" #", " ;", "\n")):
        raise SupervisionError(
            f"supervisord cannot be told of a path with ' #' or ' ;' in it; move the project: {value}"
        )
    return value.replace("%", "%%")
