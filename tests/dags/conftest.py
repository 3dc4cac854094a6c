"""A ledger for the DAG tests to work on."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from databases import ledger_database


@pytest.fixture
def ledger_dsn(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with our own schema alone, which is Airflow's connection lead_mining_crm."""
    from credit_dags import airflow_connection

    with ledger_database(postgres_server) as dsn:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(dsn))
        yield dsn


@pytest.fixture
def conn(ledger_dsn: str) -> Iterator[psycopg.Connection]:
    """That database; what is done in it is committed."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection
