"""How long a task's process takes before its first useful statement, step by step, beside an empty task's.

    python benchmarks/start.py [--repeat 3] [--modules]

What is measured, in a process of its own a step: parsing the DAG file, as each task does; and by how much importing and
using what the step needs takes longer for the first time than for the second (modules, templates, rules, metadata of
phone numbers). No database is asked. Seconds of the CPU, median of the repetitions:

    forked   from a process that has imported `airflow_local_settings.py` as the scheduler and the Celery worker do
    bare     from one that has Airflow imported, as elsewhere
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import ROOT, parser, positive, record
from parse import bare

from local_stack.environment import temporary_folder

SESSION = (
    "from airflow.providers.postgres.hooks.postgres import PostgresHook; from lead_mining import runs, story, pipeline"
)
COMPANY = """
from lead_mining.providers.base import Company, Contact
from lead_mining.request import MiningRequest
request = MiningRequest.parse({"countries": ["US"], "search_type": "people", "preferred_role": "CEO"})
person = Contact(full_name="A", email="a@acme.example", phone="+1 650 253 0000")
company = Company(name="Acme", domain="acme.example", phones=("650 253 0000",), country_code="US", contacts=(person,))
"""
STEPS = {
    "empty task": "",
    "prepare_request": f"{SESSION}; from lead_mining.quality import checks; checks.check_own_rules(None)" + COMPANY,
    "extract": f"{SESSION}; from lead_mining.providers.odoo_iap import OdooIap; OdooIap('http://x.example', 'a', 'b')",
    "validate": SESSION
    + COMPANY
    + """
import tempfile
from pathlib import Path
from lead_mining.judging import lead_of
from lead_mining.quality.checks import Checks
with tempfile.TemporaryDirectory() as folder:
    Checks(request, lead_of, Path(folder)).judge([(1, company)])
""",
    "deduplicate": SESSION
    + COMPANY
    + """
from lead_mining.matching.keys import match_keys
from lead_mining.quality.checks import check_survivors
list(match_keys(company)), check_survivors([(1, "domain", "a.example")])
""",
    "debit_credits": SESSION,
    "load_leads": SESSION + COMPANY + "from lead_mining.judging import lead_of; lead_of(company)",
    "write_enrichment_notes": SESSION
    + COMPANY
    + """
from lead_mining.notes.render import render_note
render_note(company, lead_type="lead", request_number="LMR001")
""",
    "release": f"{SESSION}; from lead_mining import messages, summary",
}
PARENT = """
import contextlib, io, json, os, sys, time
from pathlib import Path
plan = json.loads(sys.argv[1])
sys.argv = ["airflow", "scheduler"]
import airflow.sdk.execution_time.task_runner
from airflow.dag_processing.dagbag import BundleDagBag
modules = set(sys.modules)
for step, (dag_file, code) in plan.items():
    read, write = os.pipe()
    if not os.fork():
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            bag = BundleDagBag(dag_folder=dag_file, bundle_path=Path(dag_file).parent, bundle_name="b", safe_mode=False)
            assert not bag.import_errors, bag.import_errors
            parsed = time.process_time()
            exec(code, {})
            once = time.process_time()
            exec(code, {})
            twice = time.process_time()
        first_use = max(0, (once - parsed) - (twice - once))
        found = {"parse": parsed - began, "first use": first_use, "new": sorted(set(sys.modules) - modules)}
        os.write(write, json.dumps(found).encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        print(json.dumps({"step": step, **json.loads(answer.read())}))
    os.wait()
"""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--repeat", type=positive, default=3, help="the median of so many parents each")
    options.add_argument("--modules", action="store_true", help="also name what a forked process imports anew")
    given = options.parse_args()
    folder = temporary_folder()
    dag_files = {step: str(ROOT / "dags" / "lead_mining.py") for step in STEPS}
    dag_files["empty task"] = str(bare(folder / "bare_dags", 1) / "bare_0.py")
    plan = {step: (dag_files[step], code) for step, code in STEPS.items()}
    seconds: dict[str, dict[str, list[float]]] = {step: {"forked": [], "bare": []} for step in STEPS}
    try:
        homes = {"forked": folder / "forked", "bare": folder / "bare"}
        for home in homes.values():
            (home / "config").mkdir(parents=True)
        shutil.copy(ROOT / "include/local_stack/airflow_local_settings.py", homes["forked"] / "config")
        for turn in range(given.repeat + 1):
            for name, home in homes.items():
                for found in started(plan, home):
                    if turn:  # the first writes byte-code
                        seconds[found["step"]][name].append(found["parse"] + found["first use"])
                    if turn == given.repeat and name == "forked" and given.modules:
                        print(found["step"], {key: found[key] for key in ("parse", "first use")}, *found["new"])
    finally:
        shutil.rmtree(folder)
    medians = {step: {name: statistics.median(times) for name, times in by.items()} for step, by in seconds.items()}
    empty = medians["empty task"]["forked"]
    print(f"{'':<23} {'forked':>8} {'bare':>8}   forked, beside an empty task")
    for step, by_name in medians.items():
        print(f"{step:<23} {by_name['forked']:>6.2f} s {by_name['bare']:>6.2f} s {by_name['forked'] / empty:>8.1f} x")
    record(given.json, "start", {"seconds": medians, "to_empty": {s: m["forked"] / empty for s, m in medians.items()}})


def started(plan: dict[str, tuple[str, str]], home: Path) -> list[dict[str, Any]]:
    """What each step's process, forked from one parent, tells."""
    env = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", PARENT, json.dumps(plan)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env, cwd=home)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]


if __name__ == "__main__":
    main()
