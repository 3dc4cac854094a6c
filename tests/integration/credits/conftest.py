"""A database with our own schema alone: the ledger needs no CRM."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from databases import ledger_database
from mined_runs import make_run

from lead_mining.credits import ledger


@pytest.fixture(scope="session")
def ledger_dsn(postgres_server: str) -> Iterator[str]:
    with ledger_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
def conn(ledger_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(ledger_dsn) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def account() -> str:
    """A credit account of the test's own: what the ledger has, it keeps."""
    return f"account {uuid.uuid4().hex[:12]}"


@pytest.fixture
def run_id(conn: psycopg.Connection[Any], account: str) -> int:
    """A run, and 100 credits in its account."""
    ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    found = make_run(conn, account, account)
    conn.commit()
    return found
