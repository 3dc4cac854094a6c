"""# Book credits that a provider took

Takes credits off an account that mirrors one at a provider, where the provider has fewer than we booked: somebody used
its account for something else, or a call cost more than was said. `credits_reconcile` finds such differences.

**Start it** with *Trigger* and fill in the form: the account, how many credits the provider took, and a reference that
says what for. First find out why: what is booked here is spent.

One reference counts once: the same one with the same account and credits changes nothing, however often it is
triggered, cleared or retried. Where the provider has *more* credits than we booked, use `credits_top_up`; where the
lost answer of a call is the reason, `credits_settle`.

| task | does | safe to clear? |
|---|---|---|
| `charge_credits` | books the credits as spent, in `lead_mining.ledger_transaction` | yes: a reference counts once |

## Triage notes

- **"it is a local account"**: only what a provider took is booked here, and a local account has no provider. Nothing
  was changed.
- **"cannot pay"**: the account has fewer credits than that, as runs hold some or the number is wrong. Nothing was
  booked. Look at the difference that `credits_reconcile` tells, and try again when the runs have ended.
- **"was booked before; nothing changed"** in the log: it is in the account already. Something else needs its own
  reference.
- **"key 'charge/...' cannot be used"**: the reference was booked before with other credits or on another account; the
  text says which. Nothing changed.
- **Too much was booked**: book what is too much with `credits_top_up`, with a reference that says so.
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


def refuse_local(connection: psycopg.Connection, name: str) -> None:
    from lead_mining.credits import accounts
    from lead_mining.exceptions import FieldProblem, InvalidRequest

    if not accounts.find(connection, name).mirrored:
        why = "it is a local account, and only one that mirrors a provider's can be charged here"
        raise InvalidRequest([FieldProblem("credit_account", name, why)])


with DAG(
    "credits_charge",
    dag_display_name="Book credits that a provider took",
    description="Take credits off an account that mirrors a provider's, where the provider has fewer",
    doc_md=__doc__,
    schedule=None,
    params={
        "credit_account": Param(**text("Credit account", "One that mirrors a provider's account.")),
        "credits": Param(
            type="integer",
            title="Credits that the provider took",
            description="The difference, as credits_reconcile tells it.",
            minimum=1,
            maximum=1_000_000,
        ),
        "reference": Param(
            **text("Reference", "What for, and when. A reference counts once: the same one again takes nothing.")
        ),
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=5)},
):

    @task
    def charge_credits(params: dict[str, Any]) -> dict[str, int]:
        from lead_mining.credits import ledger
        from lead_mining.migrations import check_migrated

        account, credits, reference = params["credit_account"], params["credits"], params["reference"]
        with credits_session(params["crm_conn_id"]) as connection, connection.transaction():
            check_migrated(connection)
            refuse_local(connection, account)
            new = ledger.charge(connection, account, credits, f"charge/{reference}", reference)
            left = ledger.balance(connection, account).available
        booked = f"{credits:,} credits taken off" if new else f"{reference!r} was booked before; nothing changed"
        log.info("%s. Account %r has %s credits available.", booked, account, f"{left:,}")
        return {"taken": credits if new else 0, "available": left}

    charge_credits()
