"""Credit accounts: whose word counts on what they have, their monthly budget, and when a notice is due.

A `local` account has what was bought into it and not spent. A `mirrored` one stands for the account at a provider, who
alone knows what it has: each of its charges is captured as it comes, and the balance it tells is compared with ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.credits import ledger
from lead_mining.exceptions import LedgerError

Notice = Literal["low", "empty"]


@dataclass(frozen=True)
class Account:
    """A row of lead_mining.credit_account. `monthly_budget` and `low_balance` in credits; None: no limit, no notice."""

    name: str
    provider_conn_id: str | None = None
    """The Airflow connection whose account it mirrors; None: local."""
    monthly_budget: int | None = None
    low_balance: int | None = None
    refund_days: int = 30
    notify: tuple[str, ...] = ()
    notice_sent: Notice | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "notify", tuple(self.notify))  # from the database it comes as a list

    @property
    def mirrored(self) -> bool:
        return self.provider_conn_id is not None


_COLUMNS = "name, provider_conn_id, monthly_budget, low_balance, refund_days, notify, notice_sent"


def find(conn: Connection[Any], name: str) -> Account:
    """The account's settings: those of a new local account where it was never opened."""
    with conn.cursor(row_factory=class_row(Account)) as cur:
        row = cur.execute(f"SELECT {_COLUMNS} FROM lead_mining.credit_account WHERE name = %s", [name]).fetchone()
    return row or Account(name)


def mirrored(conn: Connection[Any]) -> list[Account]:
    """All mirrored accounts, by name."""
    with conn.cursor(row_factory=class_row(Account)) as cur:
        return cur.execute(
            f"SELECT {_COLUMNS} FROM lead_mining.credit_account WHERE provider_conn_id IS NOT NULL ORDER BY name"
        ).fetchall()


def set_up(conn: Connection[Any], account: Account) -> None:
    """Open the account with these settings, or change those of an open one; `notice_sent` is not one of them.

    Raises LedgerError where the account has entries and would change from local to mirrored or back, or to another
    provider: what its past entries mean would change with it; and where another account mirrors that provider: each
    would have all of its credits.
    """
    for other in mirrored(conn):
        if other.provider_conn_id == account.provider_conn_id and other.name != account.name:
            raise LedgerError(
                f"credit account {other.name!r} mirrors the account of {account.provider_conn_id!r} already:"
                " use that one"
            )
    before = find(conn, account.name)
    if before.provider_conn_id != account.provider_conn_id and _has_entries(conn, account.name):
        is_ = f"mirrors {before.provider_conn_id!r}" if before.mirrored else "is local"
        raise LedgerError(f"credit account {account.name!r} {is_} and has entries: open another account instead")
    conn.execute(
        """
        INSERT INTO lead_mining.credit_account
            (name, provider_conn_id, monthly_budget, low_balance, refund_days, notify)
        VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (name) DO UPDATE SET
            provider_conn_id = excluded.provider_conn_id, monthly_budget = excluded.monthly_budget,
            low_balance = excluded.low_balance, refund_days = excluded.refund_days, notify = excluded.notify
        """,
        [
            account.name,
            account.provider_conn_id,
            account.monthly_budget,
            account.low_balance,
            account.refund_days,
            list(account.notify),
        ],
    )


def names(conn: Connection[Any]) -> list[str]:
    """Of all accounts, in order."""
    return [name for (name,) in conn.execute("SELECT name FROM lead_mining.credit_account ORDER BY name")]


def take_notice(conn: Connection[Any], name: str, needed: int = 1) -> tuple[Notice, int] | None:
    """The notice that is due, with the credits available, noted as sent; None where none is, or it was sent already.

    `empty` where the account cannot pay `needed` credits, which a run has asked for in vain. Once each until the
    account is topped up, as Odoo's IAP does. Whoever sends it commits afterwards, so that a notice that could not be
    sent is due again.
    """
    available = ledger.lock_balance(conn, name).available
    account = find(conn, name)
    due: Notice | None = None
    if available < needed:
        due = "empty"
    elif account.low_balance is not None and available < account.low_balance:
        due = "low"
    if due is None or account.notice_sent in (due, "empty"):
        return None
    conn.execute("UPDATE lead_mining.credit_account SET notice_sent = %s WHERE name = %s", [due, name])
    return due, available


def _has_entries(conn: Connection[Any], name: str) -> bool:
    row = conn.execute("SELECT EXISTS (SELECT FROM lead_mining.ledger_transaction WHERE owner = %s)", [name]).fetchone()
    return bool(row and row[0])
