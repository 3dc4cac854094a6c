"""Saved searches over five nights, on the whole stack: one fails on the second night and is repaired on the third."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from airflow_rest import api
from nights import FIRE, SEARCHES
from rich.console import Console
from rich.table import Table

from lead_mining.audit import audit
from lead_mining.credits import ledger
from local_stack.mine import wait_for_dag
from local_stack.stack import Stack

pytestmark = pytest.mark.e2e
DAG = "lead_mining_nightly"
NIGHTS = [FIRE - dt.timedelta(days=days) for days in range(6, 1, -1)]


def wait_until(done: Callable[[], Any], what: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def backfill(stack: Stack, night: dt.datetime, reprocess: str = "none") -> None:
    """What `airflow backfill create` does for that night; waits until it has ended."""
    asked = {
        "dag_id": DAG,
        "from_date": night.isoformat(),
        "to_date": night.isoformat(),
        "reprocess_behavior": reprocess,
    }
    backfill_id = api(stack, "POST", "/backfills", asked)["id"]
    wait_until(lambda: api(stack, "GET", f"/backfills/{backfill_id}")["completed_at"], f"the backfill of {night}")


def tasks_of(stack: Stack, night: dt.datetime) -> dict[str, str]:
    run_id = run_of(stack, night)
    return {task["task_id"]: task["state"] for task in stack.api.tasks(DAG, run_id)}


def run_of(stack: Stack, night: dt.datetime) -> str:
    runs = api(stack, "GET", f"/dags/{DAG}/dagRuns?limit=100")["dag_runs"]
    (found,) = [run["dag_run_id"] for run in runs if dt.datetime.fromisoformat(run["data_interval_end"]) == night]
    return str(found)


def loaded(conn: psycopg.Connection) -> dict[tuple[str, str], int]:
    """(saved search, date) to leads."""
    rows = conn.execute(
        "SELECT r.saved_search, split_part(r.run_key, '__', 3), count(c.lead_id) FROM lead_mining.run r"
        " LEFT JOIN lead_mining.candidate c ON c.run_id = r.id AND c.state = 'loaded'"
        " WHERE r.run_key LIKE 'lead_mining/saved_search__%' GROUP BY 1, 2"
    )
    return {(name, date): leads for name, date, leads in rows}


def test_five_nights_of_three_searches_one_of_them_repaired(stack: Stack, conn: psycopg.Connection) -> None:
    wait_for_dag(stack.api, DAG)
    with conn.transaction():
        ledger.top_up(conn, "emea", 5, "five", "five")
    names = {key: name for key, (name, _) in SEARCHES.items()}
    table = Table("night", *names.values(), "what happened")
    by_night = []

    for number, night in enumerate(NIGHTS, 1):
        what = ""
        if number == 3:  # somebody buys credits, and clears the task that failed last night
            with conn.transaction():
                ledger.top_up(conn, "emea", 100, "hundred", "hundred")
            api(
                stack,
                "POST",
                f"/dags/{DAG}/clearTaskInstances",
                {
                    "dag_run_id": run_of(stack, NIGHTS[1]),
                    "task_ids": ["french_companies"],
                    "dry_run": False,
                    "only_failed": True,
                    "reset_dag_runs": True,
                },
            )
            wait_until(lambda: set(tasks_of(stack, NIGHTS[1]).values()) == {"success"}, "the cleared task")
            what = f"night 2's {names['french_companies']} cleared: "
            what += f"{loaded(conn)[names['french_companies'], NIGHTS[1].date().isoformat()]} leads"
        backfill(stack, night)
        states = tasks_of(stack, night)
        failed = [key for key, state in states.items() if state != "success"]
        assert failed == (["french_companies"] if number == 2 else [])
        if number == 2:
            what = f"{names['french_companies']}: cannot pay"
        found = loaded(conn)
        of_the_night = [found.get((name, night.date().isoformat()), 0) for name in names.values()]
        by_night.append(of_the_night)
        table.add_row(str(number), *(str(leads) for leads in of_the_night), what)
    Console(width=120).print(table)

    assert by_night[1][1] == 0
    assert all(leads > 0 for number, leads_of in enumerate(by_night) for leads in leads_of[: 1 if number == 1 else 3])
    after = loaded(conn)
    assert after[names["french_companies"], NIGHTS[1].date().isoformat()] > 0
    assert len(after) == 15, "one run a search and night"

    backfill(stack, NIGHTS[0], reprocess="completed")
    assert set(tasks_of(stack, NIGHTS[0]).values()) == {"success"}
    assert loaded(conn) == after, "the same search and date is the same run"
    assert audit(conn) == []
