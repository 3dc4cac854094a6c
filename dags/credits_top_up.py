"""# Buying credits

Adds bought credits to a credit account. Mining spends them: 1 a lead, 1 a contact.

For an account that mirrors one at a provider, buy the credits at the provider first; then book the same number here.

**Start it** with *Trigger* and fill in the form: the account, how many credits were bought, and the reference of the
payment. The task's log says what the account has afterwards.

One payment counts once. The reference identifies it: the same reference with the same account and credits changes
nothing, however often it is triggered, cleared or retried. So give each payment a reference of its own.

| task | does | safe to clear? |
|---|---|---|
| `top_up_credits` | books the payment in the ledger, `lead_mining.ledger_transaction` | yes: a payment counts once |

## Triage notes

- **"was topped up before; nothing changed"** in the log: the payment is in the account already. If it is another
  payment, trigger again with its own reference.
- **"key 'top_up/...' cannot be used"**: the reference was booked before with other credits or on another account; the
  text says which. Nothing changed. Check the payment; a second one needs its own reference.
- **"The database ... has no schema lead_mining"**, or an older one: `crm_conn_id` names another database, or this one
  is to be set up or updated as the text says. Nothing was booked.
- **"The CRM's database is busy"**: nothing was booked; the task is retried.
- **Too little was booked**: trigger again with what is missing, and a reference of its own, such as `INV/7, rest`.
- **Too much was booked**: nothing is ever taken out of the ledger, so do not try to change its rows. On a mirrored
  account, book what is too much with `credits_charge`. On a local one, leave that much out of the next payment that you
  book, and say so in its reference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.form_fields import CRM_CONNECTION, TOP_UP
from lead_mining.hooks import credits_session
from lead_mining.plain import logger

log = logger(__name__)

with DAG(
    "credits_top_up",
    dag_display_name="Buy credits",
    description="Add bought credits to a credit account, once a payment",
    doc_md=__doc__,
    schedule=None,
    params={
        **{name: Param(**schema) for name, schema in TOP_UP.items()},
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=5)},
):

    @task
    def top_up_credits(params: dict[str, Any]) -> dict[str, Any]:
        from lead_mining.credits import ledger
        from lead_mining.migrations import check_migrated

        account, credits, reference = params["credit_account"], params["credits"], params["reference"]
        with credits_session(params["crm_conn_id"]) as connection, connection.transaction():
            check_migrated(connection)
            new = ledger.top_up(connection, account, credits, f"top_up/{reference}", reference)
            left = ledger.balance(connection, account).available
        booked = f"{credits:,} credits added" if new else f"payment {reference!r} was topped up before; nothing changed"
        log.info("%s. Account %r has %s credits available.", booked, account, f"{left:,}")
        return {"added": credits if new else 0, "available": left}

    top_up_credits()
