from __future__ import annotations

from typing import Any

import psycopg
import pytest
from mined_runs import set_aside
from psycopg.rows import dict_row

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InsufficientCredits, LedgerError

Conn = psycopg.Connection[Any]


def entries(conn: Conn, account: str) -> list[tuple[str, str, int, int]]:
    """(transaction's key, bucket, amount, balance after) of an account, in order."""
    return conn.execute(
        "SELECT t.key, a.bucket, e.amount, e.balance_after FROM lead_mining.ledger_entry e"
        " JOIN lead_mining.ledger_account a ON a.id = e.account_id"
        " JOIN lead_mining.ledger_transaction t ON t.id = e.transaction_id"
        " WHERE a.owner = %s ORDER BY t.id, e.amount",
        [account],
    ).fetchall()


def new_run(conn: Conn, account: str) -> int:
    row = conn.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval) VALUES (%s, '{}', '{}', 'p', %s, false, 1, 1, false) RETURNING id",
        [f"run of {account}", account],
    ).fetchone()
    assert row
    return int(row[0])


def test_an_account_nobody_topped_up_has_nothing(conn: Conn, account: str) -> None:
    assert ledger.balance(conn, account) == Balance(0, 0, 0)


def test_credits_go_from_top_up_over_hold_to_capture_and_release(conn: Conn, account: str) -> None:
    assert ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    hold_id = set_aside(conn, account, 30, f"{account} h")
    assert ledger.balance(conn, account) == Balance(available=70, held=30, spent=0)
    ledger.capture(conn, hold_id, 12, f"{account} c1")
    ledger.capture(conn, hold_id, 8, f"{account} c2")
    assert ledger.balance(conn, account) == Balance(available=70, held=10, spent=20)
    assert ledger.release(conn, hold_id, f"{account} r") == 10
    assert ledger.balance(conn, account) == Balance(available=80, held=0, spent=20)
    conn.commit()
    assert entries(conn, account) == [
        (f"{account} t", "issued", -100, -100),
        (f"{account} t", "available", 100, 100),
        (f"{account} h", "available", -30, 70),
        (f"{account} h", "held", 30, 30),
        (f"{account} c1", "held", -12, 18),
        (f"{account} c1", "spent", 12, 12),
        (f"{account} c2", "held", -8, 10),
        (f"{account} c2", "spent", 8, 20),
        (f"{account} r", "held", -10, 0),
        (f"{account} r", "available", 10, 80),
    ]


def test_each_operation_is_done_once_a_key(conn: Conn, account: str) -> None:
    assert ledger.top_up(conn, account, 50, f"{account} t", "invoice 7") is True
    assert ledger.top_up(conn, account, 50, f"{account} t", "invoice 7, called again") is False
    hold_id = set_aside(conn, account, 50, f"{account} h")
    assert set_aside(conn, account, 50, f"{account} h") == hold_id, "though nothing is available any more"
    ledger.capture(conn, hold_id, 40, f"{account} c")
    ledger.capture(conn, hold_id, 40, f"{account} c")
    assert ledger.release(conn, hold_id, f"{account} r") == 10
    assert ledger.release(conn, hold_id, f"{account} r") == 10, "the same answer for the same key"
    assert ledger.release(conn, hold_id, f"{account} r2") == 0, "nothing is left"
    assert ledger.balance(conn, account) == Balance(available=10, held=0, spent=40)
    assert len(entries(conn, account)) == 8


def test_a_key_cannot_be_used_for_something_else(conn: Conn, account: str) -> None:
    ledger.top_up(conn, account, 50, f"{account} t", "invoice 7")
    hold_id = set_aside(conn, account, 20, f"{account} h")
    other_hold = set_aside(conn, account, 20, f"{account} h2")
    ledger.capture(conn, hold_id, 5, f"{account} c")
    ledger.release(conn, other_hold, f"{account} r")
    wrong = [
        lambda: ledger.top_up(conn, account, 51, f"{account} t", "invoice 7"),
        lambda: ledger.top_up(conn, account + "x", 50, f"{account} t", "invoice 7"),
        lambda: set_aside(conn, account, 50, f"{account} t"),
        lambda: set_aside(conn, account, 21, f"{account} h"),
        lambda: ledger.hold(conn, account, 20, f"{account} h", run_id=new_run(conn, account)),
        lambda: ledger.capture(conn, hold_id, 6, f"{account} c"),
        lambda: ledger.capture(conn, other_hold, 5, f"{account} c"),
        lambda: ledger.capture(conn, hold_id, 5, f"{account} h"),
        lambda: ledger.release(conn, hold_id, f"{account} r"),
        lambda: ledger.release(conn, hold_id, f"{account} c"),
    ]
    before = ledger.balance(conn, account)
    for use in wrong:
        with pytest.raises(LedgerError, match=r"cannot be used for .*; it stands for (top_up|hold|capture|release) of"):
            use()
    assert ledger.balance(conn, account) == before == Balance(available=30, held=15, spent=5)
    assert ledger.balance(conn, account + "x") == Balance()


@pytest.mark.parametrize("topped_up", [0, 10])
def test_too_little_is_refused_and_the_transaction_goes_on(conn: Conn, account: str, topped_up: int) -> None:
    if topped_up:
        ledger.top_up(conn, account, topped_up, f"{account} t", "invoice 7")
    with pytest.raises(InsufficientCredits) as refused:
        set_aside(conn, account, 11, f"{account} h")
    assert (refused.value.account, refused.value.needed, refused.value.available) == (account, 11, topped_up)
    ledger.top_up(conn, account, 11, f"{account} t2", "invoice 8")
    set_aside(conn, account, 11, f"{account} h")
    conn.commit()
    assert ledger.balance(conn, account) == Balance(available=topped_up, held=11, spent=0)


def test_no_more_is_captured_than_is_left_in_the_hold(conn: Conn, account: str) -> None:
    ledger.top_up(conn, account, 100, f"{account} t", "invoice 7")
    set_aside(conn, account, 50, f"{account} another hold does not help")
    hold_id = set_aside(conn, account, 10, f"{account} h")
    ledger.capture(conn, hold_id, 4, f"{account} c")
    with pytest.raises(LedgerError, match="cannot capture 7 credits, 6 are left in it"):
        ledger.capture(conn, hold_id, 7, f"{account} c2")
    assert ledger.release(conn, hold_id, f"{account} r") == 6
    with pytest.raises(LedgerError, match="cannot capture 1 credits, 0 are left in it"):
        ledger.capture(conn, hold_id, 1, f"{account} c3")
    assert ledger.balance(conn, account) == Balance(available=46, held=50, spent=4)


@pytest.mark.parametrize("hold_id", [0, -1, 2**62, 2**80])
def test_an_unknown_hold_is_named(conn: Conn, hold_id: int) -> None:
    for use in (lambda: ledger.capture(conn, hold_id, 1, "k"), lambda: ledger.release(conn, hold_id, "k")):
        with pytest.raises(LedgerError, match=f"hold {hold_id} does not exist"):
            use()


def test_a_hold_knows_its_run_and_when_it_expires(conn: Conn, account: str) -> None:
    run_id = new_run(conn, account)
    ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
    hold_id = ledger.hold(conn, account, 4, f"{account} h", run_id)
    assert ledger.hold(conn, account, 4, f"{account} h", run_id) == hold_id
    ledger.capture(conn, hold_id, 3, f"{account} c")
    row = conn.execute(
        "SELECT owner, run_id, credits, captured, released, remaining, expires_at - now() = interval '4320 hours'"
        " FROM lead_mining.hold WHERE id = %s",
        [hold_id],
    ).fetchone()
    assert row == (account, run_id, 4, 3, 0, 1, True)


def test_a_rollback_leaves_nothing(conn: Conn, account: str) -> None:
    ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
    conn.commit()
    hold_id = set_aside(conn, account, 4, f"{account} h")
    ledger.capture(conn, hold_id, 4, f"{account} c")
    conn.rollback()
    assert ledger.balance(conn, account) == Balance(available=10)
    with pytest.raises(LedgerError, match="does not exist"):
        ledger.capture(conn, hold_id, 4, f"{account} c")
    assert set_aside(conn, account, 10, f"{account} h") != hold_id, "the key is free again"


def test_a_connection_that_dies_before_commit_leaves_nothing(conn: Conn, account: str, ledger_dsn: str) -> None:
    ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
    conn.commit()
    with psycopg.connect(ledger_dsn) as dying:
        set_aside(dying, account, 10, f"{account} h")
        conn.execute("SELECT pg_terminate_backend(%s, 5000)", [dying.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            dying.execute("SELECT 1")
    assert ledger.balance(conn, account) == Balance(available=10)
    set_aside(conn, account, 10, f"{account} h")


def test_nothing_is_committed_for_the_caller(conn: Conn, account: str, ledger_dsn: str) -> None:
    ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
    with psycopg.connect(ledger_dsn) as other:
        assert ledger.balance(other, account) == Balance()
        conn.commit()
        assert ledger.balance(other, account) == Balance(available=10)


def test_a_connection_in_autocommit_needs_a_transaction(account: str, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True) as auto:
        with pytest.raises(LedgerError, match="needs a transaction"):
            ledger.top_up(auto, account, 10, f"{account} t", "invoice 7")
        with auto.transaction():
            assert ledger.top_up(auto, account, 10, f"{account} t", "invoice 7")
        assert ledger.balance(auto, account) == Balance(available=10)


def test_any_row_factory_of_the_caller_will_do(account: str, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn) as tuples:
        run_id = new_run(tuples, account)
    with psycopg.connect(ledger_dsn, row_factory=dict_row) as conn:
        ledger.top_up(conn, account, 10, f"{account} t", "invoice 7")
        ledger.release(conn, ledger.hold(conn, account, 4, f"{account} h", run_id), f"{account} r")
        assert ledger.balance(conn, account) == Balance(available=10)


def test_the_largest_amounts_fit(conn: Conn, account: str) -> None:
    most = 2**31 - 1
    for payment in range(3):
        ledger.top_up(conn, account, most, f"{account} t{payment}", "invoice")
    assert ledger.balance(conn, account) == Balance(available=3 * most), "balances are wider than one amount"
    ledger.capture(conn, set_aside(conn, account, most, f"{account} h"), most, f"{account} c")
    assert ledger.balance(conn, account) == Balance(available=2 * most, spent=most)


@pytest.mark.parametrize("credits", [0, -1, 2**31, -(2**63), 10**30])
def test_credits_out_of_bounds_are_refused(conn: Conn, account: str, credits: int) -> None:
    for use in (
        lambda: ledger.top_up(conn, account, credits, "k", "invoice"),
        lambda: ledger.hold(conn, account, credits, "k", run_id=1),
        lambda: ledger.capture(conn, 1, credits, "k"),
    ):
        with pytest.raises(LedgerError, match=r"credits: -?\d+ is not allowed; use 1 to 2147483647"):
            use()


@pytest.mark.parametrize("credits", [None, True, 1.0, "5", float("nan"), b"1", [1]])
def test_credits_of_a_wrong_type_are_refused(conn: Conn, account: str, credits: Any) -> None:
    for use in (
        lambda: ledger.top_up(conn, account, credits, "k", "invoice"),
        lambda: ledger.hold(conn, account, credits, "k", run_id=1),
        lambda: ledger.capture(conn, 1, credits, "k"),
    ):
        with pytest.raises(TypeError, match=r"credits: .* is not a whole number"):
            use()


@pytest.mark.parametrize("text", ["", " ", "x" * 301, "a\x00b", "a\nb", " a", "a ", "\ud800", "a\u202eb"])
def test_unfit_text_is_refused(conn: Conn, account: str, text: str) -> None:
    for field, use in (
        ("account", lambda: ledger.balance(conn, text)),
        ("account", lambda: ledger.hold(conn, text, 1, "k", run_id=1)),
        ("account", lambda: ledger.top_up(conn, text, 1, "k", "invoice")),
        ("reference", lambda: ledger.top_up(conn, account, 1, "k", text)),
        ("key", lambda: ledger.top_up(conn, account, 1, text, "invoice")),
        ("key", lambda: ledger.hold(conn, account, 1, text, run_id=1)),
    ):
        with pytest.raises(LedgerError, match=f"{field}: .* is not allowed; use 1 to"):
            use()


def test_text_of_a_wrong_type_is_refused(conn: Conn, account: str) -> None:
    wrong: Any = 5
    for use in (
        lambda: ledger.balance(conn, wrong),
        lambda: ledger.top_up(conn, account, 1, "k", wrong),
        lambda: ledger.top_up(conn, account, 1, wrong, "invoice"),
        lambda: ledger.hold(conn, account, 1, "k", wrong and "7"),  # type: ignore[arg-type]
        lambda: ledger.release(conn, "7", "k"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"is not (text|a whole number)"):
            use()


@pytest.mark.parametrize("text", ["x" * 200, "Ünïcode 信用 'quoted' \"%s\" {} ; DROP TABLE lead_mining.hold --", "-"])
def test_any_printable_name_is_kept_as_it_is(conn: Conn, account: str, text: str) -> None:
    ledger.top_up(conn, text, 3, f"{account} {text}"[:300], text)
    assert ledger.balance(conn, text) == Balance(available=3)
    kept = conn.execute("SELECT DISTINCT owner, reference FROM lead_mining.ledger_transaction WHERE owner = %s", [text])
    assert kept.fetchall() == [(text, text)]
