"""What the comparison with recordings needs beside a CRM: the dump's own names and keys, and a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lead_mining.quality.rules import Rule
from provider_simulator.testing import Simulator, running_simulator

from .schema import Names, Schema, read_names, read_schema


class Dump(NamedTuple):
    """The Odoo that the recordings were made from."""

    schema: Schema
    names: Names


@pytest.fixture(scope="session")
def dump(postgres_server: str, crm_template: Callable[[str], str]) -> Dump:
    with psycopg.connect(make_conninfo(postgres_server, dbname=crm_template("odoo17"))) as conn:
        return Dump(read_schema(conn), read_names(conn))


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture(scope="module")
def load_all_that_odoo_loads() -> Iterator[None]:
    """The recorded provider gives what nobody asked for, and Odoo loads it: here our quality rules only warn of it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Rule, "verdict", property(lambda rule: ("warn", rule.reason)))
        yield
