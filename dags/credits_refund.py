"""# Refund bad leads

Gives the credits of bad leads back to the account that paid for them: 1 for the lead and 1 for each of its contacts.
For salespeople's reports: the company is closed, the address bounces, it is a duplicate.

**Start it** with *Trigger* and fill in the form: the leads' numbers, and what is wrong with them. A lead's number
stands in its address in Odoo: `.../web#id=1234&model=crm.lead` is lead 1234.

A lead is refunded once, within the days that its account allows (30, unless set by `credits_account`). All leads of a
form are refunded, or none. The leads stay in the CRM: mark them as lost there.

| task | does | safe to clear? |
|---|---|---|
| `refund_leads` | books a refund a lead, in `lead_mining.ledger_transaction` | yes: a lead is refunded once |

## Triage notes

Where one lead cannot be refunded, nothing is. The text names each such lead and why:

- **"lead mining did not load it"**: the number is not one of a mined lead; it may have come from elsewhere, or
  `crm_conn_id` names another CRM.
- **"... more than 30 days ago"**: it is too late. Leave it out; `credits_account` changes the days for the account.
- **"mirrors a provider, who alone can refund"**: ask the provider. If it gives credits back, book them with
  `credits_top_up`.
- **"was not paid with"**: the lead came without credits being spent for it. Leave it out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, task

from lead_mining.form_fields import CRM_CONNECTION, text
from lead_mining.hooks import credits_session
from lead_mining.plain import logger

if TYPE_CHECKING:
    import psycopg

log = logger(__name__)


def refund_one(connection: psycopg.Connection, candidate_id: int | None, reason: str) -> int | str:
    """The credits given back, or why there are none."""
    from lead_mining.credits import ledger
    from lead_mining.exceptions import LedgerError

    if candidate_id is None:
        return "lead mining did not load it"
    try:
        return ledger.refund(connection, candidate_id, reason)
    except LedgerError as error:
        return str(error)


def refund_all(connection: psycopg.Connection, lead_ids: list[int], reason: str) -> dict[int, int]:
    """crm_lead id to the credits given back. Raises LedgerError, which names each lead that cannot be refunded."""
    from lead_mining import candidates
    from lead_mining.exceptions import LedgerError

    found = candidates.of_leads(connection, lead_ids)
    done = {lead_id: refund_one(connection, found.get(lead_id), reason) for lead_id in sorted(set(lead_ids))}
    if refused := "".join(f"\n  - lead {lead_id}: {why}" for lead_id, why in done.items() if isinstance(why, str)):
        raise LedgerError(f"Nothing is refunded, as these leads cannot be:{refused}")
    return {lead_id: credits for lead_id, credits in done.items() if isinstance(credits, int)}


with DAG(
    "credits_refund",
    dag_display_name="Refund bad leads",
    description="Give back the credits of leads that were reported bad in time, once a lead",
    doc_md=__doc__,
    schedule=None,
    params={
        "lead_ids": Param(
            type="array",
            title="Leads",
            description="The number of each lead, one a line: 1234 for .../web#id=1234&model=crm.lead in Odoo.",
            minItems=1,
            maxItems=1000,
            # In allOf: with `items` of another type than string, the form would ask for JSON.
            allOf=[{"items": {"type": ["integer", "string"], "minimum": 1, "pattern": "^[1-9][0-9]{0,9}$"}}],
        ),
        "reason": Param(
            **text(
                "What is wrong with them", "It is kept in the ledger, so no names of people. Such as: company closed."
            )
        ),
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=5)},
):

    @task
    def refund_leads(params: dict[str, Any]) -> dict[str, int]:
        from lead_mining.migrations import check_migrated

        lead_ids = [int(lead_id) for lead_id in params["lead_ids"]]
        with credits_session(params["crm_conn_id"]) as connection, connection.transaction():
            check_migrated(connection)
            refunded = refund_all(connection, lead_ids, params["reason"])
        for lead_id, credits in refunded.items():
            log.info("lead %s: its %s credits are given back; a second time changes nothing", lead_id, credits)
        return {"leads": len(refunded), "credits": sum(refunded.values())}

    refund_leads()
