"""What people look at: accounts with what is left of their month, the statement, spending by month, open holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.credits.accounts import Notice

_THIS_MONTH: LiteralString = "date_trunc('month', now() AT TIME ZONE 'utc')::date"


@dataclass(frozen=True)
class AccountOverview:
    """A credit account now. All in credits; `used`: held or spent in this calendar month (UTC), as its budget counts.

    `reported` and `expected`: what the provider of a mirrored account said when it was last asked, beside what we had.
    """

    name: str
    provider_conn_id: str | None
    available: int
    held: int
    monthly_budget: int | None
    used: int
    low_balance: int | None
    notice_sent: Notice | None
    reported: int | None
    expected: int | None
    reported_at: dt.datetime | None

    @property
    def state(self) -> Literal["ok", "low", "empty"]:
        """By what is available now, whether or not a notice was sent."""
        if self.available < 1:
            return "empty"
        return "low" if self.low_balance is not None and self.available < self.low_balance else "ok"


_OVERVIEW: LiteralString = f"""
    SELECT a.name, a.provider_conn_id, coalesce(available.balance, 0) AS available, coalesce(held.balance, 0) AS held,
           a.monthly_budget, coalesce(used.credits, 0) AS used, a.low_balance, a.notice_sent,
           told.reported, told.expected, told.reported_at
    FROM lead_mining.credit_account a
    LEFT JOIN lead_mining.ledger_account available ON (available.owner, available.bucket) = (a.name, 'available')
    LEFT JOIN lead_mining.ledger_account held ON (held.owner, held.bucket) = (a.name, 'held')
    LEFT JOIN lead_mining.monthly_use used ON (used.scope, used.name, used.month) = ('account', a.name, {_THIS_MONTH})
    LEFT JOIN LATERAL (
        SELECT reported, expected, reported_at FROM lead_mining.balance_report WHERE account = a.name
        ORDER BY id DESC LIMIT 1
    ) told ON true
"""


def all_accounts(conn: Connection[Any]) -> list[AccountOverview]:
    """All open accounts, by name."""
    with conn.cursor(row_factory=class_row(AccountOverview)) as cur:
        return cur.execute(_OVERVIEW + "ORDER BY a.name").fetchall()


def one_account(conn: Connection[Any], name: str) -> AccountOverview | None:
    """The account of that name; None where it was never opened. Locks nothing, so the next moment may differ."""
    with conn.cursor(row_factory=class_row(AccountOverview)) as cur:
        return cur.execute(_OVERVIEW + "WHERE a.name = %s", [name]).fetchone()


def used_by_search(conn: Connection[Any], saved_search: str) -> int:
    """Credits that the runs of a saved search hold or have spent in this calendar month (UTC)."""
    row = conn.execute(
        f"SELECT credits FROM lead_mining.monthly_use WHERE (scope, name, month) = ('search', %s, {_THIS_MONTH})",
        [saved_search],
    ).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True)
class StatementLine:
    """A row of lead_mining.account_statement, in credits; `change` and `available` are the account's."""

    id: int
    at: dt.datetime
    account: str
    kind: str
    credits: int
    change: int
    available: int
    spent: int
    request_number: str | None
    reference: str | None
    run_key: str | None


def statement(conn: Connection[Any], account: str | None, before: int | None, most: int) -> list[StatementLine]:
    """Lines of one account or of all, the newest first, at most so many; `before`: only those with a smaller id."""
    chosen = ["account = %(account)s"] * (account is not None) + ["id < %(before)s"] * (before is not None)
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    with conn.cursor(row_factory=class_row(StatementLine)) as cur:
        return cur.execute(
            "SELECT id, at, account, kind, credits, change, available, spent, request_number, reference, run_key"
            f" FROM lead_mining.account_statement {where} ORDER BY id DESC LIMIT %(most)s",
            {"account": account, "before": before, "most": most},
        ).fetchall()


@dataclass(frozen=True)
class OpenHold:
    """Credits that are set aside; `run_key` and `request_number`: for whom, where it is a run."""

    id: int
    account: str
    remaining: int
    held_at: dt.datetime
    expires_at: dt.datetime
    run_key: str | None
    request_number: str | None


def open_holds(conn: Connection[Any], most: int) -> list[OpenHold]:
    """Holds that are not used up, the oldest first, at most so many."""
    with conn.cursor(row_factory=class_row(OpenHold)) as cur:
        return cur.execute(
            "SELECT h.id, h.owner AS account, h.remaining, t.created_at AS held_at, h.expires_at, r.run_key,"
            " r.request_number FROM lead_mining.hold h JOIN lead_mining.ledger_transaction t ON t.id = h.id"
            " LEFT JOIN lead_mining.run r ON r.id = h.run_id WHERE h.remaining > 0 ORDER BY h.id LIMIT %s",
            [most],
        ).fetchall()


@dataclass(frozen=True)
class Spending:
    """Credits held or spent a calendar month (UTC), by saved search; `None`: by no saved search."""

    months: tuple[dt.date, ...]
    """The oldest first, without a gap; the last one is this month."""
    by_search: dict[str | None, tuple[int, ...]]
    """Credits, a value a month; the saved search that took most comes first."""


def spending(conn: Connection[Any], months: int = 12) -> Spending:
    """Of all accounts, in this month and those before it."""
    rows = conn.execute(
        f"""
        WITH month AS (
            SELECT generate_series({_THIS_MONTH} - make_interval(months => %s - 1), {_THIS_MONTH}, '1 month')::date
                AS month
        ), of_search AS (
            SELECT name, month, credits FROM lead_mining.monthly_use
            WHERE scope = 'search' AND month >= (SELECT min(month) FROM month)
        ), beside AS (
            SELECT NULL::text AS name, month, greatest(sum(credits) - coalesce(
                       (SELECT sum(s.credits) FROM of_search s WHERE s.month = u.month), 0), 0) AS credits
            FROM lead_mining.monthly_use u
            WHERE scope = 'account' AND month >= (SELECT min(month) FROM month) GROUP BY month
        ), used AS (SELECT * FROM of_search UNION ALL SELECT * FROM beside)
        SELECT n.name, array_agg(m.month ORDER BY m.month), array_agg(coalesce(u.credits, 0)::bigint ORDER BY m.month)
        FROM (SELECT DISTINCT name FROM used WHERE credits > 0) n CROSS JOIN month m
        LEFT JOIN used u ON u.name IS NOT DISTINCT FROM n.name AND u.month = m.month
        GROUP BY n.name ORDER BY coalesce(sum(u.credits), 0) DESC, n.name
        """,
        [months],
    ).fetchall()
    return Spending(tuple(rows[0][1]) if rows else (), {name: tuple(credits) for name, _, credits in rows})
