"""The database server is killed in the middle of a step, with all its processes, and started again."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import psutil
import psycopg
import pytest
from databases import server_folder

from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from local_stack.postgres import PostgresServer
from provider_simulator.testing import Simulator

from .invariants import broken
from .runner import Mining, StepRunner
from .sweep import KEY, STEPS, Place, Rehearsal, as_airflow, rehearsed, request_for
from .test_killed_at_every_boundary import ALL
from .wire_proxy import Point, Points, Side, http_proxy, postgres_proxy

TRIED = STEPS if ALL else ("extract", "load_leads")
FEW = 4  # of each step: what is asked of and answered by the provider, and the last commits of the load
AWAY = 0.5  # seconds that the server is down


class Server:
    """A durable PostgreSQL that can be killed and started again on the same data and port."""

    def __init__(self) -> None:
        self.folder = server_folder()
        self.running = self._new()
        self.running.start()

    def _new(self, port: int = 0, password: str | None = None) -> PostgresServer:
        return PostgresServer(self.folder / "postgres", port=port, password=password or os.urandom(12).hex())

    def kill(self) -> None:
        """All its processes at once, as when the machine goes down."""
        pid = self.running.running_pid()
        assert pid is not None
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert self.running._process is not None
        self.running._process.wait()
        psutil.wait_procs(processes, timeout=30)

    def start(self) -> None:
        self.running = self._new(self.running.port, self.running.password)
        self.running.start()


class KillsTheServer(Points):
    """At the point of that number the server is killed; it is back a moment later."""

    def __init__(self, at: int, server: Server) -> None:
        super().__init__()
        self._at, self._server = at, server
        self.back = threading.Timer(AWAY, server.start)

    def meet(self, side: Side, what: str, *, irrevocable: bool) -> None:
        super().meet(side, what, irrevocable=irrevocable)
        if len(self.met) == self._at:
            self._server.kill()
            self.back.start()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.running.stop()
    shutil.rmtree(found.folder)


@pytest.fixture(scope="module")
def rehearsal_there(server: Server, simulator: Simulator, runner: StepRunner) -> Iterator[Rehearsal]:
    dsn = server.running.create_database("crm")
    with psycopg.connect(dsn) as conn:
        assert embedded.create(conn)
    with psycopg.connect(dsn) as conn:
        migrate(conn)
    place = Place("embedded", server.running.conninfo("postgres"), "crm", simulator, runner, request_for("embedded"))
    with rehearsed(place) as found:
        yield found


def is_tried(point: Point) -> bool:
    """Each takes seconds: without `make faults`, calls of the provider and commits of the load."""
    few = point.what.startswith("POST /iap/clearbit") or (point.step, point.what) == ("load_leads", "COMMIT")
    return point.irrevocable if ALL else few


@pytest.mark.parametrize("step", TRIED)
def test_a_step_goes_on_when_the_server_is_back(
    server: Server, rehearsal_there: Rehearsal, step: str, tell: Callable[..., None]
) -> None:
    points = rehearsal_there.stages[step].points
    tried = [number for number, point in enumerate(points, start=1) if is_tried(point)][0 if ALL else -FEW :]
    wrong = {number: attempt(server, rehearsal_there, step, number) for number in tried}
    lines = [f"{points[number - 1]} (point {number}): {what}" for number in tried for what in wrong[number]]
    survived = sum(not found for found in wrong.values())
    tell(f"database server killed in {step}", len(points), len(tried), survived, len(lines))
    assert tried
    assert not lines, "\n".join(["", *lines])


def attempt(server: Server, rehearsal: Rehearsal, step: str, number: int) -> list[str]:
    """What does not hold after the step was gone on with."""
    place, stage = rehearsal.place, rehearsal.stages[step]
    buys = STEPS.index(step) <= STEPS.index("extract")
    token = f"server-{uuid4().hex}" if buys else rehearsal.token
    name = f"trial_{uuid4().hex[:12]}"
    dsn = server.running.create_database(name, stage.template)
    with tempfile.TemporaryDirectory() as docs:
        mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, stage.run_id)
        points = KillsTheServer(number, server)
        with postgres_proxy(mining.dsn, points) as proxied, http_proxy(mining.url, points) as url:
            proxied_mining = Mining(proxied, url, token, KEY, place.request, docs, stage.run_id)
            place.runner.run_steps(proxied_mining, [step])
        points.back.join()
        again = as_airflow(place, mining, STEPS[STEPS.index(step) :])
        wrong = []
        if again.failure:
            wrong.append(f"run again, {again.failure.step} ended with {again.failure.error}: {again.failure.text}")
        with psycopg.connect(dsn) as conn:
            wrong += broken(conn, place.charged(token), rehearsal.clean)
            wrong += [
                f"the answer to call {id_} was lost, though its process lived"
                for (id_,) in conn.execute("SELECT id FROM lead_mining.provider_call WHERE state = 'lost'")
            ]
    server.running.drop_database(name)
    return wrong
