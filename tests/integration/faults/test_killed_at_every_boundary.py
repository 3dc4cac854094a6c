"""Killed at any boundary of any step and run again, a run ends as one that nothing happened to.

Every end of a transaction and of an HTTP call is tried, and some of the statements between them; `make faults` tries
every point, also where the run had failed and given its credits back, and on a restored Odoo 17.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from .sweep import STEPS, Rehearsal, sweep

ALL = os.environ.get("LEAD_MINING_FAULTS") == "all"
STRIDE = 1 if ALL else 31
"""Prime, so that before and after, and all kinds of statements, have their turn."""


@pytest.mark.parametrize("release_between", [False, True] if ALL else [False], ids=["", "given back"][: 1 + ALL])
@pytest.mark.parametrize("rehearsal", ["embedded", "odoo17"] if ALL else ["embedded"], indirect=True, scope="session")
@pytest.mark.parametrize("step", STEPS)
def test_a_step_killed_at_a_boundary_is_done_once(
    rehearsal: Rehearsal, step: str, release_between: bool, tell: Callable[..., None]
) -> None:
    trials = sweep(rehearsal, step, stride=STRIDE, release_between=release_between)
    wrong = [line for trial in trials for line in trial.wrong]
    survived = sum(not trial.wrong for trial in trials)
    given_back = ", credits given back in between" if release_between else ""
    fault = f"SIGKILL in {step}{given_back} ({rehearsal.place.kind})"
    tell(fault, len(rehearsal.stages[step].points), len(trials), survived, len(wrong))
    assert trials
    assert not wrong, "\n".join(["", *wrong])
