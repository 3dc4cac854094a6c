"""`make mine`: one mining run through Airflow, watched from the terminal, and its summary."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local_stack.airflow_api import AirflowApi
from local_stack.environment import PROJECT
from local_stack.errors import StackError
from local_stack.request_file import read_request
from local_stack.stack import MINING, Stack

DAG_ID = "lead_mining"
PARSE_SECONDS = 120
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
RETRIES = "up_for_retry"
WAITS_FOR_PERSON = ("awaiting_input", "deferred")


def mine(stack: Stack, request_file: Path) -> int:
    """Mine one request; 0 if the run succeeded, else 1. Raises RequestFileError before anything is started."""
    params = read_request(request_file)
    console = Console(soft_wrap=True, highlight=False)
    with stack.session(*MINING):
        stack.prepare_crm()
        api = stack.api
        wait_for_dag(api, DAG_ID)
        run_id = api.trigger(DAG_ID, params)
        console.print(f"mining {request_file} as run {run_id}", markup=False)
        state = watch(stack, api, run_id, console)
        if state != "success":
            print_failure(stack, api, run_id, console)
        print_summary(stack, run_id, state, console)
    return 0 if state == "success" else 1


def wait_for_dag(api: AirflowApi, dag_id: str) -> None:
    """Wait until Airflow has read the DAG files as they are now. Raises StackError with the error of a broken one."""
    changed = max((file.stat().st_mtime for file in (PROJECT / "dags").rglob("*.py")), default=0.0)
    deadline = time.monotonic() + PARSE_SECONDS
    while True:
        dag = api.dag(dag_id)
        if dag and dag["last_parsed_time"] and datetime.fromisoformat(dag["last_parsed_time"]).timestamp() >= changed:
            if not dag["is_paused"]:
                return
            raise StackError(f"the DAG {dag_id} is paused: `bin/airflow dags unpause {dag_id}`")
        for file, error in api.import_errors().items():
            if Path(file).stem == dag_id:
                raise StackError(f"{file} cannot be read:\n{error}")
        if time.monotonic() > deadline:
            raise StackError(f"Airflow has not found the DAG {dag_id} in {PROJECT / 'dags'} in {PARSE_SECONDS} s")
        time.sleep(0.2)


# -- watching


def watch(stack: Stack, api: AirflowApi, run_id: str, console: Console) -> str:
    """Print each task as it ends, until the run has ended; returns the run's state."""
    told: set[tuple[str, str]] = set()
    while True:
        state = api.run_state(DAG_ID, run_id)
        for task in sorted(api.tasks(DAG_ID, run_id), key=lambda task: task["end_date"] or "~"):
            line = progress_of(task)
            if line and (task_name(task), line) not in told:
                told.add((task_name(task), line))
                console.print(f"  {task_name(task):<34}{line}", markup=False)
                if task["state"] in WAITS_FOR_PERSON:
                    console.print(f"    answer at {api.url}/dags/{DAG_ID}/runs/{run_id}", markup=False)
                if task["state"] == RETRIES:
                    console.print(f"    {error_in(log_of(stack.environment.airflow_home, run_id, task))}", markup=False)
        if state in ("success", "failed"):
            return state
        time.sleep(0.3)


def task_name(task: dict[str, Any]) -> str:
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']} {task.get('rendered_map_index') or task['map_index']}"  # validate 1 to 200


def progress_of(task: dict[str, Any]) -> str | None:
    """What to say of a task now, or None."""
    if task["state"] in ENDED:
        seconds = f"{task['duration']:6.1f} s" if task["duration"] and task["state"] != "skipped" else ""
        return f"{task['state']:<16}{seconds}".rstrip()
    if task["state"] == RETRIES:
        return f"failed, try {task['try_number']} of {task['max_tries'] + 1}; it will be tried again"
    return "waits for a person" if task["state"] in WAITS_FOR_PERSON else None


# -- what came of it


def print_failure(stack: Stack, api: AirflowApi, run_id: str, console: Console) -> None:
    """The first failed task, its error in one line, and where its log is."""
    failed = [task for task in api.tasks(DAG_ID, run_id) if task["state"] == "failed"]
    for task in sorted(failed, key=lambda task: task["end_date"] or "~")[:1]:
        log = log_of(stack.environment.airflow_home, run_id, task)
        console.print(f"\n{task_name(task)} failed: {error_in(log)}\nlog: {log}", markup=False, style="red")


def log_of(airflow_home: Path, run_id: str, task: dict[str, Any]) -> Path:
    """Where Airflow writes a task's log."""
    parts = [f"dag_id={DAG_ID}", f"run_id={run_id}", f"task_id={task['task_id']}"]
    if task["map_index"] >= 0:
        parts.append(f"map_index={task['map_index']}")
    return airflow_home.joinpath("logs", *parts, f"attempt={task['try_number']}.log")


def error_in(log: Path) -> str:
    """The last error of a task's log (JSON lines), in one line."""
    from lead_mining.plain import one_line

    found = "its log does not say why"
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no log"
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if details := entry.get("error_detail"):
            kind, text = details[0]["exc_type"], details[0]["exc_value"]
            found = text if kind == "AirflowFailException" else f"{kind}: {text}"  # that one only says: no retry
        elif entry.get("level") in ("error", "critical") and entry.get("event"):
            found = str(entry["event"])
    return one_line(" ".join(found.split()))


def print_summary(stack: Stack, run_id: str, state: str, console: Console) -> None:
    from lead_mining.summary import summary

    with psycopg.connect(stack.crm_conninfo, autocommit=True) as connection:
        came = summary(connection, f"{DAG_ID}/{run_id}")
    rows = came.lines() if came else [("request", "not accepted: nothing was charged or loaded")]
    table = Table(show_header=False, title=f"Lead mining: {state}", title_justify="left")
    for what, value in rows:
        table.add_row(what, Text(value))  # no markup of rich: a company may be called [red]
    console.print()
    console.print(table)
    console.print("look at the leads   make psql SQL='SELECT name, email_from, phone FROM crm_lead ORDER BY id DESC'")
    if came and came.data_docs:
        console.print(f"Data Docs           {stack.environment.data_docs / came.data_docs}", markup=False)
    console.print(f"Airflow's UI        {'running at ' + stack.url if stack.is_up else 'make up'}")
