"""How much longer a mining run takes than a DAG of the same shape whose tasks are empty.

    python benchmarks/floor.py [--leads 200] [--repeat 10] [--search-type companies]

Both in turns on one local stack: by its scheduler (LocalExecutor), from the moment a run is queued to its end; and by
`dag.test()`, in a process of its own. The empty DAG has the same tasks, mapped ones, approval and teardown among them.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from measuring import parser, positive, record

from lead_mining.credits import ledger
from local_stack.environment import PROJECT, temporary_folder
from local_stack.mine import wait_for_dag
from local_stack.stack import Stack

EMPTY = "empty_shape"
EMPTY_DAG = Path(__file__).with_name("empty_dag.py")

# In turns, warm: the first of each is not counted. A deadline makes dag.test() fail at its end (Airflow 3.3.2).
_DAG_TEST = """
import json, logging, sys, time
from airflow.dag_processing.dagbag import DagBag
folders, confs, repeat = json.loads(sys.argv[1])
dags = [DagBag(folder).dags[dag_id] for folder, dag_id in folders]
logging.disable(logging.WARNING)
seconds = []
for _ in range(repeat + 1):
    for dag, conf in zip(dags, confs):
        dag.deadline = None
        began = time.perf_counter()
        state = dag.test(run_conf=conf).state
        seconds.append(time.perf_counter() - began)
        assert state == "success", (dag.dag_id, state)
print(json.dumps(seconds[len(dags):]))
"""


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--leads", type=positive, default=200, help="that a run asks for (default: 200)")
    parse.add_argument("--repeat", type=positive, default=10, help="runs of each DAG (default: 10)")
    parse.add_argument("--search-type", choices=("companies", "people"), default="companies")
    options = parse.parse_args()
    request = {"countries": ["US"], "lead_number": options.leads, "search_type": options.search_type}
    folder = temporary_folder()
    (folder / "empty").mkdir()
    shutil.copy(EMPTY_DAG, folder / "empty" / f"{EMPTY}.py")
    bundles = [_bundle("dags-folder", PROJECT / "dags"), _bundle("empty", folder / "empty")]
    outer = {**os.environ, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles)}
    stack = Stack(folder / "local", outer)
    try:
        stack.up()
        stack.prepare_crm()
        credits = options.leads * 6 * 2 * (options.repeat + 2)
        with psycopg.connect(stack.crm_conninfo) as conn:
            ledger.top_up(conn, "default", credits, key="benchmark", reference="benchmark")
        token = stack.environment.secrets["provider_account_token"]
        _buy_credits(stack, token, credits)
        for dag_id in ("lead_mining", EMPTY):
            wait_for_dag(stack.api, dag_id)
        scheduled = _in_turns(stack, request, options.repeat)
        tested = _by_dag_test(stack, folder / "empty", request, options.repeat)
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)
    figures: dict[str, Any] = {"leads": options.leads, "search_type": options.search_type, "repeat": options.repeat}
    for name, (ours, empty) in (("scheduler", scheduled), ("dag_test", tested)):
        ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, empty, strict=True))
        figures[name] = {
            "ours": round(statistics.median(ours), 3),
            "empty": round(statistics.median(empty), 3),
            "ratio": round(ratio, 3),
        }
        print(
            f"{name:<10} {options.leads} leads {figures[name]['ours']:.2f} s, empty {figures[name]['empty']:.2f} s:"
            f" {ratio:.2f} x (median of {options.repeat} pairs)"
        )
    record(options.json, "floor", figures)


def _bundle(name: str, path: Path) -> dict[str, Any]:
    kind = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return {"name": name, "classpath": kind, "kwargs": {"path": str(path)}}


def _buy_credits(stack: Stack, token: str, credits: int) -> None:
    import httpx

    url = f"http://127.0.0.1:{stack.environment.ports.simulator}/simulator/account/{token}/credits"
    httpx.post(url, json={"credits": credits}, trust_env=False).raise_for_status()


def _in_turns(stack: Stack, request: dict[str, Any], repeat: int) -> tuple[list[float], list[float]]:
    """Seconds of each run of ours and of the empty DAG."""
    seconds: dict[str, list[float]] = {"lead_mining": [], EMPTY: []}
    for _ in range(repeat + 1):
        for dag_id, found in seconds.items():
            found.append(_run(stack, dag_id, request if dag_id == "lead_mining" else {}))
    ours, empty = (found[1:] for found in seconds.values())
    return ours, empty


def _run(stack: Stack, dag_id: str, conf: dict[str, Any]) -> float:
    run_id = stack.api.trigger(dag_id, conf)
    while True:
        run = stack.api._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        if run["state"] == "failed":
            sys.exit(f"{dag_id} failed: {stack.api.tasks(dag_id, run_id)}")
        if run["state"] == "success":
            break
        time.sleep(0.25)
    return (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["queued_at"])).total_seconds()


def _by_dag_test(stack: Stack, empty: Path, request: dict[str, Any], repeat: int) -> tuple[list[float], list[float]]:
    what = [[[str(PROJECT / "dags"), "lead_mining"], [str(empty), EMPTY]], [request, {}], repeat]
    done = subprocess.run(
        [sys.executable, "-c", _DAG_TEST, json.dumps(what)], env=stack.env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    seconds = json.loads(done.stdout.splitlines()[-1])
    return seconds[0::2], seconds[1::2]


if __name__ == "__main__":
    main()
