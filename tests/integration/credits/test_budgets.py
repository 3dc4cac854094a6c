"""Monthly budgets of accounts and of saved searches: nobody holds more together than they allow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from mined_runs import make_run, set_aside
from psycopg.errors import CheckViolation

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance, Spendable
from lead_mining.exceptions import InsufficientCredits

Conn = psycopg.Connection[Any]


@pytest.fixture
def of_search(conn: Conn, account: str, run_id: int) -> int:
    """A run of a saved search, the account's name, that may use 40 credits a month."""
    conn.execute("UPDATE lead_mining.run SET saved_search = %s, search_budget = 40 WHERE id = %s", [account, run_id])
    conn.commit()
    return run_id


def used(conn: Conn, name: str) -> dict[tuple[str, str], int]:
    """Scope and month, as 'now' or 'before', to credits."""
    rows = conn.execute(
        "SELECT scope, CASE WHEN month = date_trunc('month', now() AT TIME ZONE 'utc')::date THEN 'now' ELSE 'before' END,"
        " credits FROM lead_mining.monthly_use WHERE name = %s",
        [name],
    ).fetchall()
    return {(scope, month): credits for scope, month, credits in rows}


def a_month_passes(conn: Conn, account: str) -> None:
    """What was held becomes last month's; the guards are switched off for it."""
    conn.execute("SET LOCAL session_replication_role = replica")
    conn.execute(
        "UPDATE lead_mining.ledger_transaction SET created_at = created_at - interval '1 month' WHERE owner = %s",
        [account],
    )
    conn.execute("UPDATE lead_mining.monthly_use SET month = month - interval '1 month' WHERE name = %s", [account])
    conn.execute("SET LOCAL session_replication_role = origin")


def test_no_more_is_held_in_a_month_than_the_accounts_budget(conn: Conn, account: str, run_id: int) -> None:
    accounts.set_up(conn, Account(account, monthly_budget=50))
    hold_id = ledger.hold(conn, account, 30, f"{account} 1", run_id)
    with pytest.raises(
        InsufficientCredits, match=r"the budget of credit account .* 50 credits, cannot pay.*raise it"
    ) as no:
        set_aside(conn, account, 21, f"{account} 2")
    assert (no.value.needed, no.value.available) == (21, 20)
    ledger.capture(conn, hold_id, 10, f"{account} c")
    assert used(conn, account) == {("account", "now"): 30}, "what is spent stays used"
    ledger.release(conn, hold_id, f"{account} r")
    assert used(conn, account) == {("account", "now"): 10}, "what is given back is not"
    set_aside(conn, account, 40, f"{account} 2")
    assert ledger.spendable(conn, account).credits == 0


def test_a_new_month_has_a_new_budget_and_a_release_goes_to_the_old_one(conn: Conn, account: str, run_id: int) -> None:
    accounts.set_up(conn, Account(account, monthly_budget=50))
    hold_id = ledger.hold(conn, account, 50, f"{account} 1", run_id)
    a_month_passes(conn, account)
    assert ledger.spendable(conn, account) == Spendable(50, None)
    set_aside(conn, account, 20, f"{account} 2")
    ledger.release(conn, hold_id, f"{account} r")
    assert used(conn, account) == {("account", "before"): 0, ("account", "now"): 20}


def test_runs_of_a_search_share_its_budget_over_accounts(conn: Conn, account: str, of_search: int) -> None:
    other = f"{account} other"
    ledger.top_up(conn, other, 100, f"{other} t", "invoice")
    again = make_run(conn, other, other)
    conn.execute("UPDATE lead_mining.run SET saved_search = %s, search_budget = 40 WHERE id = %s", [account, again])
    set_aside(conn, account, 30, f"{account} 1", of_search)
    assert [limit.credits for limit in ledger.limits(conn, other, again)] == [100, 10]
    with pytest.raises(InsufficientCredits, match="the budget of saved search"):
        set_aside(conn, other, 11, f"{other} 2", again)
    set_aside(conn, other, 10, f"{other} 2", again)
    assert used(conn, account)["search", "now"] == 40
    assert ledger.spendable(conn, other).credits == 90, "outside the search its budget is nobody's limit"


def test_a_budget_of_nothing_and_one_below_what_is_used(conn: Conn, account: str, run_id: int) -> None:
    set_aside(conn, account, 30, f"{account} 1")
    for budget in (20, 0):
        accounts.set_up(conn, Account(account, monthly_budget=budget))
        assert ledger.spendable(conn, account).credits == 0
        with pytest.raises(InsufficientCredits):
            set_aside(conn, account, 1, f"{account} 2")
    assert ledger.balance(conn, account) == Balance(available=70, held=30)


def test_a_hold_that_was_made_is_made_again_whatever_the_budget_is_now(conn: Conn, account: str, run_id: int) -> None:
    hold_id = ledger.hold(conn, account, 30, f"{account} 1", run_id)
    accounts.set_up(conn, Account(account, monthly_budget=0))
    assert ledger.hold(conn, account, 30, f"{account} 1", run_id) == hold_id


@pytest.mark.parametrize("kind", ["account", "search"])
def test_holds_at_once_do_not_pass_a_budget_together(
    ledger_dsn: str, conn: Conn, account: str, of_search: int, kind: str
) -> None:
    if kind == "account":
        accounts.set_up(conn, Account(account, monthly_budget=40))
        conn.commit()
    start = Barrier(8)

    def hold(number: int) -> int:
        held = 0
        with psycopg.connect(ledger_dsn) as own:
            start.wait()
            for turn in range(4):
                try:
                    set_aside(own, account, 3, f"{account} {number}/{turn}", of_search if kind == "search" else None)
                    held += 3
                except InsufficientCredits:
                    pass
                own.commit()
        return held

    with ThreadPoolExecutor(8) as pool:
        held = sum(pool.map(hold, range(8)))
    assert held == 39, "the last credit of 40 is too little for a hold of 3"
    assert used(conn, account)[kind, "now"] == 39


def test_the_database_itself_refuses_what_passes_a_budget(conn: Conn, account: str, of_search: int) -> None:
    with pytest.raises(
        CheckViolation, match=r"the monthly budget of search .* is 40 credits, and this makes it 41"
    ) as no:
        conn.execute(
            "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, run_id) VALUES (%s, 'hold', %s, 41, %s)",
            [f"{account} x", account, of_search],
        )
    assert no.value.diag.constraint_name == "monthly_budget"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lead_mining.monthly_use SET credits = 0",
        "DELETE FROM lead_mining.monthly_use",
        "TRUNCATE lead_mining.monthly_use",
        "INSERT INTO lead_mining.monthly_use VALUES ('account', 'me', '2020-01-01', 0)",
    ],
)
def test_what_was_used_is_not_written_by_hand(conn: Conn, account: str, run_id: int, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the ledger refuses"):
        conn.execute(statement)  # type: ignore[arg-type]
