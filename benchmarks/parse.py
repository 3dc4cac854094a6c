"""How long parsing all DAG files takes, beside parsing as many, and one, that import `airflow.sdk` alone.

    python benchmarks/parse.py [--repeat 3]

Each parse is a process of its own that asks Airflow's DagBag for a folder, in turns. Seconds of the CPU: of the whole
process, and of what it does when Airflow is imported, which the DAG processor has done before it forks a process.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from measuring import ROOT, parser, positive, record

from local_stack.environment import temporary_folder

OURS = ROOT / "dags"
BARE = """
from airflow.sdk import DAG, task

with DAG({dag_id!r}, schedule=None):

    @task
    def nothing() -> None:
        pass

    nothing()
"""
PARSE = """
import json, sys, time
from pathlib import Path
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
imported = time.process_time()
bag = DagBag(dag_folder=sys.argv[1], bundle_path=Path(sys.argv[1]))
assert not bag.import_errors, bag.import_errors
print(json.dumps({"whole": time.process_time(), "parsing": time.process_time() - imported, "dags": len(bag.dags)}))
"""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--repeat", type=positive, default=3, help="the median of so many processes each")
    given = options.parse_args()
    number = len(list(OURS.glob("*.py")))
    folder = temporary_folder()
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        folders = {"ours": OURS, "as many bare": bare(folder / "many", number), "one bare": bare(folder / "one", 1)}
        for turn in range(given.repeat + 1):
            for name, dags in folders.items():
                found = parsed(dags, folder)
                assert found.pop("dags") == (1 if name == "one bare" else number)
                if turn:  # the first writes byte-code
                    for what, each in found.items():
                        seconds[what][name].append(each)
    finally:
        shutil.rmtree(folder)
    print(f"{'':<8} " + " ".join(f"{name:>14}" for name in folders) + "   ours/as many  ours/one")
    figures: dict[str, dict[str, float]] = {}
    for what, by_name in seconds.items():
        medians = {name: statistics.median(times) for name, times in by_name.items()}
        ratios = {f"to {name}": medians["ours"] / medians[name] for name in ("as many bare", "one bare")}
        figures[what] = medians | ratios
        print(
            f"{what:<8} "
            + " ".join(f"{each:>12.2f} s" for each in medians.values())
            + f" {ratios['to as many bare']:>14.2f} {ratios['to one bare']:>9.2f}"
        )
    record(given.json, "parse", {"dag_files": number, **figures})


def bare(folder: Path, number: int) -> Path:
    """So many files with a DAG of one empty task."""
    folder.mkdir()
    for each in range(number):
        (folder / f"bare_{each}.py").write_text(BARE.format(dag_id=f"bare_{each}"))
    return folder


def parsed(dags: Path, home: Path) -> dict[str, float]:
    env = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", PARSE, str(dags)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=home)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
