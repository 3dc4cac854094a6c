"""A provider, a process that runs steps, and a clean run, once for all tests of a module."""

from __future__ import annotations

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
def place(postgres_server: str, crm_template: Callable[[str], str], simulator: Simulator, runner: StepRunner) -> Place:
    """The embedded CRM."""
    return Place(postgres_server, crm_template("embedded"), simulator, runner, request_for("embedded"))


@pytest.fixture(scope="session")
def rehearsal(place: Place) -> Iterator[Rehearsal]:
    with rehearsed(place) as found:
        yield found
