"""The tasks that the DAGs which load leads have in common, from checking what was bought to the notes.

Beside hooks and notifiers the only module that imports Airflow; DAG files import it, so it imports nothing else heavy.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise
from typing import Any

from airflow.sdk import Asset, BaseOperatorLink, Metadata, task
from airflow.sdk.exceptions import AirflowSkipException

from lead_mining import links
from lead_mining.hooks import crm_session, data_docs_folder

LEADS = Asset("lead_mining_leads", extra={"what": "leads loaded into the CRM by lead mining"})


class DataDocsLink(BaseOperatorLink):
    """On the task `validate`: what Great Expectations found in this run."""

    name = "Data Docs"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        result = ti_key.xcom_pull(task_ids=operator.task_id)
        return links.data_docs_page(result["data_docs"]) if result else ""


class RejectionsLink(BaseOperatorLink):
    """On the tasks that turn candidates down: which ones, and why."""

    name = "Rejections"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return links.rejections_page(ti_key.dag_id, ti_key.run_id)


@task
def validate(plan: dict[str, Any], params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
    from lead_mining import pipeline

    rejections = links.rejections_page(dag_run.dag_id, dag_run.run_id)
    from_a_site = "../../" + rejections.removeprefix(f"{links.ROOT}/")
    with crm_session(params["crm_conn_id"]) as connection:
        return pipeline.validate(connection, plan["run_id"], data_docs_folder(), from_a_site)


@task
def deduplicate(plan: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    from lead_mining import pipeline

    with crm_session(params["crm_conn_id"]) as connection:
        return pipeline.deduplicate(connection, plan["run_id"])


@task
def debit_credits(plan: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    from lead_mining import pipeline

    if params.get("dry_run"):
        raise AirflowSkipException("a trial run charges and loads nothing")
    with crm_session(params["crm_conn_id"]) as connection:
        return pipeline.debit_credits(connection, plan["run_id"])


@task(outlets=[LEADS])
def load_leads(plan: dict[str, Any], params: dict[str, Any]) -> Generator[Metadata, None, dict[str, Any]]:
    from lead_mining import pipeline

    with crm_session(params["crm_conn_id"]) as connection:
        loaded = pipeline.load_leads(connection, plan["run_id"])
    yield Metadata(LEADS, {"request_number": plan["request_number"], **loaded})
    return loaded


@task
def write_enrichment_notes(plan: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    from lead_mining import pipeline

    with crm_session(params["crm_conn_id"]) as connection:
        return pipeline.write_enrichment_notes(connection, plan["run_id"])


def released(params: dict[str, Any], run_key: str) -> tuple[dict[str, Any], str]:
    """What a DAG's own task `release` does: gives back what is held; its result, and the run as a table for the log."""
    from lead_mining import pipeline
    from lead_mining.summary import summary

    with crm_session(params["crm_conn_id"]) as connection:
        result = pipeline.release(connection, run_key)
        came_to = summary(connection, run_key)
    return result, came_to.table() if came_to else "The request was not prepared: nothing was charged or loaded."


def load_what_was_bought(before: Any, plan: Any, release: Any) -> None:
    """The tasks after `before`, one after the other, with `release` as their teardown. To be called in a DAG."""
    tasks: tuple[Any, ...] = (validate, deduplicate, debit_credits, load_leads, write_enrichment_notes)
    links_of = {"validate": (DataDocsLink(), RejectionsLink()), "deduplicate": (RejectionsLink(),)}
    steps = [before, *(step(plan) for step in tasks)]
    for step in steps[1:]:
        step.operator.operator_extra_links = links_of.get(step.operator.task_id, ())
    for earlier, later in pairwise(steps):
        earlier >> later
    steps[-1] >> release.as_teardown()
