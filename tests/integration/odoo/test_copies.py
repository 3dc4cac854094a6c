"""A real Odoo 17 that was copied, neutralised or restored: what mining says there, and the provider takes nothing."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from credit_dags import airflow_connection
from crm_role import PASSWORD, apply_role, dsn_of, logged_in
from databases import new_database

from lead_mining import dag_steps, pipeline, planning, request_list, retrying, runs
from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.exceptions import CrmError
from lead_mining.providers.odoo_iap import OdooIap
from local_stack.postgres import client_binary
from provider_simulator.testing import Simulator

pytestmark = pytest.mark.parametrize("crm_kind", ["odoo17"], indirect=True)

LOADED, OPEN, NEXT = "lead_mining/loaded", "lead_mining/open", "lead_mining/next"
TO_DEBIT, TO_LOAD = ("deduplicate", "debit_credits"), ("load_leads", "write_enrichment_notes")
ASKED: dict[str, Any] = {"countries": ["US"], "lead_number": 5}
COPIED = "UPDATE ir_config_parameter SET value = gen_random_uuid() WHERE key = 'database.uuid'"
NEUTRALISED = f"{COPIED}; INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', true)"

Show = Callable[[str, str], None]


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """The account at the provider."""
    return f"trial-{request.node.name}"


@pytest.fixture
def provider(simulator: Simulator, token: str) -> OdooIap:
    return OdooIap(simulator.url, token, "2a8a5d34-0000-4000-8000-000000000001")


@pytest.fixture
def original(crm_dsn: str, provider: OdooIap, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """A superuser in a CRM for which one run has loaded, another one has bought, and a third one is prepared."""
    with psycopg.connect(crm_dsn, autocommit=True) as superuser:
        superuser.execute("DROP SCHEMA lead_mining CASCADE")
        apply_role(superuser)
        with superuser.transaction():
            ledger.top_up(superuser, "default", 1000, key="trial", reference="trial")
        with logged_in(superuser) as miner:
            for key, steps in ((LOADED, (*TO_DEBIT, *TO_LOAD)), (OPEN, TO_DEBIT)):
                run_id = pipeline.prepare_request(miner, key, ASKED)["run_id"]
                pipeline.extract(miner, run_id, provider)
                pipeline.validate(miner, run_id, tmp_path)
                for step in steps:
                    getattr(pipeline, step)(miner, run_id)
            pipeline.prepare_request(miner, NEXT, ASKED)
        yield superuser


@pytest.fixture
def show(
    original: psycopg.Connection, simulator: Simulator, token: str, record_property: Callable[[str, object], None]
) -> Show:
    """Puts a line into the table, and holds that the provider has taken nothing since the test began."""
    before = simulator.account(token)["charged"]

    def line(crm: str, said: str) -> None:
        after = simulator.account(token)["charged"]
        record_property("copy", json.dumps([crm, said, before, after]))
        assert before == after > 0

    return line


@contextmanager
def copied(original: psycopg.Connection, changes: str) -> Iterator[psycopg.Connection]:
    """A superuser in another database with the same content, changed as Odoo changes it."""
    dsn = dsn_of(original)
    name = original.info.dbname
    original.close()
    with (
        new_database(dsn_of_server(dsn), name) as copy,
        psycopg.connect(copy, autocommit=True) as superuser,
    ):
        superuser.execute(changes)
        yield superuser


def dsn_of_server(dsn: str) -> str:
    return psycopg.conninfo.make_conninfo(dsn, dbname="postgres")


def refusals(superuser: psycopg.Connection, provider: OdooIap, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What everything that may hold credits or buy says here; it holds none."""
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(as_miner(superuser)))
    said = set()
    with logged_in(superuser) as miner:
        before = ledger.balance(miner, "default")
        (run_id,) = miner.execute("SELECT id FROM lead_mining.run WHERE run_key = %s", [NEXT]).fetchone()
        for ask in (
            lambda: pipeline.prepare_request(miner, "lead_mining/new", ASKED),
            lambda: pipeline.prepare_request(miner, NEXT, ASKED),
            lambda: retrying.prepare_retry(miner, "retry_rejections/new", [1], [], {}),
            lambda: extract(run_id, provider),
        ):
            with pytest.raises((CrmError, AirflowFailException)) as refused:
                ask()
            said.add(str(refused.value))
        assert ledger.balance(miner, "default") == before
    return said


def as_miner(superuser: psycopg.Connection) -> str:
    return dsn_of(superuser, user="lead_mining", password=PASSWORD)


def extract(run_id: int, provider: OdooIap) -> dict[str, Any]:
    """As the task of the prepared run does it."""
    dag_run = SimpleNamespace(dag_id="lead_mining", run_id=NEXT.partition("/")[2])
    plan = {"run_id": run_id, "request_number": "LMR002"}
    params = {"crm_conn_id": "lead_mining_crm"}
    return dag_steps.do("extract", plan, dag_run, params, lambda conn: pipeline.extract(conn, run_id, provider))


def psql(superuser: psycopg.Connection, script: str) -> None:
    with as_file(files("lead_mining.sql").joinpath(script)) as file:
        command = [str(client_binary("psql")), "-X", "-q", "-d", dsn_of(superuser), "-f", str(file)]
        subprocess.run(command, check=True, capture_output=True, text=True)


def test_a_copy_is_refused_until_it_is_adopted(
    original: psycopg.Connection, provider: OdooIap, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(original, COPIED) as superuser:
        (said,) = refusals(superuser, provider, monkeypatch)
        assert said.startswith("This database is a copy of the CRM that lead mining was set up for, or was moved: ")
        show("a copy", said)
        apply_role(superuser)  # brings up to date, and adopts nothing
        assert refusals(superuser, provider, monkeypatch) == {said}
        psql(superuser, "adopt.sql")
        with logged_in(superuser) as miner:
            assert pipeline.prepare_request(miner, "lead_mining/new", ASKED)["request_number"] == "LMR004"
        show("a moved CRM, adopted", "LMR004 is prepared")


def test_a_neutralised_copy_is_refused_adopted_or_not(
    original: psycopg.Connection, provider: OdooIap, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(original, NEUTRALISED) as superuser:
        (said,) = refusals(superuser, provider, monkeypatch)
        assert "is neutralised (system parameter database.is_neutralized)" in said
        show("a neutralised copy", said)
        psql(superuser, "adopt.sql")
        assert refusals(superuser, provider, monkeypatch) == {said}


def reinstall(superuser: psycopg.Connection) -> None:
    """Uninstall and install the app crm_iap_mine, as far as its requests go: the tables are new, so is the column."""
    request = "crm_iap_lead_mining_request"
    tables = [
        row[0]
        for row in superuser.execute("SELECT relname FROM pg_class WHERE relname ~ %s AND relkind = 'r'", [request])
    ]
    named = [option for table in tables for option in ("-t", table)]
    command = [
        str(client_binary("pg_dump")),
        "--schema-only",
        "--no-owner",
        "--no-acl",
        *named,
        "-d",
        dsn_of(superuser),
    ]
    schema = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    superuser.execute(f"DROP TABLE {', '.join(tables)} CASCADE")
    superuser.execute("ALTER TABLE crm_lead DROP COLUMN lead_mining_request_id")
    load = [str(client_binary("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn_of(superuser)]
    subprocess.run(load, check=True, capture_output=True, text=True, input=schema)
    superuser.execute(f"ALTER TABLE crm_lead ADD lead_mining_request_id int REFERENCES {request} ON DELETE SET NULL")
    superuser.execute("ALTER SEQUENCE ir_sequence_001 RESTART")


def test_after_a_module_was_installed_anew_another_request_of_the_same_id_is_left_alone(
    original: psycopg.Connection, show: Show
) -> None:
    reinstall(original)
    with logged_in(original) as miner:
        with pytest.raises(CrmError) as refused:
            pipeline.prepare_request(miner, "lead_mining/new", ASKED)
        assert "its role lead_mining may do too little. Let a superuser run include/sql/role.sql" in str(refused.value)
        show("a module installed anew", str(refused.value).splitlines()[1].strip(" -"))
        apply_role(original)
        for number in ("LMR001", "LMR002", "LMR003"):
            original.execute(
                "INSERT INTO crm_iap_lead_mining_request (name, state, search_type, lead_number, lead_type, error_type,"
                " create_date) VALUES (%s, 'error', 'companies', 3, 'lead', 'credits', now() AT TIME ZONE 'utc')",
                [number],
            )
        theirs = original.execute("SELECT * FROM crm_iap_lead_mining_request ORDER BY id").fetchall()

        run = runs.find(miner, OPEN)
        loaded = pipeline.load_leads(miner, run.id)
        assert loaded["leads"] > 0
        assert pipeline.write_enrichment_notes(miner, run.id) == {"notes": loaded["leads"]}
        planning.set_request_state(miner, runs.find(miner, NEXT), "error", "credits")
        assert [request_list.find(miner, key).short_of_credits for key in (LOADED, OPEN, NEXT)] == [False] * 3
    assert original.execute("SELECT * FROM crm_iap_lead_mining_request ORDER BY id").fetchall() == theirs
    assert original.execute("SELECT count(lead_mining_request_id) FROM crm_lead").fetchone() == (0,)
    show("the same after role.sql: an old run's load_leads", "; ".join(loaded["notices"]))


@contextmanager
def restored(original: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A superuser in a database that Odoo has restored from its own back-up, in place of the original: all is Odoo's."""
    server = dsn_of_server(dsn_of(original))
    dump = subprocess.run(
        [str(client_binary("pg_dump")), "--no-owner", "-d", dsn_of(original)], check=True, capture_output=True
    ).stdout
    with new_database(server) as dsn, psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE odoo LOGIN PASSWORD '{PASSWORD}'")
        superuser.execute(f"ALTER DATABASE {superuser.info.dbname} OWNER TO odoo")
        odoo = dsn_of(superuser, user="odoo", password=PASSWORD)
        subprocess.run(
            [str(client_binary("psql")), "-X", "-q", "-d", odoo], check=True, capture_output=True, input=dump
        )
        try:
            yield superuser
        finally:
            superuser.execute("DROP OWNED BY odoo CASCADE; REASSIGN OWNED BY odoo TO CURRENT_USER; DROP ROLE odoo")


def test_a_restored_back_up_is_refused_until_role_sql_has_run(
    original: psycopg.Connection, provider: OdooIap, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    with restored(original) as superuser:
        (said,) = refusals(superuser, provider, monkeypatch)
        assert "something belongs to odoo, as after Odoo's own back-up and restore" in said
        show("a restored back-up", said)
        with (
            psycopg.connect(dsn_of(superuser, user="odoo", password=PASSWORD), autocommit=True) as odoo,
            pytest.raises(CrmError, match=re.escape(said)),  # nor as the role that it all belongs to
        ):
            pipeline.prepare_request(odoo, "lead_mining/new", ASKED)
        apply_role(superuser)
        with logged_in(superuser) as miner:
            assert pipeline.prepare_request(miner, "lead_mining/new", ASKED)["request_number"] == "LMR004"
            assert audit(miner) == []
        show("the same after role.sql", "LMR004 is prepared")
