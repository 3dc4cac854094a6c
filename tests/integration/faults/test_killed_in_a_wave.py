"""Killed while several paid calls are under way, a run ends with each credit accounted for and nothing bought twice.

In which order answers come is never the same, so points are struck by number, whatever they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import psycopg
from databases import new_database

from .runner import Mining
from .sweep import KEY, Place, Rehearsal, as_airflow, watched
from .test_killed_at_every_boundary import ALL

AT_ONCE = 3
LEADS = 10  # five pages of two: a wave of three calls, and one of two
STRIDE = 1 if ALL else 11


def prepared(place: Place, dsn: str, docs: str) -> Mining:
    request = {"countries": ["US"], "lead_number": LEADS}
    mining = Mining(dsn, place.simulator.url, f"wave-{uuid4().hex}", KEY, request, docs, calls_at_once=AT_ONCE)
    outcome = place.runner.run_steps(mining, ["prepare_request"])
    return replace(mining, run_id=outcome.ended["prepare_request"]["run_id"])


def test_a_run_killed_in_a_wave_pays_for_nothing_twice(rehearsal: Rehearsal, tell: Callable[..., None]) -> None:
    place, template = rehearsal.place, rehearsal.stages["prepare_request"].template
    with new_database(place.server, template) as dsn, tempfile.TemporaryDirectory() as docs:
        points, clean = watched(place.runner, prepared(place, dsn, docs), "extract")
    assert clean.ended["extract"] == {
        "pages": 5,
        "candidates": LEADS,
        "provider_charged": LEADS,
        "stopped": "enough",
    }
    tried = range(STRIDE, len(points.met), STRIDE)
    wrong = {number: attempt(place, template, number) for number in tried}
    lines = [f"point {number}: {what}" for number in tried for what in wrong[number]]
    tell("SIGKILL in a wave", len(points.met), len(tried), sum(not found for found in wrong.values()), len(lines))
    assert len(tried) > 5
    assert not lines, "\n".join(["", *lines])


def attempt(place: Place, template: str, number: int) -> list[str]:
    """What does not hold after the kill and all that Airflow and a person do then."""
    with new_database(place.server, template) as dsn, tempfile.TemporaryDirectory() as docs:
        mining = prepared(place, dsn, docs)
        _, struck = watched(place.runner, mining, "extract", strike_at=number)
        if not struck.killed:
            return ["it was not killed"]
        again = as_airflow(place, mining, ["extract"])
        if again.failure:
            return [f"run again, it ended with {again.failure.error}: {again.failure.text}"]
        charged = place.charged(mining.token)
        with psycopg.connect(dsn) as conn:
            stored, lost, unsettled, companies, different = conn.execute(
                "SELECT (SELECT sum(charged) FROM lead_mining.raw_page),"
                " (SELECT coalesce(sum(charged), 0) FROM lead_mining.provider_call WHERE state = 'lost'),"
                " (SELECT count(*) FROM lead_mining.provider_call WHERE state IN ('open', 'unknown')),"
                " count(*), count(DISTINCT company->>'reveal_id') FROM lead_mining.candidate"
            ).fetchall()[0]
    wrong = []
    if charged != stored + lost:
        wrong.append(f"the provider charged {charged}, and {stored} are stored, {lost} are settled as lost")
    if charged > LEADS:
        wrong.append(f"the provider charged {charged}, and the run may cost {LEADS}")
    if unsettled:
        wrong.append(f"{unsettled} calls are not settled")
    if companies != different or companies + lost != LEADS:
        wrong.append(f"{companies} companies came, {different} different ones, and {lost} were lost")
    return wrong
