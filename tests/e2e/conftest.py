"""The whole stack, once for all end-to-end tests: PostgreSQL, Airflow and the simulator, in a folder of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from nights import write_searches

from local_stack import crm
from local_stack.mine import wait_for_dag
from local_stack.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="lead-mining-e2e-"))
    write_searches(folder / "searches")
    stack = Stack(folder / "local", {**os.environ, "LEAD_MINING_SEARCHES": str(folder / "searches")})
    try:
        stack.up()
        crm.prepare(stack.crm_conninfo, embedded=True)
        wait_for_dag(stack.api, "lead_mining")
        yield stack
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def conn(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.crm_conninfo, autocommit=True) as connection:
        yield connection
