"""Each fault of the provider, in the middle of a run: it ends right, with what a person decides where only one can."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from databases import new_database

from provider_simulator.faults import Fault

from .invariants import broken
from .runner import Mining
from .sweep import KEY, STEPS, Rehearsal, as_airflow

OTHER_ANSWERS = {Fault.MISSING_KEYS, Fault.WRONG_TYPES, Fault.DUPLICATE_COMPANIES, Fault.REPEATED_PAGE, Fault.HOSTILE}
ENDS_THE_RUN = {
    Fault.NOT_JSON: "MalformedAnswer",
    Fault.USER_ERROR: "ProviderRejected",
    Fault.ACCESS_ERROR: "ProviderAccessDenied",
}
"""Not worth a retry: a person mends the cause and clears the task."""


@pytest.mark.parametrize("fault", Fault)
def test_a_run_ends_right_whatever_the_provider_does(
    rehearsal: Rehearsal, fault: Fault, tell: Callable[..., None]
) -> None:
    place, stage = rehearsal.place, rehearsal.stages["extract"]
    token = f"fault-{uuid4().hex}"
    with new_database(place.server, stage.template) as dsn, tempfile.TemporaryDirectory() as docs:
        mining = Mining(dsn, place.simulator.url, token, KEY, place.request, docs, stage.run_id)
        place.simulator.add_fault(fault, skip=1, calls=1, seconds=0.5)
        outcome = as_airflow(place, mining, STEPS[STEPS.index("extract") :])
        place.simulator.clear_faults()
        if fault in ENDS_THE_RUN:
            assert outcome.failure is not None
            assert outcome.failure.error == ENDS_THE_RUN[fault]
            outcome = as_airflow(place, mining, STEPS[STEPS.index("extract") :])
        assert outcome.failure is None
        same = fault not in OTHER_ANSWERS and fault not in (Fault.INSUFFICIENT_CREDITS, Fault.CREDIT_FLAG)
        with psycopg.connect(dsn) as conn:
            wrong = broken(conn, place.charged(token), rehearsal.clean if same else None)
    tell(f"provider: {fault}", 1, 1, int(not wrong), len(wrong))
    assert not wrong, "\n".join(["", *wrong])
