"""The tasks that the DAGs which load leads have in common, from checking what was bought to the notes.

Each leaves one XCom: a dict that Airflow took apart would be a call of its API for each of its keys.

DAG files import it, so it imports nothing heavy at its top but Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from datetime import UTC, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import Asset, BaseOperatorLink, Metadata, get_current_context, task
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)

from lead_mining import lineage, links, metrics
from lead_mining.exceptions import ProviderBusy
from lead_mining.foreign_errors import told
from lead_mining.hooks import crm_session, data_docs_folder, provider_conn_ids, provider_for
from lead_mining.notifiers import page_url, recipients, tell
from lead_mining.plain import logger

if TYPE_CHECKING:
    from psycopg import Connection

    from lead_mining.candidates import Part
    from lead_mining.messages import Message
    from lead_mining.runs import Run, StepResult
    from lead_mining.sources import Source
    from lead_mining.summary import RunSummary

log = logger(__name__)

_LONGEST_PUT_OFF = timedelta(hours=24)  # after the first time

LEADS = Asset("lead_mining_leads", extra={"what": "leads loaded into the CRM by lead mining"})


class DataDocsLink(BaseOperatorLink):
    """On the task `validate`: what Great Expectations found in this run."""

    name = "Data Docs"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        result = ti_key.xcom_pull(task_ids=operator.task_id, map_indexes=ti_key.map_index)
        return links.data_docs_page(result["data_docs"]) if result else ""


class RejectionsLink(BaseOperatorLink):
    """On the tasks that turn candidates down: which ones, and why."""

    name = "Rejections"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return links.rejections_page(ti_key.dag_id, ti_key.run_id)


class RequestLink(BaseOperatorLink):
    """On the task `release`, the last one: what came of it all."""

    name = "Request"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return links.request_page(ti_key.dag_id, ti_key.run_id)


class _CheckingOperator(DecoratedOperator, PythonOperator):
    """What `validate` is: links of a task that is mapped are those of its class."""

    custom_operator_name = "@task"
    operator_extra_links = (DataDocsLink(), RejectionsLink())

    def __init__(self, **kwargs: Any) -> None:
        to_python = {name: kwargs[name] for name in ("python_callable", "op_args", "op_kwargs")}
        super().__init__(kwargs_to_upstream=to_python, **kwargs)


def ask_for_approval(plan: dict[str, Any], ti: Any) -> dict[str, Any]:
    """The plan, for who returns it as the task's XCom. Where nobody is to be asked, `approve_cost` is skipped at once.

    Left to that task itself, to be skipped would take a process, and up to a second until its end is noticed.
    """
    if plan["needs_approval"]:
        return plan
    ti.xcom_push(BaseXCom.XCOM_RETURN_KEY, plan)  # who skips others returns nothing
    raise DownstreamTasksSkipped(tasks=["approve_cost"])  # type: ignore[no-untyped-call]


def sources_of(params: Mapping[str, Any]) -> list[Source]:
    """The run's providers, in the order in which they are asked: measured, and within the limits of their accounts.

    Raises what `provider_for` raises.
    """
    from lead_mining.sources import Source

    crm = params["crm_conn_id"]
    return [
        Source(conn_id, metrics.measured(provider_for(conn_id, crm), conn_id)) for conn_id in provider_conn_ids(params)
    ]


def key_of(dag_run: Any) -> str:
    """What names the run in the CRM's database for ever."""
    return f"{dag_run.dag_id}/{dag_run.run_id}"


def do(
    step: str,
    plan: dict[str, Any],
    dag_run: Any,
    params: dict[str, Any],
    work: Callable[[Connection], StepResult],
    part: Part | None = None,
) -> StepResult:
    """Do a step of the run, or a part of it, tell of it in a line of the log, and count it if it was not done before.

    Fails where the plan's run is not the task's own in this CRM; raises AirflowRescheduleException where a provider
    may not be called yet.
    """
    from lead_mining import runs, story
    from lead_mining.crm.installation import check_installation

    run_id = plan["run_id"]
    with ExitStack() as ended:
        connection = ended.enter_context(crm_session(params["crm_conn_id"]))
        check_installation(connection)
        runs.check_key(connection, key_of(dag_run), run_id)
        # The pipeline takes this session's lock once more, so nobody else finishes the step between look and work.
        before = ended.enter_context(runs.only_once(connection, run_id, step, part.key if part else None))
        try:
            result = work(connection)
        except ProviderBusy as busy:
            raise _put_off(busy) from busy
        number = plan["request_number"] or "Trial run"
        log.info("%s: %s%s", number, "done before: " if before.done else "", story.told(step, result))
        if not before.done:
            metrics.count_step(connection, run_id, step, result, part)
        lineage.report(step, connection, params)
    return result


def _put_off(busy: ProviderBusy) -> AirflowException:
    """What gives the task's slot back until the provider may be called, and is no try; in the end, what fails it."""
    context = get_current_context()
    first = context["ti"].get_first_reschedule_date(context)  # of this task since it was last cleared
    if first and busy.retry_at > first + _LONGEST_PUT_OFF:
        since = f"{first.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return AirflowFailException(f"{busy}, and this task has been put off since {since}: clear it then")
    log.info("%s. Until then the task is put off", busy)
    return AirflowRescheduleException(busy.retry_at)  # type: ignore[no-untyped-call]


_PARTS_AT_ONCE = 4  # as many as keep a few cores busy, and fit into memory; the rest waits its turn
_PART = "{{ task.op_kwargs['part']['first'] }} to {{ task.op_kwargs['part']['last'] }}"


def _validate(plan: dict[str, Any], part: dict[str, Any], params: Any = None, dag_run: Any = None) -> dict[str, Any]:
    from lead_mining import pipeline
    from lead_mining.candidates import Part

    rejections = links.rejections_page(dag_run.dag_id, dag_run.run_id)
    from_a_site = "../../" + rejections.removeprefix(f"{links.ROOT}/")
    docs, of = data_docs_folder(), Part(**part)

    def work(conn: Connection) -> StepResult:
        return pipeline.validate(conn, plan["run_id"], docs, from_a_site, of)

    return do("validate", plan, dag_run, params, work, part=of)


validate: Any = task_decorator_factory(
    _validate,
    decorated_operator_class=_CheckingOperator,
    task_id="validate",
    multiple_outputs=False,
    max_active_tis_per_dagrun=_PARTS_AT_ONCE,
    map_index_template=_PART,
)


@task(multiple_outputs=False)
def deduplicate(plan: dict[str, Any], params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
    from lead_mining import pipeline

    return do("deduplicate", plan, dag_run, params, lambda conn: pipeline.deduplicate(conn, plan["run_id"]))


@task(multiple_outputs=False)
def debit_credits(plan: dict[str, Any], params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
    from lead_mining import pipeline

    if params.get("dry_run"):
        raise AirflowSkipException("a trial run charges and loads nothing")
    return do("debit_credits", plan, dag_run, params, lambda conn: pipeline.debit_credits(conn, plan["run_id"]))


@task(multiple_outputs=False, outlets=[LEADS])
def load_leads(plan: dict[str, Any], params: dict[str, Any], dag_run: Any) -> Generator[Metadata, None, dict[str, Any]]:
    from lead_mining import pipeline

    loaded = do("load_leads", plan, dag_run, params, lambda conn: pipeline.load_leads(conn, plan["run_id"]))
    yield Metadata(LEADS, {"request_number": plan["request_number"], **loaded})
    return loaded


@task(multiple_outputs=False, max_active_tis_per_dagrun=_PARTS_AT_ONCE, map_index_template=_PART)
def write_enrichment_notes(
    plan: dict[str, Any], part: dict[str, Any], params: Any = None, dag_run: Any = None
) -> dict[str, Any]:
    from lead_mining import pipeline
    from lead_mining.candidates import Part

    notes, of = "write_enrichment_notes", Part(**part)

    def work(conn: Connection) -> StepResult:
        return pipeline.write_enrichment_notes(conn, plan["run_id"], of)

    return do(notes, plan, dag_run, params, work, part=of)


def released(params: dict[str, Any], dag_run: Any, ti: Any) -> dict[str, Any]:
    """What a DAG's own task `release` does: gives back what is held, logs the run as a table, tells whom it names."""
    from lead_mining import pipeline, runs
    from lead_mining.summary import summary

    run_key = key_of(dag_run)
    with crm_session(params["crm_conn_id"]) as connection:
        result = pipeline.release(connection, run_key)
        run, came_to = runs.find(connection, run_key), summary(connection, run_key)
        nothing = "The request was not prepared: nothing was charged or loaded."
        log.info("\n%s", came_to.table() if came_to else nothing)
        try:
            _tell_of_the_end(connection, run, came_to, params, dag_run, ti)
        except Exception as error:  # all that the run had to do is done
            log.warning("Nobody was told that the run has ended (%s)", told(error))
    return result


def _tell_of_the_end(
    conn: Connection, run: Run | None, came_to: RunSummary | None, params: dict[str, Any], dag_run: Any, ti: Any
) -> None:
    """Once for each way to end; one that nothing could be told by is tried again when the task is cleared."""
    from lead_mining import runs
    from lead_mining.messages import about_not_begun

    to = run.mining_request.notify if run else recipients(params.get("notify") or [])
    if not to:
        return
    states = ti.get_task_states(dag_run.dag_id, run_ids=[dag_run.run_id])[dag_run.run_id]
    # Of a mapped task each part is one, as validate_0.
    failed = sorted({re.sub(r"_\d+$", "", task_id) for task_id, state in states.items() if state == "failed"})
    link = page_url(links.request_page(dag_run.dag_id, dag_run.run_id))
    if run is None or came_to is None:
        tell(to, about_not_begun(link))
        return
    ended = f"{', '.join(failed)} failed" if failed else "it is done"
    with runs.only_once(conn, run.id, f"tell that {ended}") as once:
        if not once.done and (ways := tell(to, _of_the_end(conn, run, came_to, failed, link))):
            once.finish({"told_by": ways})


def _of_the_end(conn: Connection, run: Run, came_to: RunSummary, failed: list[str], link: str | None) -> Message:
    from lead_mining import charge_doubts, provider_calls
    from lead_mining.credits import run_holds
    from lead_mining.messages import Troubles, about_ended
    from lead_mining.quality.rules import rule_reasons

    with conn.transaction():
        spendable = run_holds.spendable_for_run(conn, run.credit_account, run.id)
    unsettled, lost = provider_calls.unsettled(conn, run.id), provider_calls.lost_by_run(conn, run.id)
    doubts = [str(doubt) for doubt in charge_doubts.of_run(conn, run.id)]
    troubles = Troubles(failed, unsettled, lost, spendable, doubts)
    return about_ended(run, came_to, troubles, {} if failed else rule_reasons(), link)


_BY_ONE: dict[str, Any] = {"deduplicate": deduplicate, "debit_credits": debit_credits, "load_leads": load_leads}


def load_what_was_bought(parts: Any, before: Any, plan: Any, release: Any) -> None:
    """The tasks after `before`, one after the other, with `release` as their teardown. To be called in a DAG.

    `parts`: the `candidates.Part`s of the run, each with its values by name, which some of the tasks work on at once.
    """
    step: dict[str, Any] = {
        "validate": validate.partial(plan=plan).expand(part=parts),
        **{name: one(plan) for name, one in _BY_ONE.items()},
        "write_enrichment_notes": write_enrichment_notes.partial(plan=plan).expand(part=parts),
    }
    step["deduplicate"].operator.operator_extra_links = (RejectionsLink(),)
    release.operator.operator_extra_links = (RequestLink(),)
    for earlier, later in pairwise([before, *step.values(), release.as_teardown()]):
        earlier >> later
