"""Many machines: a night of saved searches, spread over two Celery workers, one of which is lost while it loads leads."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import psycopg
import pytest
from celery_stack import TASKS_OF_A_WORKER, CeleryStack, wait_until
from nights import FIRE
from rich.console import Console
from rich.table import Table

from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.summary import RunSummary, summary
from local_stack.mine import wait_for_dag

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("redis-server"), reason="the program redis-server is not installed"),
]
NIGHTLY = "lead_mining_nightly"
LOST, KEPT = "worker-1", "worker-2"
LEADS = {"US": 220, "DE": 60, "FR": 30, "GB": 20}  # of the first, the provider sells 200 at once
Attempt = tuple[str, str, str, str]


def write_searches(folder: Path) -> None:
    folder.mkdir()
    for country, number in LEADS.items():
        params = f"countries: [{country}], lead_number: {number}, search_type: people, contact_number: 2"
        (folder / f"leads_{country.lower()}.yaml").write_text(
            f"name: {country}\nowner: Sales\nschedule: {{cron: 0 {FIRE.hour} * * *}}\n"
            f"params: {{{params}, preferred_role: CEO}}\n"
        )


@pytest.fixture
def stack() -> Iterator[CeleryStack]:
    folder = Path(tempfile.mkdtemp(prefix="lead-mining-e2e-"))
    write_searches(folder / "searches")
    stack = CeleryStack(folder / "local", {**os.environ, "LEAD_MINING_SEARCHES": str(folder / "searches")})
    try:
        stack.up()
        stack.prepare_crm()
        stack.start_broker()
        stack.start_workers(LOST, KEPT)
        wait_for_dag(stack.api, NIGHTLY)
        yield stack
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)


def attempts(stack: CeleryStack) -> set[Attempt]:
    """(run, task, worker, state) of all that workers began of `lead_mining`, also of what was begun anew."""
    columns = "SELECT run_id, task_id, hostname, state FROM"
    began = "WHERE dag_id = 'lead_mining' AND hostname <> ''"
    with psycopg.connect(stack.postgres.conninfo("airflow")) as conn:
        rows = conn.execute(f"{columns} task_instance {began} UNION ALL {columns} task_instance_history {began}")
        return {(str(run), str(task), str(worker), str(state)) for run, task, worker, state in rows}


def charged_by_provider(stack: CeleryStack) -> int:
    token = stack.environment.secrets["provider_account_token"]
    url = f"http://127.0.0.1:{stack.environment.ports.simulator}/simulator/account/{token}"
    return int(httpx.get(url).raise_for_status().json()["charged"])


def test_a_lost_worker_costs_nothing_but_time(stack: CeleryStack, capsys: pytest.CaptureFixture[str]) -> None:
    def ended() -> bool:
        return stack.api.run_state(NIGHTLY, night) in ("success", "failed")

    def each_loads_as_much_as_it_can() -> bool:
        assert not ended()
        running = [(task, worker) for _, task, worker, state in attempts(stack) if state == "running"]
        loading = Counter(worker for task, worker in running if task == "load_leads")
        return loading == {LOST: TASKS_OF_A_WORKER, KEPT: TASKS_OF_A_WORKER}

    with psycopg.connect(stack.crm_conninfo, autocommit=True) as conn:
        credits = ledger.balance(conn, "default").available
        with psycopg.connect(stack.crm_conninfo) as reader:
            reader.execute("LOCK TABLE crm_lead IN SHARE MODE")  # nobody can load leads until it is let go
            night = stack.api.trigger(NIGHTLY, {})
            wait_until(each_loads_as_much_as_it_can, "both load", seconds=240)
            stack.lose_worker(LOST)
        wait_until(ended, "the end of the night", seconds=240)

        searches = {task["task_id"]: task["state"] for task in stack.api.tasks(NIGHTLY, night)}
        assert searches == {f"leads_{country.lower()}": "success" for country in LEADS}
        keys = conn.execute("SELECT run_key, lead_number FROM lead_mining.run ORDER BY 2 DESC").fetchall()
        assert [number for _, number in keys] == list(LEADS.values())
        came_to = {key.removeprefix("lead_mining/"): found for key, _ in keys if (found := summary(conn, key))}
        begun = attempts(stack)
        assert Counter((task, worker) for _, task, worker, _ in begun)["load_leads", LOST] == TASKS_OF_A_WORKER
        loaded = {run for run, *how in begun if how == ["load_leads", KEPT, "success"]}
        assert loaded == came_to.keys()
        assert_each_lead_once_and_each_credit_right(stack, conn, credits, list(came_to.values()))
    with capsys.disabled():
        print_table(came_to, begun)


def assert_each_lead_once_and_each_credit_right(
    stack: CeleryStack, conn: psycopg.Connection, credits: int, runs: Sequence[RunSummary]
) -> None:
    assert all(0 < run.loaded <= number for run, number in zip(runs, LEADS.values(), strict=True))
    leads = sum(run.loaded for run in runs)
    assert conn.execute("SELECT count(*), count(DISTINCT reveal_id) FROM crm_lead").fetchone() == (leads, leads)
    assert [run.notes for run in runs] == [run.loaded for run in runs]
    assert [run.credits_spent for run in runs] == [run.loaded + run.contacts for run in runs]
    spent = sum(run.credits_spent for run in runs)
    assert ledger.balance(conn, "default") == ledger.Balance(available=credits - spent, held=0, spent=spent)
    assert charged_by_provider(stack) == sum(run.provider_charged for run in runs)
    assert audit(conn) == []


def print_table(came_to: dict[str, RunSummary], begun: set[Attempt]) -> None:
    table = Table("run", "leads", "contacts", "credits", f"tasks on {LOST}", f"on {KEPT}", "lost and done again")
    for run, total in came_to.items():
        tasks = {worker: {task for r, task, w, _ in begun if (r, w) == (run, worker)} for worker in (LOST, KEPT)}
        numbers = (total.loaded, total.contacts, total.credits_spent, len(tasks[LOST]), len(tasks[KEPT]))
        table.add_row(total.request_number, *map(str, numbers), ", ".join(tasks[LOST] & tasks[KEPT]))
    Console(width=120).print(
        "\n", table, f"{LOST} was killed while it loaded; all runs: success; audit: no discrepancy"
    )
