"""Killed at any boundary of any step and run again, a run ends as one that nothing happened to.

`python -m tests.integration.faults` tries every point, also on a restored Odoo 17; here every end of a transaction and
of an HTTP call is tried, and some of the statements between them.
"""

from __future__ import annotations

import pytest

from .sweep import STEPS, Rehearsal, sweep

STRIDE = 31
"""Prime, so that before and after, and all kinds of statements, have their turn."""


@pytest.mark.parametrize("step", STEPS)
def test_a_step_killed_at_a_boundary_is_done_once(rehearsal: Rehearsal, step: str) -> None:
    table = sweep(rehearsal, [step], stride=STRIDE)
    assert table.trials
    assert not table.broken, f"\n{table}"
