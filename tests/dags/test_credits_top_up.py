"""The DAG credits_top_up: its form, and real runs of it by Airflow on a ledger in PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError
from databases import ledger_database
from psycopg.conninfo import conninfo_to_dict

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance

FILE = Path(__file__).parents[2] / "dags" / "credits_top_up.py"
GOOD = {"credits": 500, "reference": "INV/2026/0007", "credit_account": "default", "crm_conn_id": "lead_mining_crm"}

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
dag = DagBag().dags["credits_top_up"]
for conf in json.loads(sys.argv[1]):
    run = dag.test(run_conf=conf)
    print("RESULT", json.dumps([str(run.state), run.get_task_instance("top_up_credits").xcom_pull("top_up_credits")]))
"""


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = DagBag(dag_folder=str(FILE), bundle_path=FILE.parent)
    assert bag.import_errors == {}
    found = bag.dags["credits_top_up"]
    assert isinstance(found, DAG)
    return found


@pytest.fixture
def ledger_dsn(postgres_server: str) -> Iterator[str]:
    with ledger_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
def airflow_env(ledger_dsn: str, tmp_path: Path) -> dict[str, str]:
    """An Airflow of its own, with this DAG alone and the ledger's database as its CRM connection."""
    (tmp_path / "dags").mkdir()
    shutil.copy(FILE, tmp_path / "dags")
    server = conninfo_to_dict(ledger_dsn)
    connection = {
        "conn_type": "postgres",
        "host": server.get("host"),
        "port": int(server["port"] or 5432),
        "login": server.get("user"),
        "password": server.get("password"),
        "schema": server["dbname"],
    }
    return os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW_CONN_LEAD_MINING_CRM": json.dumps(connection),
    }


def run_dag(env: dict[str, str], *confs: dict[str, Any]) -> list[list[Any]]:
    """[state of the run, what the task returned], for each conf."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(confs)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line.removeprefix("RESULT")) for line in done.stdout.splitlines() if line.startswith("RESULT")]


def validated(dag: DAG, conf: dict[str, Any]) -> dict[str, Any]:
    params = deepcopy(dag.params)
    params.update(conf)
    return dict(params.validate())


def test_it_is_one_task_with_a_form_of_four_fields(dag: DAG) -> None:
    assert list(dag.task_dict) == ["top_up_credits"]
    assert list(dag.params) == ["credit_account", "credits", "reference", "crm_conn_id"]
    assert dag.params["credit_account"] == "default"
    assert dag.params["crm_conn_id"] == "lead_mining_crm"
    assert "counts once" in (dag.params.get_param("reference").description or "")
    assert dag.schedule is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("credits", [None, 0, -1, 1_000_001, 1.5, "5", True]),
        ("reference", [None, "", " ", " INV", "INV ", "x" * 201, 7, "a\nb"]),
        ("credit_account", [None, "", " default", "x" * 201, 7]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_cannot_be_booked(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


@pytest.mark.parametrize("missing", ["credits", "reference"])
def test_amount_and_payment_must_be_given(dag: DAG, missing: str) -> None:
    with pytest.raises(ParamValidationError, match=missing):
        validated(dag, {name: value for name, value in GOOD.items() if name != missing})


def test_a_payment_is_booked_once(airflow_env: dict[str, str], ledger_dsn: str) -> None:
    done = run_dag(
        airflow_env,
        GOOD,
        GOOD,
        GOOD | {"credits": 501},  # the reference is used already
        GOOD | {"credit_account": "team Ü"},
        GOOD | {"reference": "INV/2026/0008", "crm_conn_id": "no_such_connection"},
        GOOD | {"reference": "INV/2026/0008", "credit_account": "team Ü", "credits": 1_000_000},
    )
    assert done == [
        ["success", {"added": 500, "available": 500}],
        ["success", {"added": 0, "available": 500}],
        ["failed", None],
        ["failed", None],
        ["failed", None],
        ["success", {"added": 1_000_000, "available": 1_000_000}],
    ]
    with psycopg.connect(ledger_dsn) as conn:
        assert ledger.balance(conn, "default") == Balance(available=500)
        assert ledger.balance(conn, "team Ü") == Balance(available=1_000_000)
        booked = conn.execute("SELECT key, reference FROM lead_mining.ledger_transaction ORDER BY id").fetchall()
    assert booked == [("top_up/INV/2026/0007", "INV/2026/0007"), ("top_up/INV/2026/0008", "INV/2026/0008")]
