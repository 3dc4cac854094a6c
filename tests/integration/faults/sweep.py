"""The sweep: a run is killed at every point that it meets, run again as Airflow would, and looked at."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from databases import new_database
from psycopg.conninfo import conninfo_to_dict
from steps import STEPS as ALL_STEPS

from lead_mining.buying import settle_call
from lead_mining.credits import ledger
from provider_simulator.testing import Simulator

from .invariants import Footprint, broken, footprint
from .runner import Mining, Outcome, StepRunner
from .wire_proxy import Point, Points, http_proxy, postgres_proxy

KEY = "lead_mining/faults"
STEPS = tuple(step for step in ALL_STEPS if step != "approve_cost")  # a person's, not ours
RETRIES = 4  # as in dags/lead_mining.py
SALESPERSON = {"embedded": "alex", "odoo17": "mia"}
"""Another one than the acting user, by kind of CRM, so that mails are written."""


def request_for(crm_kind: str) -> dict[str, Any]:
    """People search, more than one page, contacts, tags, mails."""
    return {
        "countries": ["US"],
        "search_type": "people",
        "lead_number": 4,
        "contact_number": 2,
        "preferred_role": "CEO",
        "other_roles": ["Marketing", "Sale"],
        "salesperson": SALESPERSON[crm_kind],
        "tags": ["Lead mining", "Faults"],
    }


@dataclass(frozen=True)
class Place:
    """Where runs happen. `server`: dsn of the PostgreSQL server; `template`: the database of a CRM to copy."""

    kind: str
    server: str
    template: str
    simulator: Simulator
    runner: StepRunner
    request: dict[str, Any]

    def charged(self, token: str) -> int:
        """Credits, by the provider's own books."""
        try:
            return int(self.simulator.account(token)["charged"])
        except httpx.HTTPStatusError:  # it was never asked
            return 0


@dataclass(frozen=True)
class Stage:
    """A step of the clean run: the database before it, the number of the run where it has one, the points it met."""

    step: str
    template: str
    run_id: int | None
    points: list[Point]


@dataclass(frozen=True)
class Rehearsal:
    """A clean run. `token`: its account at the provider; `clean`: what it left."""

    place: Place
    token: str
    stages: dict[str, Stage]
    clean: Footprint


@dataclass(frozen=True)
class Trial:
    """One kill. `number`: of the point among those of its step, from 1; `broken`: empty where the run survived."""

    number: int
    point: Point
    broken: list[str]

    @property
    def wrong(self) -> list[str]:
        """A line for each invariant that does not hold."""
        return [f"{self.point} (point {self.number}): {what}" for what in self.broken]


@contextmanager
def rehearsed(place: Place) -> Iterator[Rehearsal]:
    """A clean run, step by step, with a copy of the database before each. Raises AssertionError where a step fails."""
    token = f"clean-{uuid4().hex}"
    with ExitStack() as kept, tempfile.TemporaryDirectory() as docs:
        dsn = kept.enter_context(new_database(place.server, place.template))
        with psycopg.connect(dsn) as conn:
            ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
        stages: dict[str, Stage] = {}
        run_id: int | None = None
        for step in STEPS:
            before = dsn
            dsn = kept.enter_context(new_database(place.server, _name(before)))
            mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, run_id)
            points, outcome = watched(place.runner, mining, step)
            assert step in outcome.ended, f"the clean run failed: {outcome.failure}"
            stages[step] = Stage(step, _name(before), run_id, points.met)
            run_id = run_id or outcome.ended[step]["run_id"]
        with psycopg.connect(dsn) as conn:
            clean = footprint(conn)
            wrong = broken(conn, place.charged(token), clean)
            assert not wrong, f"the clean run breaks what must hold: {wrong}"
        yield Rehearsal(place, token, stages, clean)


def _name(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def watched(runner: StepRunner, mining: Mining, step: str, strike_at: int | None = None) -> tuple[Points, Outcome]:
    """Run one step behind the proxies, which kill it at the point of that number."""
    points = Points(strike_at, runner.kill)
    with postgres_proxy(mining.dsn, points) as dsn, http_proxy(mining.url, points) as url:
        outcome = runner.run_steps(replace(mining, dsn=dsn, url=url), [step])
    return points, outcome


def chosen(points: Sequence[Point], stride: int) -> list[int]:
    """Numbers, from 1: every end of a transaction or HTTP call, and of the others each `stride`-th."""
    return [n for n, point in enumerate(points, start=1) if point.irrevocable or n % stride == 0]


def sweep(rehearsal: Rehearsal, step: str, *, stride: int = 1, release_between: bool = False) -> list[Trial]:
    """Kill at the chosen points of the step, one trial each; see `attempt`."""
    return [
        attempt(rehearsal, step, number, release_between=release_between)
        for number in chosen(rehearsal.stages[step].points, stride)
    ]


def attempt(rehearsal: Rehearsal, step: str, number: int, *, release_between: bool = False) -> Trial:
    """Kill `step` at its point of that number, and run it, all that follow and the teardown again, as Airflow would.

    `release_between`: the DAG's teardown comes first, as where the run failed and is cleared later.
    """
    place, stage = rehearsal.place, rehearsal.stages[step]
    buys = STEPS.index(step) <= STEPS.index("extract")
    token = f"trial-{uuid4().hex}" if buys else rehearsal.token  # who has bought has an account already
    with new_database(place.server, stage.template) as dsn, tempfile.TemporaryDirectory() as docs:
        mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, stage.run_id)
        points, struck = watched(place.runner, mining, step, strike_at=number)
        if not struck.killed or points.met != stage.points[:number]:
            return Trial(
                number, stage.points[number - 1], ["the point was not met: the run differs from the clean one"]
            )
        if release_between:
            place.runner.run_steps(mining, ["release"])
        again = as_airflow(place, mining, STEPS[STEPS.index(step) :])
        wrong = []
        if again.failure:
            wrong.append(f"run again, {again.failure.step} ended with {again.failure.error}: {again.failure.text}")
        with psycopg.connect(dsn) as conn:
            wrong += broken(conn, place.charged(token), rehearsal.clean)
    return Trial(number, stage.points[number - 1], wrong)


def as_airflow(place: Place, mining: Mining, steps: Sequence[str]) -> Outcome:
    """The steps in order; one that fails is retried, and cleared after a person has settled what only a person can.

    The teardown, which comes last, is run whatever happened before.
    """
    retries = 0
    while True:
        outcome = place.runner.run_steps(mining, steps)
        if not outcome.failure:
            return outcome
        if "prepare_request" in outcome.ended:
            mining = replace(mining, run_id=outcome.ended["prepare_request"]["run_id"])
        steps = steps[steps.index(outcome.failure.step) :]
        if outcome.failure.error == "ProviderOutcomeUnknown":
            settle(mining.dsn, place.charged(mining.token))
        elif outcome.failure.permanent or retries == RETRIES:
            place.runner.run_steps(mining, ["release"])
            return outcome
        retries += 1


def settle(dsn: str, charged: int) -> None:
    """What a person does who looks at the provider's account: lost answers cost what it shows beyond the stored pages."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        unsettled = conn.execute(
            "SELECT id, most, (SELECT coalesce(sum(charged), 0) FROM lead_mining.provider_call),"
            " extract(epoch FROM pending_until - clock_timestamp())::float"
            " FROM lead_mining.provider_call WHERE state IN ('open', 'unknown') ORDER BY id"
        ).fetchall()
        left = charged - unsettled[0][2]
        for call_id, most, _, wait in unsettled:
            time.sleep(max(wait, 0))
            cost = left if call_id == unsettled[-1][0] else min(left, most)
            settle_call(conn, call_id, "lost" if cost else "not_charged", cost, by="a person")
            left -= cost
