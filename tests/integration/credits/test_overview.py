"""What people look at: accounts, open holds, spending by month, the statement."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest
from mined_runs import make_run, set_aside

from lead_mining.credits import accounts, ledger, overview
from lead_mining.credits.accounts import Account

Conn = psycopg.Connection[Any]


@pytest.fixture
def of_search(conn: Conn, account: str, run_id: int) -> int:
    """A run of a saved search, the account's name."""
    conn.execute("UPDATE lead_mining.run SET saved_search = %s WHERE id = %s", [account, run_id])
    return run_id


def test_an_account_with_what_it_has_and_used(conn: Conn, account: str, run_id: int) -> None:
    accounts.set_up(conn, Account(account, monthly_budget=50, low_balance=90))
    hold_id = ledger.hold(conn, account, 30, f"{account} h", run_id)
    ledger.capture(conn, hold_id, 5, f"{account} c")
    ledger.release(conn, hold_id, f"{account} r", keep=10)
    found = overview.one_account(conn, account)
    assert found
    assert (found.available, found.held, found.used, found.monthly_budget) == (85, 10, 15, 50)
    assert (found.state, found.reported) == ("low", None)
    assert found in overview.all_accounts(conn)


def test_an_account_nobody_opened_is_none(conn: Conn, account: str) -> None:
    assert overview.one_account(conn, account) is None


def test_a_new_account_is_empty(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account))
    found = overview.one_account(conn, account)
    assert found
    assert (found.available, found.held, found.used, found.state) == (0, 0, 0, "empty")


def test_of_a_mirrored_account_the_last_word_of_its_provider(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, provider_conn_id=account))
    for reported in (7, 9):
        conn.execute(
            "INSERT INTO lead_mining.balance_report (account, reported, expected, unsettled_calls) VALUES (%s, %s, 7, 0)",
            [account, reported],
        )
    found = overview.one_account(conn, account)
    assert found
    assert (found.provider_conn_id, found.reported, found.expected) == (account, 9, 7)


def test_only_what_is_still_held_is_an_open_hold(conn: Conn, account: str, run_id: int) -> None:
    first, second = (ledger.hold(conn, account, 10, f"{account} {n}", run_id) for n in (1, 2))
    third = set_aside(conn, account, 5, f"{account} 3")
    ledger.release(conn, first, f"{account} r")
    ledger.capture(conn, second, 4, f"{account} c")
    mine = [hold for hold in overview.open_holds(conn, 10_000) if hold.account == account]
    assert [(hold.id, hold.remaining, hold.run_key) for hold in mine] == [
        (second, 6, f"lead_mining/{account}"),
        (third, 5, f"lead_mining/run of {account} 3"),
    ]
    assert len(overview.open_holds(conn, 1)) == 1


def test_spending_by_saved_search_and_by_hand(conn: Conn, account: str, of_search: int) -> None:
    before = overview.spending(conn).by_search.get(None, (0,) * 12)
    set_aside(conn, account, 30, f"{account} h", of_search)
    set_aside(conn, account, 9, f"{account} by hand", make_run(conn, account, f"{account} 2"))
    found = overview.spending(conn)
    this_month = dt.datetime.now(dt.UTC).date().replace(day=1)
    assert len(found.months) == 12
    assert found.months[-1] == this_month
    assert all(month.day == 1 for month in found.months)
    assert found.by_search[account] == (0,) * 11 + (30,)
    assert found.by_search[None][-1] - before[-1] == 9


def test_spending_of_before_is_left_out(conn: Conn, account: str, of_search: int) -> None:
    set_aside(conn, account, 30, f"{account} h", of_search)
    assert account in overview.spending(conn, 1).by_search
    conn.execute("ALTER TABLE lead_mining.monthly_use DISABLE TRIGGER posted_only")
    conn.execute("UPDATE lead_mining.monthly_use SET month = month - interval '12 months' WHERE name = %s", [account])
    assert account not in overview.spending(conn).by_search
    assert overview.spending(conn, 13).by_search[account] == (30,) + (0,) * 12


def test_the_statement_is_read_from_the_newest_line_back(conn: Conn, account: str, run_id: int) -> None:
    hold_id = ledger.hold(conn, account, 30, f"{account} h", run_id)
    ledger.capture(conn, hold_id, 5, f"{account} c")
    lines = overview.statement(conn, account, None, 10)
    assert [(line.kind, line.change, line.available, line.spent) for line in lines] == [
        ("capture", 0, 70, 5),
        ("hold", -30, 70, 0),
        ("top_up", 100, 100, 0),
    ]
    assert [line.run_key for line in lines] == [f"lead_mining/{account}"] * 2 + [None]
    assert overview.statement(conn, account, lines[0].id, 1) == [lines[1]]
    assert overview.statement(conn, account, lines[-1].id, 10) == []
    assert overview.statement(conn, None, None, 3) == lines
    assert overview.statement(conn, f"{account}' OR true --", None, 10) == []


def test_the_newest_lines_are_read_without_the_rest(conn: Conn, account: str, run_id: int) -> None:
    """By index, with the amounts that the ledger keeps: no sum over all lines, whatever there are."""
    for other_way in ("seqscan", "bitmapscan", "sort"):
        conn.execute(f"SET LOCAL enable_{other_way} = off")  # which small tables are read by
    plan = "\n".join(
        row[0]
        for row in conn.execute(
            "EXPLAIN SELECT * FROM lead_mining.account_statement WHERE account = %s AND id < 99 ORDER BY id DESC LIMIT 50",
            [account],
        )
    )
    assert "ledger_transaction_by_owner" in plan
    assert "ledger_entry_by_account" in plan
    assert not {"WindowAgg", "Sort"} & set(plan.split())
