"""A provider, a process that runs steps, and a clean run, once for all tests of a module."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from provider_simulator.testing import Simulator, running_simulator

from .runner import StepRunner
from .sweep import Place, Rehearsal, rehearsed, request_for


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture(scope="session")
def runner() -> Iterator[StepRunner]:
    with StepRunner() as running:
        yield running


@pytest.fixture(scope="session")
def rehearsal(
    request: pytest.FixtureRequest,
    postgres_server: str,
    crm_template: Callable[[str], str],
    simulator: Simulator,
    runner: StepRunner,
) -> Iterator[Rehearsal]:
    """A clean run on the kind of CRM that the test is for, by default the embedded one."""
    kind = getattr(request, "param", "embedded")
    with rehearsed(Place(kind, postgres_server, crm_template(kind), simulator, runner, request_for(kind))) as found:
        yield found


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Puts a line into the table of faults that is printed at the end: fault, points, tried, survived, broken."""

    def tell(fault: str, points: int, tried: int, survived: int, broken: int) -> None:
        record_property("fault", json.dumps([fault, points, tried, survived, broken]))

    return tell
