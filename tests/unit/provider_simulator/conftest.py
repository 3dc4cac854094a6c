"""The sample catalogue, made once."""

from __future__ import annotations

import pytest

from provider_simulator.catalogue import Row
from provider_simulator.generate import generate


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return generate()
