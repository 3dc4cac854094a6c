"""A run that has not ended in time tells somebody: an Airflow deadline alert, and what it says.

DAG files import it, so it imports nothing heavy at its top. LEAD_MINING_DEADLINE_HOURS, by default 4, is the time;
LEAD_MINING_ON_CALL names addresses and Slack channels, with commas between, that are told beside whom the run names.
The DAG processor reads the first, the triggerer, which tells, the second.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

from lead_mining import links
from lead_mining.foreign_errors import told
from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.plain import logger

if TYPE_CHECKING:
    from lead_mining.runs import Run

log = logger(__name__)


class RunCreated(BaseDeadlineReference):
    """When the run was made: Airflow asks for it at that moment. `plugins/` makes it known to Airflow.

    Not DAGRUN_QUEUED_AT: with it, Airflow 3.3.2 cannot clear a task of a run that has not succeeded (TypeError). Not
    DAGRUN_LOGICAL_DATE: a run that is triggered may have none, and would not be watched.
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)


def run_deadline() -> DeadlineAlert:
    """The `deadline` of a DAG whose runs should have ended after LEAD_MINING_DEADLINE_HOURS. Raises ValueError."""
    return DeadlineAlert(
        reference=RunCreated(),
        interval=_time(),
        callback=AsyncCallback(tell_of_late_run),  # a SyncCallback stops the scheduler where executors cannot run it
        name="A run has not ended in time",
    )


def _time() -> timedelta:
    text = os.environ.get("LEAD_MINING_DEADLINE_HOURS") or "4"
    try:
        time = timedelta(hours=float(text))
    except (ValueError, OverflowError):
        time = timedelta(0)
    if time <= timedelta(0):
        raise ValueError(
            f"LEAD_MINING_DEADLINE_HOURS is {text!r}: set it to a number of hours above 0, such as 4 or 0.5"
        )
    return time


async def tell_of_late_run(context: dict[str, Any]) -> None:
    """Tell whom the run names, and who is on call, that it has not ended. Nothing where it has, by failing.

    Called in Airflow's triggerer. `context`: `dag_run` as Airflow's API shows it.
    """
    from asgiref.sync import sync_to_async

    await sync_to_async(_tell_of_late_run)(context)


def _tell_of_late_run(context: dict[str, Any]) -> None:
    from lead_mining.messages import about_late
    from lead_mining.notifiers import page_url, recipients, tell

    dag_run = context["dag_run"]
    if dag_run["state"] not in ("queued", "running"):
        return
    dag_id, run_id = dag_run["dag_id"], dag_run["dag_run_id"]
    request = dag_run.get("conf") or {}
    run, done = _how_far(f"{dag_id}/{run_id}", request.get("crm_conn_id") or CRM_CONNECTION["default"])
    since = datetime.fromisoformat(dag_run.get("start_date") or dag_run["run_after"])
    hours = (datetime.now(UTC) - since).total_seconds() / 3600
    name = f"request {run.request_number}" if run and run.request_number else f"the run {run_id} of {dag_id}"
    message = about_late(name, hours, done, run, page_url(links.airflow_page(dag_id, run_id)))
    log.warning("%s. %s", message.subject, " ".join(message.lines))
    on_call = os.environ.get("LEAD_MINING_ON_CALL", "").split(",")
    to = recipients([*(request.get("notify") or []), *map(str.strip, on_call)])
    if not to:
        log.warning("nobody is told: name somebody in the request (notify), or for all runs in LEAD_MINING_ON_CALL")
    tell(to, message)


def _how_far(run_key: str, crm_conn_id: str) -> tuple[Run | None, Collection[str] | None]:
    """The run and its finished steps; None and None where the CRM's database does not answer."""
    from lead_mining import runs
    from lead_mining.hooks import crm_session

    try:
        with crm_session(crm_conn_id) as conn:
            run = runs.find(conn, run_key)
            return run, list(runs.results(conn, run.id)) if run else []
    except Exception as error:
        log.warning("how far the run has come is not known (%s)", told(error))
        return None, None
