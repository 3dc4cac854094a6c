"""The same task run twice at once, as two schedulers would: it is done once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from databases import new_database

from .invariants import broken
from .runner import Mining
from .sweep import KEY, STEPS, Rehearsal, as_airflow


@pytest.mark.parametrize("step", STEPS)
def test_a_step_run_twice_at_once_is_done_once(rehearsal: Rehearsal, step: str, tell: Callable[..., None]) -> None:
    place, stage = rehearsal.place, rehearsal.stages[step]
    buys = STEPS.index(step) <= STEPS.index("extract")
    token = f"twice-{uuid4().hex}" if buys else rehearsal.token
    with new_database(place.server, stage.template) as dsn, tempfile.TemporaryDirectory() as docs:
        mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, stage.run_id)
        first, second = place.runner.run_together([mining, mining], [step])
        assert (first.failure, second.failure) == (None, None)
        if step != "release":
            assert first.ended == second.ended
        assert as_airflow(place, mining, STEPS[STEPS.index(step) :]).failure is None
        with psycopg.connect(dsn) as conn:
            wrong = broken(conn, place.charged(token), rehearsal.clean)
    tell("the same task twice at once", 1, 1, int(not wrong), len(wrong))
    assert not wrong, "\n".join(["", *wrong])
