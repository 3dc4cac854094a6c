"""All DAG files: they import, read like a table of contents, carry their runbook, and are cheap to parse."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped
from steps import STEPS

from lead_mining.dag_steps import ask_for_approval
from lead_mining.searches import BrokenSearch, read_all

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    bag = DagBag(dag_folder=str(DAGS), bundle_path=DAGS)
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_each_file_is_one_dag_named_after_it(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == [file.stem for file in FILES]


@pytest.mark.parametrize("dag_id", [file.stem for file in FILES])
def test_each_dag_carries_its_runbook(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.doc_md
    assert "Triage notes" in dag.doc_md
    assert dag.description
    assert "lead-mining" in dag.tags


@pytest.mark.parametrize("dag_id", [file.stem for file in FILES])
def test_each_field_of_a_form_has_a_title_and_a_description(dags: dict[str, DAG], dag_id: str) -> None:
    params = dags[dag_id].params
    for name, param in {name: params.get_param(name) for name in params}.items():
        assert param.schema.get("title"), name
        assert param.description, name
        assert not set("`*") & set(param.description), f"{name}: the form shows markup of a plain description as it is"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_dag_files_are_thin(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if text.upper().startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE "))]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert len(node.body) <= 8, f"{file.name}:{node.lineno} {node.name} holds logic: move it to the package"


def test_each_saved_search_is_right() -> None:
    assert [str(search) for search in read_all() if isinstance(search, BrokenSearch)] == []


def test_parsing_is_quick_and_imports_little() -> None:
    code = (
        "import json, sys, runpy, time\n"
        "import airflow.sdk, airflow.providers.standard.decorators.python, airflow.providers.standard.operators.hitl\n"
        "import airflow.providers.standard.operators.trigger_dagrun, airflow.sdk.definitions.deadline\n"
        "before, known = time.process_time(), set(sys.modules)\n"
        f"[runpy.run_path(path) for path in {[str(file) for file in FILES]!r}]\n"
        "print(json.dumps([time.process_time() - before, sorted(set(sys.modules) - known)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    seconds, imported = json.loads(done.stdout.splitlines()[-1])
    packages = {module.partition(".")[0] for module in imported} - sys.stdlib_module_names
    # Not pandas, great_expectations, pyarrow, psycopg, httpx, phonenumbers, email_validator, jinja2 ...
    assert packages <= {"airflow", "lead_mining", "pycountry"}
    assert "smtplib" not in imported
    ours = [module for module in imported if module.startswith("lead_mining")]
    assert 10 < len(ours) <= 30, ours
    assert seconds < 2, "all files together, on top of Airflow"


def test_no_task_holds_a_copy_of_the_long_form(dags: dict[str, DAG]) -> None:
    dag = dags["lead_mining"]
    assert len(dag.params) > 20
    assert {task.task_id for task in dag.tasks if task.params} == set()


def test_where_nobody_answers_in_time_nothing_is_bought_and_no_answer_is_proposed(dags: dict[str, DAG]) -> None:
    approve_cost = dags["lead_mining"].get_task("approve_cost")
    assert isinstance(approve_cost, ApprovalOperator)
    assert (approve_cost.response_timeout, approve_cost.retries) == (timedelta(days=7), 0)
    assert approve_cost.defaults is None  # Airflow would highlight the button of it: Reject


def test_money_is_retried_when_the_database_is_busy(dags: dict[str, DAG]) -> None:
    for dag_id, dag in dags.items():
        if dag_id.startswith("credits_"):
            for task in dag.tasks:
                assert task.retries == 3
                assert task.execution_timeout


def test_lead_mining_has_the_steps_of_the_design_in_order(dags: dict[str, DAG]) -> None:
    dag = dags["lead_mining"]
    assert set(dag.task_dict) == set(STEPS)
    for before, after in pairwise(STEPS):
        assert after in dag.get_task(before).downstream_task_ids
    assert dag.get_task("release").is_teardown


@pytest.mark.parametrize("dag_id", ["lead_mining", "retry_rejections"])
def test_each_task_leaves_one_xcom(dags: dict[str, DAG], dag_id: str) -> None:
    taken_apart = {task.task_id: getattr(task, "multiple_outputs", False) for task in dags[dag_id].tasks}
    assert taken_apart == dict.fromkeys(dags[dag_id].task_dict, False)


def test_large_requests_fan_out_where_order_does_not_matter(dags: dict[str, DAG]) -> None:
    mapped = {task.task_id for task in dags["lead_mining"].tasks if isinstance(task, MappedOperator)}
    assert mapped == {"validate", "write_enrichment_notes"}
    for task_id in mapped:
        assert dags["lead_mining"].get_task(task_id).max_active_tis_per_dagrun == 4


@pytest.mark.parametrize("needed", [True, False])
def test_an_approval_that_nobody_asks_for_is_skipped_beforehand(needed: bool) -> None:
    left: dict[str, object] = {}
    ti = SimpleNamespace(xcom_push=left.__setitem__)
    plan = {"run_id": 1, "needs_approval": needed}
    if needed:
        assert ask_for_approval(plan, ti) == plan
        assert left == {}
        return
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        ask_for_approval(plan, ti)
    assert skipped.value.tasks == ["approve_cost"]
    assert left == {"return_value": plan}


def test_lead_mining_retries_with_backoff(dags: dict[str, DAG]) -> None:
    for task in dags["lead_mining"].tasks:
        assert task.retries >= (0 if task.task_id == "approve_cost" else 3)  # nobody is asked for another seven days
        assert task.retry_exponential_backoff


@pytest.mark.parametrize("dag_id", ["lead_mining", "retry_rejections"])
def test_a_run_links_to_what_was_found_and_turned_down(dags: dict[str, DAG], dag_id: str) -> None:
    class Instance:
        run_id = "manual__2026-11-01T00:00:00+00:00"
        map_index = 3  # one part of several

        def xcom_pull(self, task_ids: str, map_indexes: int) -> dict[str, str] | None:
            return {"data_docs": "LMR001_x+y/index.html"} if (task_ids, map_indexes) == ("validate", 3) else None

    instance = Instance()
    instance.dag_id = dag_id  # type: ignore[attr-defined]
    rejections = f"lead-mining/quality/{dag_id}/manual__2026-11-01T00%3A00%3A00%2B00%3A00"
    found = {
        task.task_id: {link.name: link.get_link(task, ti_key=instance) for link in task.operator_extra_links}
        for task in dags[dag_id].tasks
        if task.operator_extra_links and task.task_id != "approve_cost"
    }
    assert found == {
        "validate": {"Data Docs": "lead-mining/data-docs/LMR001_x%2By/index.html", "Rejections": rejections},
        "deduplicate": {"Rejections": rejections},
        "release": {"Request": f"lead-mining/requests/{dag_id}/manual__2026-11-01T00%3A00%3A00%2B00%3A00"},
    }


def test_loaded_leads_are_an_asset_others_can_schedule_on(dags: dict[str, DAG]) -> None:
    assert [asset.name for asset in dags["lead_mining"].get_task("load_leads").outlets] == ["lead_mining_leads"]
