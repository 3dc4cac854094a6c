"""Leads with contacts, mined once for each kind of CRM. A test that asks for `run_id` has a copy of what that left."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest
from databases import new_database
from personal_data import mine_people

from lead_mining.credits import ledger
from provider_simulator.testing import running_simulator


@dataclass(frozen=True)
class Mined:
    """A run that has loaded leads with contacts. `template`: the database to copy; `docs`: its Data Docs."""

    template: str
    run_id: int
    docs: Path


@pytest.fixture(scope="session")
def mined(
    postgres_server: str, crm_template: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Mined]]:
    """Kind of CRM to what was mined into one; each is mined when it is first asked for."""
    with ExitStack() as kept, running_simulator() as simulator:

        @cache
        def of(kind: str) -> Mined:
            dsn = kept.enter_context(new_database(postgres_server, crm_template(kind)))
            docs = tmp_path_factory.mktemp("data_docs")
            with psycopg.connect(dsn, autocommit=True) as conn:
                with conn.transaction():
                    ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
                return Mined(conn.info.dbname, mine_people(conn, simulator.url, docs), docs)

        yield of


@pytest.fixture
def crm_dsn(
    request: pytest.FixtureRequest,
    postgres_server: str,
    crm_template: Callable[[str], str],
    mined: Callable[[str], Mined],
    crm_kind: str,
) -> Iterator[str]:
    """A database with a CRM and our schema, fresh for each test."""
    template = mined(crm_kind).template if "run_id" in request.fixturenames else crm_template(crm_kind)
    with new_database(postgres_server, template) as dsn:
        yield dsn


@pytest.fixture
def run_id(mined: Callable[[str], Mined], crm_kind: str) -> int:
    return mined(crm_kind).run_id


@pytest.fixture
def docs(mined: Callable[[str], Mined], crm_kind: str, tmp_path: Path) -> Path:
    """The run's Data Docs, the test's own to change."""
    copy: Path = shutil.copytree(mined(crm_kind).docs, tmp_path / "data_docs")
    return copy
