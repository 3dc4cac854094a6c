"""A package outside the project adds a provider: installed, it is found, held to the contract, mined, and no file of
ours names it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from credit_dags import airflow_connection

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_provider"
MODULE = EXAMPLE / "src" / "acme_leads" / "__init__.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has the package, beside its tests in a folder of their own."""
    folder = tmp_path_factory.mktemp("acme")
    uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--offline", "--no-deps", "-q"]
    subprocess.run([*uv, "--python", sys.executable, "--target", folder, EXAMPLE], check=True)
    (folder / "acme_contract.py").write_bytes((EXAMPLE / "acme_contract.py").read_bytes())
    return os.environ | {"PYTHONPATH": str(folder), "FOLDER": str(folder)}


def test_the_suite_runs_against_it(installed: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--durations=8",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        installed["FOLDER"],
    ]
    done = subprocess.run(
        [*command, "acme_contract.py"],
        cwd=installed["FOLDER"], env=installed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed >= 25, done.stdout


_MINE = """
import json, sys, tempfile
from pathlib import Path
from acme_contract import running
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from lead_mining import pipeline
from lead_mining.hooks import crm_connection, provider_asset_uri, provider_for
import os

with running() as service:
    os.environ["AIRFLOW_CONN_ACME"] = json.dumps({"conn_type": "acme", "host": service.url, "password": service.token})
    hook = ProvidersManagerTaskRuntime().hooks["acme"]
    with crm_connection("a_crm") as conn:
        request = {"countries": ["DE"], "lead_number": 5, "provider_conn_id": "acme"}
        run_id = pipeline.prepare_request(conn, "lead_mining/acme", request)["run_id"]
        pipeline.extract(conn, run_id, provider_for("acme", "a_crm"))
        pipeline.validate(conn, run_id, Path(tempfile.mkdtemp()))
        pipeline.deduplicate(conn, run_id)
        pipeline.debit_credits(conn, run_id)
        loaded = pipeline.load_leads(conn, run_id)
    print(json.dumps([hook.hook_name, provider_asset_uri("acme"), loaded["leads"], sum(service.paid)]))
"""


@pytest.mark.parametrize("crm_kind", ["embedded"])
def test_it_is_found_and_mined(installed: dict[str, str], crm_dsn: str, conn: psycopg.Connection) -> None:
    environment = installed | {"AIRFLOW_CONN_A_CRM": airflow_connection(crm_dsn)}
    done = subprocess.run([sys.executable, "-c", _MINE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, asset, leads, paid = json.loads(done.stdout.splitlines()[-1])
    assert (name, leads, paid) == ("Acme leads (paid)", 5, 5)
    assert asset.startswith("acme://")
    slots = conn.execute("SELECT provider, bucket, count(*) FROM lead_mining.provider_slot GROUP BY 1, 2").fetchall()
    assert [slot[:2] for slot in slots] == [("acme", "all")]
    assert slots[0][2] >= 1


def test_it_took_few_lines_and_none_of_ours(record_property: Callable[[str, object], None]) -> None:
    lines = [line for line in MODULE.read_text(encoding="utf-8").splitlines() if line.strip()]
    record_property("example provider", f"{len(lines)} lines")
    assert len(lines) <= 80
    ours = [path for folder in ("include", "dags", "plugins") for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in ours if "acme_leads" in path.read_text(encoding="utf-8")]
