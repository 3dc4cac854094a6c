"""All DAG files: they import, read like a table of contents, carry their runbook, and are cheap to parse."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from steps import STEPS

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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_dag_files_are_thin(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if text.upper().startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE "))]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert len(node.body) <= 8, f"{file.name}:{node.lineno} {node.name} holds logic: move it to the package"


def test_parsing_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy\n"
        f"[runpy.run_path(str(path)) for path in {[str(file) for file in FILES]!r}]\n"
        "print([m for m in ('pandas', 'great_expectations', 'pyarrow', 'psycopg', 'phonenumbers', 'sqlalchemy.orm')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    loaded = ast.literal_eval(done.stdout.splitlines()[-1])
    assert {"pandas", "great_expectations", "pyarrow", "psycopg", "phonenumbers"}.isdisjoint(loaded)


def test_lead_mining_has_the_steps_of_the_design_in_order(dags: dict[str, DAG]) -> None:
    dag = dags["lead_mining"]
    assert set(dag.task_dict) == set(STEPS)
    for before, after in pairwise(STEPS):
        assert after in dag.get_task(before).downstream_task_ids
    assert dag.get_task("release").is_teardown


def test_lead_mining_retries_with_backoff(dags: dict[str, DAG]) -> None:
    for task in dags["lead_mining"].tasks:
        assert task.retries >= 3
        assert task.retry_exponential_backoff


def test_loaded_leads_are_an_asset_others_can_schedule_on(dags: dict[str, DAG]) -> None:
    assert [asset.name for asset in dags["lead_mining"].get_task("load_leads").outlets] == ["lead_mining_leads"]
