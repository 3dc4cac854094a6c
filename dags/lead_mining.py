"""# Lead mining

Mines one request: asks the provider for companies (and their contacts), keeps what is good and new, pays for it, and
puts it into the CRM as leads or opportunities, each with an enrichment note.

**Start it** with *Trigger*: the form asks what Odoo's *Generate Leads* asks. The cost before paying is in the log of
`prepare_request`; set *Trial run* to see what a request would find without paying, or *Ask a person above* to be asked.
**What came and what it cost** is the page behind *Request*, on the tab *Details* of `release`. *Browse / Lead mining*
lists all. As a table it is at the end of the log of `release`, and goes by mail or Slack to whom *Tell when it has
ended* names. The log of each task has one line that says what it came to.

| task | does | safe to clear? |
|---|---|---|
| `prepare_request` | checks the params, numbers the request, sets aside the most it can cost | yes |
| `approve_cost` | only above *Ask a person above*: a person approves on the task's *Required Actions* tab | yes |
| `extract` | buys page by page, until enough are net-new; each page is stored at once | yes: nothing is bought twice |
| `validate` | Great Expectations, 20,000 companies a part; *Data Docs*, *Rejections* on its tab *Details* | yes |
| `deduplicate` | the batch, the CRM, what was bought before or other runs hold, the suppression list | yes |
| `debit_credits` | keeps 1 credit a lead and 1 a contact, gives back what was set aside beyond that | yes |
| `load_leads` | one transaction: leads in, credits captured, request done | yes |
| `write_enrichment_notes` | one note a lead, in the same parts | yes |
| `release` | gives back what was held and not used; prints the summary; tells whom the request names | yes |

Every task can be cleared at any time, also of a finished run: it finds what it has done and changes nothing.

## Triage notes

- **"has not ended in time", "waits for an approval"**: a run that has not ended after LEAD_MINING_DEADLINE_HOURS, by
  default 4, tells whom it names, and whom LEAD_MINING_ON_CALL names, once. Answer what it waits for, or look at the log
  of the task that it is at. After 7 days without an answer `approve_cost` fails, and nothing was bought.
- **"approved by who asked for it"**: the installation's policy wants somebody else. Clear `approve_cost`.
- **"the policy of this installation allows"**: `include/policy/policy.yaml` says who may mine where, at whose cost.
- **"not told"**: a mail or a Slack message could not be sent, and nothing else is affected. Mend the connection that
  the warning in the log of `release` names; where nothing was sent, clear `release`, and it is sent.
- **`prepare_request` failed, "Not valid"**: nothing was charged. The text names each field, what
  was given and what is allowed. Trigger again with that put right.
- **`prepare_request` failed, "The CRM ..."**: the database is not one that can be mined into, or the connection's role
  may do too little. The text names all that is missing, and the statements that grant it; nothing was charged.
- **A notice in `prepare_request` and in the summary**: something that Odoo does when leads are made in Odoo, such as an
  automation rule, does not happen for loaded leads. Do it by hand where it matters.
- **"The CRM's database is busy"**: a lock or a statement took too long. Nothing is half done; the task is retried.
- **"cannot pay: n credits needed"**: buy credits with the DAG `credits_top_up`, then clear the failed task; or trigger
  with fewer leads, or with *When credits are short* set to *Mine what can be paid*. The request is in state `error`.
- **`extract` failed, "provider ... credits"**: the provider's own account is empty. Buy there, then clear `extract`.
- **`extract` failed, "The answer to provider call ... is lost"**: the provider may have charged for an answer that
  never came. Nothing more is bought until somebody has decided with the DAG `credits_settle`; then clear `extract`.
- **`extract` keeps retrying**: the provider is down or limits the rate. Pages bought so far are safe. Clear it later.
- **`extract` failed, access denied**: the token of the connection `lead_mining_provider` is wrong. Mend it under
  *Admin / Connections*, then clear `extract`.
- **`validate` rejected nearly all**: open *Rejections* on its tab *Details*; the worst rule comes first, and leads to
  its rows. *Quality* under *Browse / Lead mining* shows since when.
- **"own.yaml, expectation 2 (...)"**: a quality rule of your own is wrong; nothing was bought. Mend that file in
  `include/expectations` (`make expectations` tries it), then clear the failed task.
- **Fewer leads than asked for**: the table in the log of `release` says what was turned down, and what
  the provider charged for that. With a *Budget of this run* above what the leads cost, others are bought instead.
- **Rejected by `possible_duplicate`**: name and place make it likely that the CRM has the company. Look at the record
  that the rejection names; if it is another company, load it with the DAG `retry_rejections`, without buying it again.
- **Rejected by `suppressed_...`**: it is on the suppression list (DAG `privacy_suppress`) or the CRM's blacklist.
- **`load_leads` failed**: nothing of the run is in the CRM and nothing is spent. Mend what the text names, clear it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException

from lead_mining.dag_steps import ask_for_approval, do, key_of, load_what_was_bought, released, sources_of
from lead_mining.deadlines import run_deadline
from lead_mining.hooks import credits_session, crm_connection, crm_session
from lead_mining.notifiers import LowCreditsNotifier
from lead_mining.plain import logger
from lead_mining.request import dag_params

if TYPE_CHECKING:
    import psycopg

log = logger(__name__)


def skip_if_not_needed(context: Any) -> None:
    """For who clears this task alone; else it was skipped by the one before."""
    if not context["ti"].xcom_pull(task_ids="prepare_request")["needs_approval"]:
        raise AirflowSkipException("the cost is not above the approval threshold")


with DAG(
    "lead_mining",
    dag_display_name="Lead mining",
    description="From a filter to leads in the CRM, each credit accounted for",
    doc_md=__doc__,
    schedule=None,
    tags=["lead-mining"],
    deadline=run_deadline(),
    default_args={
        "retries": 4,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=2),
    },
) as dag:

    @task(multiple_outputs=False, on_failure_callback=LowCreditsNotifier())
    def prepare_request(params: dict[str, Any], dag_run: Any, ti: Any) -> dict[str, Any]:
        from lead_mining import pipeline
        from lead_mining.sources import offer

        with crm_session(params["crm_conn_id"]) as connection:
            plan = pipeline.prepare_request(
                connection,
                key_of(dag_run),
                params,
                lambda request: offer(sources_of(params), request),
                asked_by=dag_run.triggering_user_name,
            )
        log.info("%s: %s", plan["request_number"] or "Trial run", plan["cost"])
        for notice in plan.get("notices", ()):  # a run that an older version prepared has none
            log.warning("%s", notice)
        return ask_for_approval(plan, ti)

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def extract(
        plan: dict[str, Any], approval: dict[str, Any] | None, params: dict[str, Any], dag_run: Any
    ) -> list[dict[str, Any]]:
        from lead_mining import candidates, pipeline

        if approved_by := approval and (approval["responded_by_user"] or {}).get("name", "unknown"):
            with credits_session(params["crm_conn_id"]) as connection:
                pipeline.approve(connection, key_of(dag_run), approved_by)

        def buy(connection: psycopg.Connection) -> dict[str, Any]:
            again = partial(crm_connection, params["crm_conn_id"])
            return pipeline.extract(connection, plan["run_id"], sources_of(params), reconnect=again)

        bought = do("extract", plan, dag_run, params, buy)
        return [asdict(part) for part in candidates.in_parts(bought["candidates"])]

    @task(multiple_outputs=False, on_success_callback=LowCreditsNotifier())
    def release(params: dict[str, Any], dag_run: Any, ti: Any) -> dict[str, Any]:
        return released(params, dag_run, ti)

    plan = prepare_request()
    approve_cost = ApprovalOperator(
        task_id="approve_cost",
        subject="Mine leads for {{ ti.xcom_pull('prepare_request')['cost'] }}?",
        body="Asked for by {{ dag_run.triggering_user_name or 'a saved search' }}.\n\n"
        "{{ ti.xcom_pull('prepare_request')['approval'] }}",
        # No default: Airflow highlights its button. Where nobody answers in time the task fails, and nothing is bought.
        response_timeout=timedelta(days=7),
        retries=0,
        pre_execute=skip_if_not_needed,
    )
    extracted = extract(plan, approve_cost.output)
    plan >> approve_cost >> extracted
    load_what_was_bought(extracted, extracted, plan, release())

    # Last: Airflow copies the params that a DAG has four times for each task that is made, and each task makes the DAG.
    dag.params.update({name: Param(**schema) for name, schema in dag_params().items()})
