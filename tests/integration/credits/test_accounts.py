"""Settings of credit accounts, and the notice that is due once until topped up."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from mined_runs import set_aside
from psycopg.errors import CheckViolation, UniqueViolation

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.exceptions import LedgerError

Conn = psycopg.Connection[Any]


def test_an_account_nobody_opened_is_local_and_without_limits(conn: Conn, account: str) -> None:
    assert accounts.find(conn, account) == Account(account)
    assert account not in accounts.names(conn)
    ledger.top_up(conn, account, 1, f"{account} t", "invoice")
    assert accounts.find(conn, account) == Account(account)
    assert account in accounts.names(conn)


def test_settings_are_kept_and_changed(conn: Conn, account: str) -> None:
    first = Account(account, None, 50, 10, 7, ("a@example.com", "ö@example.com"))
    for settings in (first, first, Account(account)):
        accounts.set_up(conn, settings)
        assert accounts.find(conn, account) == settings


def test_whose_word_counts_cannot_change_once_it_has_entries(conn: Conn, account: str) -> None:
    mirror = Account(account, provider_conn_id=account)
    accounts.set_up(conn, mirror)
    assert mirror in accounts.mirrored(conn)
    accounts.set_up(conn, Account(account))
    accounts.set_up(conn, mirror)
    ledger.top_up(conn, account, 1, f"{account} t", "opening")
    for other in (Account(account), Account(account, provider_conn_id=f"{account} other")):
        with pytest.raises(LedgerError, match="has entries: open another account instead"):
            accounts.set_up(conn, other)


def test_a_provider_has_one_mirror(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, provider_conn_id=account))
    with pytest.raises(LedgerError, match="already: use that one"):
        accounts.set_up(conn, Account(f"{account} 2", provider_conn_id=account))
    with pytest.raises(UniqueViolation):
        conn.execute("INSERT INTO lead_mining.credit_account (name, provider_conn_id) VALUES ('second', %s)", [account])


@pytest.mark.parametrize(
    "wrong",
    [
        {"monthly_budget": -1},
        {"low_balance": -1},
        {"refund_days": -1},
        {"provider_conn_id": ""},
    ],
)
def test_settings_that_make_no_sense_are_refused(conn: Conn, account: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckViolation):
        accounts.set_up(conn, Account(account, **wrong))


def test_a_notice_is_due_once_until_topped_up(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account, low_balance=10))
    assert accounts.take_notice(conn, account) == ("empty", 0), "it has never had any"
    ledger.top_up(conn, account, 9, f"{account} 1", "invoice")
    assert [accounts.take_notice(conn, account) for _ in range(2)] == [("low", 9), None]
    assert accounts.take_notice(conn, account, needed=10) == ("empty", 9), "a run asked for more in vain"
    assert accounts.take_notice(conn, account, needed=10) is None
    assert accounts.take_notice(conn, account) is None
    ledger.top_up(conn, account, 1, f"{account} 2", "invoice")
    assert accounts.take_notice(conn, account) is None, "10 are not fewer than 10"
    set_aside(conn, account, 10, f"{account} h")
    assert accounts.take_notice(conn, account) == ("empty", 0)


def test_a_notice_that_is_not_sent_is_due_again(conn: Conn, account: str) -> None:
    accounts.set_up(conn, Account(account))
    conn.commit()
    assert accounts.take_notice(conn, account)
    conn.rollback()
    assert accounts.take_notice(conn, account)
