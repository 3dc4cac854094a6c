"""# Reconcile credits, every day

Looks every day at whether all credits are where they should be, and tells people what only they can put right.

Each task stands alone: one that fails stops no other. **A failed task is a finding**: its log lists what was found, a
line each, and what to do. It is not retried for that; only trouble on the way (the database or the provider does not
answer) is.

| task | does | safe to clear? |
|---|---|---|
| `release_expired_holds` | gives back what runs held for 4,320 hours and did not use, as Odoo's IAP does | yes |
| `check_ledger` | works every balance out anew from what it follows from; fails with what disagrees | yes |
| `compare_balances` | asks the provider of each mirrored account what it has; fails where ours differs | yes |
| `list_unsettled_calls` | stores answers that were kept; fails with those that are lost or cannot be read | yes |
| `list_doubted_charges` | fails with the charges of the last 7 days that cannot be right | yes |
| `notify_low_credits` | tells by e-mail of accounts that are low or empty, once until they are topped up | yes |

## Triage notes

- **`check_ledger` failed**: something was changed behind the ledger's back, or there is a fault in lead mining. Stop
  mining on the accounts that are named, keep the log, find out who worked on the database. Do not mend rows by hand.
- **`compare_balances` failed**: look into the provider's account. Credits bought there are booked with
  `credits_top_up`; credits that went there, with `credits_charge`; what a lost call cost, with `credits_settle`.
- **`compare_balances` warns** that a provider could not tell: it was not asked again today. Clear the task to do so.
- **`list_unsettled_calls` failed**: for each line look up in the provider's account whether the call was charged, and
  settle it with `credits_settle`. Then clear `extract` of its run. Where the line says that the answer is kept, it
  came, and the provider's module cannot read it: mend that, and nothing has to be settled.
- **`list_doubted_charges` failed**: a provider charged more than a call could cost, or its balance fell by more than it
  said. Its run bought nothing more, and no more than the call's most is paid. Ask the provider; on a mirrored account,
  book what it took beyond that with `credits_charge`. After 7 days the line is gone.
- **`notify_low_credits` failed**: the mail server refused or did not answer; the text says what it said. Mend the
  Airflow connection `smtp_default`, and clear the task: what could not be sent is still due. "idle-in-transaction
  timeout" says that the mail server took more than 30 seconds; its mail may come twice.
- **`notify_low_credits` warns** that nobody could be told: the text says what to set up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException

from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.hooks import crm_session, provider_for
from lead_mining.plain import logger

if TYPE_CHECKING:
    import psycopg

    from lead_mining.provider_calls import Call

log = logger(__name__)


def fail_with(what: str, findings: Iterable[str]) -> None:
    """Fails the task for good where there is a finding: the next try would find the same."""
    if lines := "".join(f"\n  - {finding}" for finding in findings):
        raise AirflowFailException(f"{what}:{lines}")


def how_to_settle(connection: psycopg.Connection, call: Call) -> str:
    from lead_mining import runs

    run = runs.get(connection, call.run_id)
    kept = (
        f" (its answer is {call.error}: mend the provider {call.provider!r} and clear extract of its run instead)"
        if call.kept
        else ""
    )
    return (
        f"call {call.id} of {run.request_number or run.run_key}, page {call.page_number}, at most {call.most} credits,"
        f" {call.asked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: settle it with credits_settle, call {call.id}{kept}"
    )


with DAG(
    "credits_reconcile",
    dag_display_name="Reconcile credits",
    description="Every day: expired holds, the ledger, providers' balances, lost calls, low accounts",
    doc_md=__doc__,
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    params={
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=1)},
):

    @task
    def release_expired_holds(params: dict[str, Any]) -> int:
        from lead_mining import reconciliation
        from lead_mining.migrations import check_migrated

        with crm_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            released = reconciliation.release_expired_holds(connection)
        for line in released:
            log.info("given back, as its time is over: %s", line)
        return len(released)

    @task
    def check_ledger(params: dict[str, Any]) -> None:
        from lead_mining import audit
        from lead_mining.migrations import check_migrated

        with crm_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            found = audit.audit(connection)
        lines = (f"{d.claim} ({d.check}): {d.what}: expected {d.expected}, found {d.found}" for d in found)
        fail_with("The ledger does not hold what it claims", lines)

    @task
    def compare_balances(params: dict[str, Any]) -> int:
        from lead_mining import reconciliation
        from lead_mining.migrations import check_migrated

        with crm_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            limited = partial(provider_for, crm_conn_id=params["crm_conn_id"])
            compared = reconciliation.compare_balances(connection, limited)
        for comparison in compared:
            log.log(logging.WARNING if comparison.reported is None else logging.INFO, "%s", comparison)
        fail_with("Providers say otherwise", (str(comparison) for comparison in compared if comparison.differs))
        return len(compared)

    @task
    def list_unsettled_calls(params: dict[str, Any]) -> None:
        from lead_mining import reconciliation
        from lead_mining.migrations import check_migrated

        with crm_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            reconciliation.read_kept_answers(connection, provider_for)
            lines = [how_to_settle(connection, call) for call in reconciliation.unsettled_calls(connection)]
        fail_with("The answers to these paid calls are lost; their runs buy nothing until a person has decided", lines)

    @task
    def list_doubted_charges(params: dict[str, Any]) -> None:
        from lead_mining import reconciliation, runs
        from lead_mining.migrations import check_migrated

        with crm_session(params["crm_conn_id"]) as connection:
            check_migrated(connection)
            doubts = [(runs.get(connection, each.run_id), each) for each in reconciliation.doubted_charges(connection)]
        lines = (f"{run.request_number or run.run_key}: {doubt}" for run, doubt in doubts)
        fail_with("These charges cannot be right: look at the provider's account", lines)

    @task
    def notify_low_credits(params: dict[str, Any]) -> int:
        from lead_mining import notifiers

        return notifiers.send_due_notices(params["crm_conn_id"])

    for each in (
        release_expired_holds,
        check_ledger,
        compare_balances,
        list_unsettled_calls,
        list_doubted_charges,
        notify_low_credits,
    ):
        each()
