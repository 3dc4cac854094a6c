"""The whole way of large requests, from a catalogue to the notes: time, each step's share, memory, and how they grow.

    python benchmarks/whole.py [--companies 10000 100000] [--search-type companies] [--catalogue FILE]

Each size is a run of the DAG by the scheduler of a stack of its own, with a CRM that is empty. Memory is the resident
set of each process, looked at twice a second, with what it shares: a task's holds what was imported before it was
forked, a PostgreSQL session's holds the server's buffers. The reference is the smallest size: how many times as long a
company takes at each other one.
"""

from __future__ import annotations

import argparse
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pyarrow.parquet as pq
from measuring import parser, positive, record
from stacks import COUNTRIES, MINING, Airflow, airflow, catalogue

from local_stack.environment import temporary_folder

_STEPS = (
    *("prepare_request", "extract", "validate", "deduplicate", "debit_credits", "load_leads"),
    *("write_enrichment_notes", "release"),
)


def main() -> None:
    parse = parser(__doc__)
    sizes = {"type": positive, "nargs": "+", "default": [10_000, 100_000]}
    parse.add_argument("--companies", help="of a run each (default: 10000 100000)", **sizes)
    parse.add_argument("--search-type", choices=("companies", "people"), default="companies")
    parse.add_argument("--catalogue", type=Path, help="Parquet file to take the companies from (default: made anew)")
    options = parse.parse_args()
    folder = temporary_folder()
    try:
        _compare(options, options.catalogue or catalogue(folder / "all.parquet", max(options.companies)), folder)
    finally:
        shutil.rmtree(folder)


def _compare(options: argparse.Namespace, companies_of_all: Path, folder: Path) -> None:
    of_smallest: dict[str, float] = {}
    for companies in sorted(options.companies):
        file = folder / f"{companies}.parquet"
        pq.write_table(pq.read_table(companies_of_all).slice(0, companies), file)
        figures = _measure(file, companies, options.search_type)
        each = {step: seconds / companies for step, seconds in figures["seconds"].items()}
        of_smallest = of_smallest or each
        figures["growth"] = {step: round(each[step] / of_smallest[step], 2) for step in each}
        _tell(companies, figures)
        record(options.json, "whole", {"companies": companies, "search_type": options.search_type, **figures})


def _measure(file: Path, companies: int, search_type: str) -> dict[str, Any]:
    """Seconds by step and in all, peak MiB by step and by service, and leads loaded."""
    request = {"countries": COUNTRIES, "lead_number": companies, "search_type": search_type}
    provider = {"conn_type": "lead_catalog", "extra": {"path": str(file)}}
    with airflow(provider, credits=companies * 6) as running, _watched(running) as seen:
        run_id = running.trigger(MINING, request)
        queued, ended = running.wait(MINING, run_id)
        seconds, memory = _by_step(running, run_id, seen)
        with psycopg.connect(running.stack.crm_conninfo) as conn:
            leads = conn.execute("SELECT count(*) FROM crm_lead WHERE lead_mining_request_id > 0").fetchone()
    seconds["in all"] = (ended - queued).total_seconds()
    return {"leads": leads and leads[0], "seconds": seconds, "peak_mib": memory}


@contextmanager
def _watched(running: Airflow) -> Iterator[list[tuple[float, str, float]]]:
    """What is seen: time, what kind of process, MiB of its resident set."""
    seen: list[tuple[float, str, float]] = []
    end = threading.Event()
    supervisor = psutil.Process(running.stack.supervisor.pid)

    def look() -> None:
        while not end.wait(0.5):
            for process in supervisor.children(recursive=True):
                try:
                    seen.append((time.time(), _kind(process), process.memory_info().rss / 2**20))
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


def _kind(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    if line.startswith("postgres:"):
        return "postgres"
    for service in ("scheduler", "dag-processor", "triggerer", "api-server", "api_server"):
        if service in line and "LocalExecutor" not in line:
            return service.replace("_", "-")
    return "postgres" if "bin/postgres" in line else "task"


def _by_step(
    running: Airflow, run_id: str, seen: list[tuple[float, str, float]]
) -> tuple[dict[str, float], dict[str, float]]:
    """From the first start to the last end of a step's tasks; and peaks, those of tasks by the step that ran."""
    times: dict[str, tuple[float, float]] = {}
    for task in running.stack.api.tasks(MINING, run_id):
        if task["start_date"] and task["task_id"] in _STEPS:
            began, ended = (datetime.fromisoformat(task[key]).timestamp() for key in ("start_date", "end_date"))
            known = times.get(task["task_id"], (began, ended))
            times[task["task_id"]] = (min(began, known[0]), max(ended, known[1]))
    peaks: dict[str, float] = defaultdict(float)
    for at, kind, mib in seen:
        step = next((step for step, (began, ended) in times.items() if began <= at <= ended), None)
        name = f"task {step}" if kind == "task" and step else kind
        peaks[name] = max(peaks[name], round(mib))
    seconds = {step: round(times[step][1] - times[step][0], 2) for step in _STEPS if step in times}
    return seconds, dict(peaks)


def _tell(companies: int, figures: dict[str, Any]) -> None:
    seconds, memory = figures["seconds"], figures["peak_mib"]
    print(f"\n{companies:,} companies, {figures['leads']:,} leads")
    print(f"{'step':<24} {'seconds':>9} {'share':>7} {'a company, beside the smallest':>31} {'peak MiB':>9}")
    for step, taken in seconds.items():
        share = taken / seconds["in all"]
        peak = memory.get(f"task {step}", "")
        print(f"{step:<24} {taken:>9,.1f} {share:>6.0%} {figures['growth'][step]:>29.2f} x {peak:>9}")
    others = {name: mib for name, mib in memory.items() if not name.startswith("task")}
    print("peak MiB of services: " + ", ".join(f"{name} {mib:,.0f}" for name, mib in sorted(others.items())))


if __name__ == "__main__":
    main()
