"""# Set up a credit account

Opens a credit account, or changes one: its monthly budget, when a low balance is told and to whom, how long a bad lead
can be refunded, and whether it stands for an account at a provider.

**Start it** with *Trigger* and fill in the whole form: it replaces all settings of the account, so a field that is left
empty is a setting taken away. The log says what was set before and what is set now.

- A **local** account has what was bought into it (`credits_top_up`) and not spent.
- An account that **mirrors** a provider's has what that provider says. When it is opened, the provider is asked for its
  balance, and that is booked as the first payment. `credits_reconcile` compares the two every day.

| task | does | safe to clear? |
|---|---|---|
| `set_up_account` | writes the settings; asks and books the opening balance of a new mirrored account | yes |

## Triage notes

- **"Not valid"**: nothing was changed. The text names the field, what was given and what is allowed.
- **"... and has entries: open another account instead"**: once credits were booked in an account, it stays local, or a
  mirror of the same provider: its entries would mean something else. Choose a new name.
- **"cannot tell its balance"**: that provider has no way to, so its account cannot be mirrored. Leave
  `provider_conn_id` empty, and book what you buy there with `credits_top_up`.
- **The task keeps retrying**: the provider does not answer, and no setting was changed. Clear it later.
- **"the provider says 0 credits"** in the log: the account is open and empty. Buy credits at the provider, then book
  them with `credits_top_up`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, task

from lead_mining.form_fields import CRM_CONNECTION, text
from lead_mining.hooks import credits_session, provider_for
from lead_mining.plain import logger

if TYPE_CHECKING:
    import psycopg

    from lead_mining.credits.accounts import Account

log = logger(__name__)


def ascii_addresses(addresses: list[str]) -> tuple[str, ...]:
    """The addresses as SMTP takes them. Raises InvalidRequest, which names the one that is none."""
    from lead_mining.exceptions import FieldProblem, InvalidRequest
    from lead_mining.identifiers import smtp_address

    def as_ascii(address: str) -> str:
        try:
            return smtp_address(address)
        except ValueError as error:
            raise InvalidRequest([FieldProblem("notify", address, str(error))]) from None

    return tuple(dict.fromkeys(as_ascii(address) for address in addresses))


def settings_of(params: dict[str, Any]) -> Account:
    from lead_mining.credits.accounts import Account

    return Account(
        params["credit_account"],
        params["provider_conn_id"],
        params["monthly_budget"],
        params["low_balance"],
        params["refund_days"],
        ascii_addresses(params["notify"] or []),
    )


def described(account: Account) -> str:
    """Without the addresses: they are people's."""
    kind = f"a mirror of {account.provider_conn_id!r}" if account.mirrored else "local"
    return (
        f"{kind}; monthly budget: {account.monthly_budget}, low balance: {account.low_balance}, days for refunds:"
        f" {account.refund_days}, addresses: {len(account.notify)}"
    )


def told_balance(account: Account) -> int:
    """What the provider of a mirrored account says that it has, in credits. Raises InvalidRequest where it cannot."""
    from lead_mining.exceptions import FieldProblem, InvalidRequest

    conn_id = account.provider_conn_id or ""
    told = provider_for(conn_id).balance()
    if told is None:
        why = "this provider cannot tell its balance, so its account cannot be mirrored; leave it empty"
        raise InvalidRequest([FieldProblem("provider_conn_id", conn_id, why)])
    return int(told)


def book_opening_balance(connection: psycopg.Connection, account: Account) -> int:
    """The first payment of a new mirrored account, in credits; 0 where the provider has none."""
    from lead_mining.credits import ledger

    credits = told_balance(account)
    log.info("%r: the provider says %s credits", account.provider_conn_id, f"{credits:,}")
    if credits:
        told_by = f"opening balance told by {account.provider_conn_id}"
        ledger.top_up(connection, account.name, credits, f"opening/{account.name}", told_by)
    return credits


with DAG(
    "credits_account",
    dag_display_name="Set up a credit account",
    description="Open a credit account, or change its budget, notices, refunds and provider",
    doc_md=__doc__,
    schedule=None,
    params={
        "credit_account": Param(
            **text(
                "Credit account",
                "Opened if it is not there yet. All its settings become those of this form.",
                default="default",
            )
        ),
        "provider_conn_id": Param(
            None,
            type=["string", "null"],
            title="Mirrors the account of this provider connection",
            description="Empty: a local account, which has what was booked as bought. Set: what that provider says.",
            minLength=1,
            maxLength=150,
        ),
        "monthly_budget": Param(
            None,
            type=["integer", "null"],
            title="Monthly budget",
            description="The most credits that may be spent in a calendar month (UTC). Empty: no limit.",
            minimum=0,
            maximum=2**31 - 1,
        ),
        "low_balance": Param(
            None,
            type=["integer", "null"],
            title="Low balance",
            description="Told once when fewer credits than this are left. Empty: told only when none are left.",
            minimum=1,
            maximum=2**31 - 1,
        ),
        "refund_days": Param(
            30,
            type="integer",
            title="Days for refunds",
            description="A lead that is reported bad gets its credits back until so many days after it was paid.",
            minimum=0,
            maximum=3650,
        ),
        "notify": Param(
            [],
            type=["array", "null"],
            items={"type": "string", "minLength": 1, "maxLength": 254},
            title="Who is told",
            description="E-mail addresses, one a line. They hear once that it is low or empty, until it is topped up.",
            maxItems=50,
        ),
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=10)},
):

    @task
    def set_up_account(params: dict[str, Any]) -> dict[str, Any]:
        from lead_mining.credits import accounts, ledger
        from lead_mining.credits.ledger import Balance
        from lead_mining.migrations import check_migrated

        with credits_session(params["crm_conn_id"]) as connection, connection.transaction():
            check_migrated(connection)
            account = settings_of(params)
            before, new = accounts.find(connection, account.name), ledger.balance(connection, account.name) == Balance()
            accounts.set_up(connection, account)
            opening = book_opening_balance(connection, account) if account.mirrored and new else 0
            available = ledger.balance(connection, account.name).available
        log.info("%r was %s", account.name, described(before))
        log.info("%r is %s, with %s credits available", account.name, described(account), f"{available:,}")
        return {"opening_balance": opening, "available": available}

    set_up_account()
