"""Tables are locked, the disk is full, queries are cancelled in the middle of a step: it goes on, or is done again.

An answer that was paid for is never lost by it: its process lived.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from busy_database import WRITTEN, Trouble, cancelling, failing, locked, make_breakable
from databases import new_database
from psycopg.conninfo import make_conninfo

from .invariants import broken
from .runner import Mining
from .sweep import KEY, STEPS, Rehearsal, as_airflow
from .test_killed_at_every_boundary import ALL
from .wire_proxy import Point, Points, Side, http_proxy, postgres_proxy

LASTS = 0.4  # seconds, several times what a step waits for a lock
TABLES = ", ".join(f"lead_mining.{table}" for table in WRITTEN)
LOCK = f"SET lock_timeout = '50ms'; LOCK TABLE {TABLES} IN EXCLUSIVE MODE"
TROUBLES: dict[str, Callable[[str], Any]] = {
    "tables locked": partial(locked, statement=LOCK),
    "disk full": partial(failing, code="53100"),
    "queries cancelled": partial(cancelling, statement=LOCK),
    "deadlocks": partial(failing, code="40P01"),
}
TRIED = [step for step in STEPS if step != "prepare_request"] if ALL else ["extract"]


class Strikes(Points):
    """At the point of that number the trouble begins, and ends a moment later."""

    def __init__(self, at: int, trouble: Trouble) -> None:
        super().__init__()
        self._at, self._trouble = at, trouble

    def meet(self, side: Side, what: str, *, irrevocable: bool) -> None:
        super().meet(side, what, irrevocable=irrevocable)
        if len(self.met) == self._at:
            self._trouble.start()


def is_tried(point: Point) -> bool:
    """With `make faults` all where leads are bought, and of other steps the ends of transactions; else one answer."""
    if ALL:
        return point.irrevocable or point.step == "extract"
    return point.what.startswith("POST /iap/clearbit") and point.side == "after"


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("step", TRIED)
def test_a_step_goes_on_when_the_database_can_again(
    rehearsal: Rehearsal, step: str, trouble: str, tell: Callable[..., None]
) -> None:
    points = rehearsal.stages[step].points
    tried = [number for number, point in enumerate(points, start=1) if is_tried(point)][0 if ALL else -1 :]
    wrong = {number: attempt(rehearsal, step, number, trouble) for number in tried}
    lines = [f"{points[number - 1]} (point {number}): {what}" for number in tried for what in wrong[number]]
    survived = sum(not found for found in wrong.values())
    tell(f"{trouble} in {step}", len(points), len(tried), survived, len(lines))
    assert tried
    assert not lines, "\n".join(["", *lines])


def attempt(rehearsal: Rehearsal, step: str, number: int, trouble: str) -> list[str]:
    """What does not hold after the step, or after all that Airflow does when it fails."""
    place, stage = rehearsal.place, rehearsal.stages[step]
    buys = STEPS.index(step) <= STEPS.index("extract")
    token = f"trouble-{uuid4().hex}" if buys else rehearsal.token
    with new_database(place.server, stage.template) as dsn, tempfile.TemporaryDirectory() as docs:
        with psycopg.connect(dsn) as conn:
            make_breakable(conn)
        begun = Trouble(partial(TROUBLES[trouble], dsn), LASTS)
        waits_briefly = make_conninfo(dsn, options="-c lock_timeout=100ms")
        points = Strikes(number, begun)
        with postgres_proxy(waits_briefly, points) as proxied, http_proxy(place.simulator.url, points) as url:
            place.runner.run_steps(Mining(proxied, url, token, KEY, place.request, docs, stage.run_id), [step])
        begun.join()
        mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, stage.run_id)
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
    return wrong
