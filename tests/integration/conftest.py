"""A CRM database of each test's own: the embedded CRM, and a restored Odoo 17 where its dump is at hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import psycopg
import pytest
from databases import new_database

from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from local_stack.postgres import client_binary
from provider_simulator.testing import Simulator, running_simulator

ODOO17 = Path(__file__).parents[3] / "shared" / "odoo17"


def fill_embedded(dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        assert embedded.create(conn)


def restore_odoo17(dsn: str) -> None:
    dump = ODOO17 / "odoo17_ready.dump"
    if not dump.exists():
        pytest.skip(f"no dump of an Odoo 17 in {ODOO17}")
    subprocess.run([client_binary("pg_restore"), "--no-owner", "-d", dsn, dump], check=True)


FILL = {"embedded": fill_embedded, "odoo17": restore_odoo17}


@pytest.fixture(scope="session")
def crm_template(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Kind of CRM to the name of a database to copy; each is made when it is first asked for."""
    with ExitStack() as databases:

        @cache
        def name(kind: str) -> str:
            dsn = databases.enter_context(new_database(postgres_server))
            FILL[kind](dsn)
            with psycopg.connect(dsn) as conn:
                migrate(conn)
                return conn.info.dbname

        yield name


@pytest.fixture(params=list(FILL))
def crm_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def crm_dsn(postgres_server: str, crm_template: Callable[[str], str], crm_kind: str) -> Iterator[str]:
    """A database with a CRM and our schema, fresh for each test."""
    with new_database(postgres_server, crm_template(crm_kind)) as dsn:
        yield dsn


@pytest.fixture
def conn(crm_dsn: str) -> Iterator[psycopg.Connection]:
    """A CRM whose default credit account has 1,000 credits; what is done in it is committed."""
    with psycopg.connect(crm_dsn, autocommit=True) as connection:
        with connection.transaction():
            ledger.top_up(connection, "default", 1000, key="trial", reference="trial")
        yield connection


@pytest.fixture(scope="session")
def rolled_back(postgres_server: str, crm_template: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    """Kind of CRM to a database for all tests that do not commit. Not the template: what they take of sequences stays."""
    with ExitStack() as databases:

        @cache
        def dsn(kind: str) -> str:
            return databases.enter_context(new_database(postgres_server, crm_template(kind)))

        yield dsn


@pytest.fixture
def crm(rolled_back: Callable[[str], str], crm_kind: str) -> Iterator[psycopg.Connection]:
    """A transaction in a CRM; nothing of it is kept."""
    with psycopg.connect(rolled_back(crm_kind)) as conn:
        yield conn
        conn.rollback()


@pytest.fixture
def empty_dsn(postgres_server: str) -> Iterator[str]:
    """A database with nothing in it."""
    with new_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def simulator_of_module() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def simulator(simulator_of_module: Simulator) -> Iterator[Simulator]:
    """A provider that sells to whoever asks; its faults are a test's own, its accounts are not."""
    yield simulator_of_module
    simulator_of_module.clear_faults()
