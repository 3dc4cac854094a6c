"""# Settle a provider call

Decides what came of a paid call to a provider whose answer is lost: the provider took nothing for it, or it took
credits and the answer will not come. Until somebody decides, its run buys nothing more: nothing is bought twice.

**Start it** with *Trigger* and fill in the form: the number of the call, as `extract` and `credits_reconcile` print it,
what came of it, and how many credits the provider took. The provider's own account shows that: look at what it lists
for the time of the call. Then clear the task `extract` of the call's run. Who triggered this is kept with the call.

A difference with a provider that no call explains is booked with `credits_charge` or `credits_top_up`.

| task | does | safe to clear? |
|---|---|---|
| `settle_call` | ends the call; on a mirrored account, spends what the provider took | yes: a call is settled once |

## Triage notes

- **"Not valid"**: outcome and credits contradict each other; nothing was changed. The text says which to put right.
- **"there is no provider call n"**: look at the number again, and whether `crm_conn_id` names the right CRM.
- **"provider call n is settled already"**: by somebody else, by the provider's balance, or by this task before it was
  cleared. What it was settled as stands there, and is never changed.
- **"the provider may still be at work on call n"**: it may yet take credits. Clear the task after the time
  that is named.
- **"answered"** in the log, though you said *lost*: its answer was kept, and could be read but for what it cost. It is
  stored now, for the credits that you named.
- **Settled wrongly**: the call stays as it is. On a mirrored account, book what is missing with `credits_charge`, or
  what is too much with `credits_top_up`; `credits_reconcile` says how much that is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.hooks import credits_session, provider_for
from lead_mining.plain import logger

log = logger(__name__)


def credits_taken(outcome: str, charged: int | None) -> int:
    """Credits that the provider took. Raises InvalidRequest where they contradict the outcome."""
    from lead_mining.exceptions import FieldProblem, InvalidRequest

    if outcome == "not_charged" and charged:
        why = "leave it empty where the provider took nothing; where it took credits, the outcome is 'lost'"
        raise InvalidRequest([FieldProblem("charged", charged, why)])
    if outcome == "lost" and not charged:
        why = "say how many credits the provider took; where it took none, the outcome is 'not_charged'"
        raise InvalidRequest([FieldProblem("charged", charged, why)])
    return charged or 0


with DAG(
    "credits_settle",
    dag_display_name="Settle a provider call",
    description="Decide what came of a paid call whose answer is lost, so that its run can go on",
    doc_md=__doc__,
    schedule=None,
    params={
        "call": Param(
            type="integer",
            title="Provider call",
            description="Its number, as extract and credits_reconcile print it.",
            minimum=1,
            maximum=2**63 - 1,
        ),
        "outcome": Param(
            type="string",
            title="What came of it",
            description="Look at the provider's own account before you decide: it cannot be changed later.",
            enum=["not_charged", "lost"],
            values_display={
                "not_charged": "The provider took nothing: the page may be asked for again",
                "lost": "The provider took credits, and the answer will not come",
            },
        ),
        "charged": Param(
            None,
            type=["integer", "null"],
            title="Credits that the provider took",
            description="Needed where it took credits; else leave it empty.",
            minimum=0,
            maximum=2**31 - 1,
        ),
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=5)},
):

    @task
    def settle_call(params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
        from lead_mining import buying
        from lead_mining.migrations import check_migrated

        call_id, outcome, by = params["call"], params["outcome"], dag_run.triggering_user_name or dag_run.run_id
        with credits_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            charged = credits_taken(outcome, params["charged"])
            became = buying.settle_call(connection, call_id, outcome, charged, by, provider_for)
        log.info("call %s: %s, %s credits, says %s. Clear extract of its run to go on.", call_id, became, charged, by)
        return {"call": call_id, "outcome": became, "charged": charged}

    settle_call()
