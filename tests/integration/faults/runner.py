"""Runs steps in a process of their own that can be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("steps_process.py")
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""A fork has one thread: numpy and pyarrow start none of their own with these."""
LONGEST = 60.0
"""Seconds after which a process is taken to hang: a step takes about one."""


@dataclass(frozen=True)
class Mining:
    """What steps are called with. `token` names the account at the provider; `run_id` is known once prepared."""

    dsn: str
    url: str
    token: str
    key: str
    request: dict[str, Any]
    data_docs: str
    run_id: int | None = None
    calls_at_once: int = 1


@dataclass(frozen=True)
class Failure:
    """How a step ended that raised an error: class and text, and whether Airflow would not try it again."""

    step: str
    error: str
    text: str
    permanent: bool


@dataclass
class Outcome:
    """How a process ended: the results of the steps that it finished, in order, and what stopped it, if anything."""

    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure: Failure | None = None
    exit_code: int | None = None

    @property
    def killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL


class StepRunner:
    """A warmed-up process that forks the processes in which steps are run."""

    def __enter__(self) -> StepRunner:
        environment = os.environ | NO_THREADS
        self._program = subprocess.Popen(
            [sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._read() == {"ready": True}
        self._pids: list[int] = []
        self._runs = threading.Event()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.communicate()  # closes its input, with which it ends

    def run_steps(self, mining: Mining, steps: Sequence[str]) -> Outcome:
        """The steps in order, each with a connection of its own, until one raises or the process is killed."""
        (outcome,) = self.run_together([mining], steps)
        return outcome

    def run_together(self, minings: Sequence[Mining], steps: Sequence[str]) -> list[Outcome]:
        """The same steps for each, in as many processes at once."""
        assert self._program.stdin
        orders = [asdict(mining) | {"steps": list(steps)} for mining in minings]
        self._program.stdin.write(json.dumps(orders) + "\n")
        self._program.stdin.flush()
        hangs = threading.Event()
        watch = threading.Timer(LONGEST + len(minings), lambda: (hangs.set(), self.kill()))
        watch.start()
        outcomes = [Outcome() for _ in minings]
        try:
            while any(outcome.exit_code is None for outcome in outcomes):
                self._note(self._read(), outcomes)
        finally:
            watch.cancel()
            self._runs.clear()
        for outcome in outcomes:
            if hangs.is_set() and outcome.killed:
                step = steps[len(outcome.ended)]
                outcome.failure = Failure(step, "TimeoutError", "it has not ended in time", permanent=True)
        return outcomes

    def _note(self, line: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
        if "pids" in line:
            self._pids = line["pids"]
            self._runs.set()
            return
        outcome = outcomes[line.pop("place")]
        if "exit" in line:
            outcome.exit_code = line["exit"]
        elif "error" in line:
            outcome.failure = Failure(**line)
        else:
            outcome.ended[line["step"]] = line["result"]

    def kill(self) -> None:
        """SIGKILL to the processes that run now. Safe to call from any thread."""
        assert self._runs.wait(LONGEST), "no process runs"
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _read(self) -> dict[str, Any]:
        assert self._program.stdout
        line = self._program.stdout.readline()
        if not line:
            raise RuntimeError(f"{PROGRAM.name} has ended with exit code {self._program.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found
