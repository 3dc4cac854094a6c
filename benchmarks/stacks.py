"""For benchmarks that need Airflow: a stack and a provider of their own, runs of our DAG and of the empty one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from lead_mining.credits import ledger
from local_stack.environment import PROJECT, free_port, temporary_folder
from local_stack.mine import wait_for_dag
from local_stack.stack import SCHEDULER, Stack

MINING, EMPTY = "lead_mining", "empty_shape"
_EMPTY_DAG = Path(__file__).with_name("empty_dag.py")


@dataclass(frozen=True)
class Airflow:
    """A running local stack. `empty_dags`: the folder with the empty DAG."""

    stack: Stack
    empty_dags: Path

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Begin a run; its id."""
        return self.stack.api.trigger(dag_id, dict(conf))

    def wait(self, dag_id: str, run_id: str) -> tuple[datetime, datetime]:
        """When a run was queued and when it ended. Exits where it fails."""
        while True:
            run = self.stack.api._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
            if run["state"] == "success":
                return datetime.fromisoformat(run["queued_at"]), datetime.fromisoformat(run["end_date"])
            if run["state"] == "failed":
                states = {task["task_id"]: task["state"] for task in self.stack.api.tasks(dag_id, run_id)}
                sys.exit(f"{dag_id} failed: {states}; logs in {self.stack.environment.logs}")
            time.sleep(0.25)

    def stop_scheduler(self) -> None:
        """It would do the tasks of `dag.test()` as well."""
        self.stack.supervisor._call("stopProcess", f"services:{SCHEDULER}")

    def seconds(self, dag_id: str, conf: Mapping[str, Any]) -> float:
        """Of a run, from the moment it is queued to its end."""
        queued, ended = self.wait(dag_id, self.trigger(dag_id, conf))
        return (ended - queued).total_seconds()


@contextmanager
def airflow(provider: Mapping[str, Any], credits: int) -> Iterator[Airflow]:
    """A stack with that connection to a provider, and so many credits in our own account; gone at the end."""
    folder = temporary_folder()
    (folder / "empty").mkdir()
    shutil.copy(_EMPTY_DAG, folder / "empty" / f"{EMPTY}.py")
    folders = {"dags-folder": PROJECT / "dags", "empty": folder / "empty"}
    ours = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundle_list(folders),
        "AIRFLOW_CONN_LEAD_MINING_PROVIDER": json.dumps(provider),
    }
    stack = Stack(folder / "local", os.environ | ours)
    try:
        stack.up()
        stack.prepare_crm()
        with psycopg.connect(stack.crm_conninfo) as conn:
            ledger.top_up(conn, "default", credits, key="benchmark", reference="benchmark")
        for dag_id in (MINING, EMPTY):
            wait_for_dag(stack.api, dag_id)
        yield Airflow(stack, folder / "empty")
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)


def catalogue(path: Path, companies: int) -> Path:
    """Write a catalogue of so many invented companies."""
    command = [sys.executable, "-m", "provider_simulator", "catalogue", "--out", str(path)]
    subprocess.run([*command, "--companies", str(companies)], check=True, stdout=subprocess.DEVNULL)
    return path


@contextmanager
def simulator(companies: int, credits: int) -> Iterator[dict[str, Any]]:
    """The connection to a provider with so many companies, in a process of its own, and with so many credits there."""
    folder, port = temporary_folder(), free_port()
    sold = catalogue(folder / "catalogue.parquet", companies)
    command = [sys.executable, "-m", "provider_simulator", "serve", "--port", str(port), "--credits", str(credits)]
    command += ["--state", str(folder / "state.sqlite"), "--catalogue", str(sold)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_healthy(process, f"{url}/health")
            yield {"conn_type": "odoo_iap", "host": url, "password": "benchmark", "extra": {"dbuuid": "benchmark"}}
        finally:
            process.terminate()
            shutil.rmtree(folder)


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    """Exits where the process ends instead."""
    while process.poll() is None:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"{process.args} ended with {process.returncode}")


def bundle_list(folders: Mapping[str, Path]) -> str:
    """Airflow's setting for DAG bundles, by name."""
    kind = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [{"name": name, "classpath": kind, "kwargs": {"path": str(path)}} for name, path in folders.items()]
    return json.dumps(bundles)


COUNTRIES = ["US", "CA", "AR", "AU", "BR", "IN", "MY", "MX", "NZ", "AE", "DE", "FR", "BE", "GB", "JP"]
"""Those of the simulator."""
