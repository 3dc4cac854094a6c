"""The credit DAGs in tests: their forms, their tasks called in this process, and real runs of them by Airflow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from psycopg.conninfo import conninfo_to_dict

DAGS = Path(__file__).parents[2] / "dags"

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
dags = DagBag().dags
for dag_id, conf in json.loads(sys.argv[1]):
    run = dags[dag_id].test(run_conf=conf)
    tasks = {ti.task_id: [str(ti.state), ti.xcom_pull(ti.task_id)] for ti in run.get_task_instances()}
    print("RESULT", json.dumps([str(run.state), tasks]))
"""


def load(dag_id: str) -> DAG:
    """The DAG of that file, read anew: what a test puts into its globals is gone with it."""
    file = DAGS / f"{dag_id}.py"
    bag = DagBag(dag_folder=str(file), bundle_path=file.parent)
    assert bag.import_errors == {}
    found = bag.dags[dag_id]
    assert isinstance(found, DAG)
    return found


def validated(dag: DAG, conf: dict[str, Any]) -> dict[str, Any]:
    """All params of a run triggered with `conf`. Raises ParamValidationError as Airflow does."""
    params = deepcopy(dag.params)
    params.update(conf)
    return dict(params.validate())


def function(dag: DAG, task_id: str) -> Any:
    """The function of a task; its `__globals__` are the DAG file's."""
    return dag.get_task(task_id).python_callable  # type: ignore[union-attr]


def call(dag: DAG, task_id: str, conf: dict[str, Any], **context: Any) -> Any:
    """What the task returns for a run triggered with `conf`."""
    return function(dag, task_id)(params=validated(dag, conf), **context)


def airflow_connection(dsn: str) -> str:
    """A value for AIRFLOW_CONN_LEAD_MINING_CRM."""
    server = conninfo_to_dict(dsn)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": server.get("host"),
            "port": int(server["port"] or 5432),
            "login": server.get("user"),
            "password": server.get("password"),
            "schema": server["dbname"],
        }
    )


def run_in_airflow(home: Path, dsn: str, *runs: tuple[str, dict[str, Any]]) -> list[list[Any]]:
    """[state of the run, {task: [state, what it returned]}] for each (DAG id, conf), in an Airflow of its own."""
    (home / "dags").mkdir()
    for dag_id in {dag_id for dag_id, _ in runs}:
        shutil.copy(DAGS / f"{dag_id}.py", home / "dags")
    env = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_LEAD_MINING_CRM": airflow_connection(dsn),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(runs)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line.removeprefix("RESULT")) for line in done.stdout.splitlines() if line.startswith("RESULT")]
