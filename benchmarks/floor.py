"""How much longer a mining run takes than a DAG of the same shape whose tasks are empty.

    python benchmarks/floor.py [--leads 200] [--repeat 10] [--search-type companies]

Both in turns on one local stack: by its scheduler (LocalExecutor), from the moment a run is queued to its end; and by
`dag.test()`, in a process of its own. The empty DAG has the same tasks, mapped ones, approval and teardown among them.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from measuring import parser, positive, record
from stacks import COUNTRIES, EMPTY, MINING, Airflow, airflow, bundle_list, simulator

from local_stack.environment import PROJECT

_MOST_PER_LEAD = 6  # credits, with five contacts

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
    request = {"countries": COUNTRIES, "lead_number": options.leads, "search_type": options.search_type}
    companies = options.leads * 4 * (options.repeat + 1)  # twice as many as are asked for: some are bad, some known
    credits = companies * _MOST_PER_LEAD
    with simulator(companies, credits) as provider, airflow(provider, credits) as running:
        scheduled = _by_scheduler(running, request, options.repeat)
        running.stop_scheduler()
        tested = _by_dag_test(running, request, options.repeat)
    figures: dict[str, Any] = {"leads": options.leads, "search_type": options.search_type, "repeat": options.repeat}
    for name, (ours, empty) in (("scheduler", scheduled), ("dag.test()", tested)):
        ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, empty, strict=True))
        figures[name] = {"ours": _median(ours), "empty": _median(empty), "ratio": round(ratio, 3)}
        print(
            f"{name:<10}  {options.leads} leads {_median(ours):.2f} s, empty tasks {_median(empty):.2f} s:"
            f" {ratio:.2f} x (median of {options.repeat} pairs)"
        )
    record(options.json, "floor", figures)


def _median(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds), 3)


def _by_scheduler(running: Airflow, request: dict[str, Any], repeat: int) -> tuple[list[float], list[float]]:
    """Seconds of each run of ours and of the empty DAG, in turns."""
    pairs = [(running.seconds(MINING, request), running.seconds(EMPTY, {})) for _ in range(repeat + 1)]
    return [ours for ours, _ in pairs[1:]], [empty for _, empty in pairs[1:]]


def _by_dag_test(running: Airflow, request: dict[str, Any], repeat: int) -> tuple[list[float], list[float]]:
    # Each in a bundle of its own: dag.test() reads all files of the DAG's.
    mining = running.empty_dags.parent / "mining"
    mining.mkdir()
    shutil.copy(PROJECT / "dags" / f"{MINING}.py", mining)
    folders = {"mining": mining, "empty": running.empty_dags}
    bundles = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundle_list(folders)}
    what = [[[str(mining), MINING], [str(running.empty_dags), EMPTY]], [request, {}], repeat]
    command = [sys.executable, "-c", _DAG_TEST, json.dumps(what)]
    done = subprocess.run(command, env=running.stack.env | bundles, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    seconds = json.loads(done.stdout.splitlines()[-1])
    return seconds[0::2], seconds[1::2]


if __name__ == "__main__":
    main()
