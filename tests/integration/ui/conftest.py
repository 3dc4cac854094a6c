"""Airflow and browsers, and a CRM that was mined into, read as the role that mines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from airflow_pages import airflow_run, anonymous, token_of, user, viewer
from credit_dags import airflow_connection
from crm_role import PASSWORD, apply_role, dsn_of
from databases import new_database
from paid_catalogue import PaidCatalogue, write_catalogue
from personal_data import mine_people

from lead_mining import pipeline
from lead_mining.credits import ledger
from lead_mining.privacy import suppression
from provider_simulator.testing import running_simulator

# Where nobody listens: pages call no provider.
ODOO = json.dumps(
    {"conn_type": "odoo_iap", "host": "http://127.0.0.1:9", "password": "token", "extra": {"dbuuid": "db"}}
)

__all__ = ["airflow_run", "anonymous", "token_of", "user", "viewer"]


@pytest.fixture(scope="session")
def mined(
    postgres_server: str, crm_template: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection]:
    """A CRM with three requests: people, companies of which some are rejected and one is suppressed, a trial run."""
    docs = tmp_path_factory.mktemp("docs")
    with new_database(postgres_server, crm_template("embedded")) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        apply_role(conn)
        with conn.transaction():
            ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
        with running_simulator() as simulator:
            mine_people(conn, simulator.url, docs)
        suppression.add(conn, [suppression.Entry.of("domain", "firm-2.example", "asked", "test")])
        mine_companies(conn, docs, "lead_mining/companies", saved_search="Berlin")
        mine_companies(conn, docs, "lead_mining/trial", dry_run=True)
        yield conn


def mine_companies(conn: psycopg.Connection, docs: Path, key: str, **params: object) -> None:
    request = {"countries": ["DE"], "lead_number": 6, **params}
    run_id = pipeline.prepare_request(conn, key, request)["run_id"]
    provider = PaidCatalogue(write_catalogue(docs / "c.csv", 6, bad_every=3), excludes_known=False)
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    if not params.get("dry_run"):
        pipeline.debit_credits(conn, run_id)
        pipeline.load_leads(conn, run_id)
        pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, key)


@pytest.fixture
def crm(
    mined: psycopg.Connection, airflow_run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> psycopg.Connection:
    """That CRM, as Airflow's connection lead_mining_crm of the role lead_mining, and its runs as Airflow knows them."""
    dsn = dsn_of(mined, user="lead_mining", password=PASSWORD)
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(dsn))
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_PROVIDER", ODOO)
    for name in ("people", "companies", "trial"):
        airflow_run(f"lead_mining/{name}")
    return mined
