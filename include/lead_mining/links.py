"""Where the pages of lead mining stand in the Airflow UI, relative to its base, so that they hold below any path."""

from __future__ import annotations

from urllib.parse import quote

ROOT = "lead-mining"
DATA_DOCS = f"{ROOT}/data-docs"
QUALITY = f"{ROOT}/quality"
GENERATE = f"{ROOT}/generate"
SEARCHES = f"{ROOT}/searches"
CREDITS = f"{ROOT}/credits"
STATIC = f"{ROOT}/static"
NAVIGATION = (
    (ROOT, "Requests"),
    (GENERATE, "Generate leads"),
    (SEARCHES, "Saved searches"),
    (CREDITS, "Credits"),
    (QUALITY, "Quality"),
    (DATA_DOCS, "Data Docs"),
)
"""Folder and name of the pages, in the order of the menu."""


def data_docs_page(index: str) -> str:
    """`index`: the page of a run in the folder of Data Docs, as the step `validate` leaves it."""
    return f"{DATA_DOCS}/{quote(index)}"


def rejections_page(dag_id: str, run_id: str) -> str:
    """The rejections of a DAG run. `?rule=` chooses those of a rule."""
    return f"{QUALITY}/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"


def airflow_run(run_key: str) -> str:
    """Airflow's own page of a DAG run."""
    dag_id, _, run_id = run_key.partition("/")
    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def request_page(dag_id: str, run_id: str) -> str:
    """What came of a mining request: leads with their notes, rejections, credits."""
    return f"{ROOT}/requests/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"


def airflow_page(dag_id: str, run_id: str) -> str:
    """Airflow's own page of a DAG run, where tasks are looked at, answered and cleared."""
    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
