"""A mined CRM that is Airflow's connection lead_mining_privacy, for tests of the privacy DAGs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from databases import new_database
from personal_data import mine_people

from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from provider_simulator.testing import running_simulator


@contextmanager
def mined_crm(server: str, docs: Path) -> Iterator[str]:
    """The dsn of an embedded CRM with one run's leads and contacts."""
    with new_database(server) as dsn, running_simulator() as simulator:
        with psycopg.connect(dsn) as conn:
            embedded.create(conn)
            migrate(conn)
        with psycopg.connect(dsn, autocommit=True) as conn:
            with conn.transaction():
                ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
            mine_people(conn, simulator.url, docs)
        yield dsn
