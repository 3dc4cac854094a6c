"""The notice on a low or empty credit account: mailed over SMTP to a server of the test's own, once until topped up."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest
from airflow.sdk import BaseHook, BaseNotifier, Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from credit_dags import airflow_connection
from databases import ledger_database
from mail_server import MailServer, running_mail_server
from mined_runs import set_aside

from lead_mining import notifiers
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.exceptions import InsufficientCredits
from lead_mining.notifiers import LowCreditsNotifier, send_due_notice, send_due_notices

TO = ("ops@example.com", "sales@example.com")
CONTEXT: Any = {"params": {"crm_conn_id": "lead_mining_crm", "credit_account": "default"}}


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server that Airflow's connection smtp_default leads to."""
    with running_mail_server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", server.airflow_connection)
        yield server


@pytest.fixture
def no_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    get = BaseHook.get_connection

    def without_smtp(conn_id: str) -> Connection:
        if conn_id == "smtp_default":
            raise AirflowNotFoundException("The conn_id `smtp_default` isn't defined")
        return get(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(without_smtp))


@pytest.fixture
def conn(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """A ledger whose default account has 40 credits, and is low below 50."""
    with ledger_database(postgres_server) as dsn:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(dsn))
        with psycopg.connect(dsn, autocommit=True) as connection:
            accounts.set_up(connection, Account("default", low_balance=50, notify=TO))
            top_up(connection, 40)
            yield connection


def top_up(conn: psycopg.Connection, credits: int, account: str = "default") -> None:
    with conn.transaction():
        row = conn.execute("SELECT count(*) FROM lead_mining.ledger_transaction").fetchone()
        ledger.top_up(conn, account, credits, f"top up {row}", "invoice")


def spend(conn: psycopg.Connection, credits: int, account: str = "default") -> None:
    with conn.transaction():
        row = conn.execute("SELECT count(*) FROM lead_mining.ledger_transaction").fetchone()
        hold = set_aside(conn, account, credits, f"hold {row}")
        ledger.capture(conn, hold, credits, f"capture {row}")


def noted(conn: psycopg.Connection, account: str = "default") -> str | None:
    return accounts.find(conn, account).notice_sent


def send() -> bool:
    return send_due_notice("lead_mining_crm", "default")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


# -- what is sent, and when


def test_a_low_account_is_told_of_once_until_it_is_topped_up(conn: psycopg.Connection, mail_server: MailServer) -> None:
    assert [send(), send()] == [True, False]
    assert noted(conn) == "low"
    top_up(conn, 5)  # still low: a new notice is due
    assert [send(), send()] == [True, False]
    top_up(conn, 5)
    assert send() is False, "50 are not fewer than 50"
    assert [mail["Subject"] for _, mail in mail_server.mails] == [
        "Lead mining: credit account default is low, 40 credits left",
        "Lead mining: credit account default is low, 45 credits left",
    ]


def test_an_account_that_is_low_and_then_empty_is_told_of_twice(
    conn: psycopg.Connection, mail_server: MailServer
) -> None:
    assert send()
    spend(conn, 39)
    assert not send()
    spend(conn, 1)
    assert [send(), send()] == [True, False]
    assert noted(conn) == "empty"
    assert mail_server.mails[1][1]["Subject"] == "Lead mining: credit account default has no credits left"


def test_the_mail_says_what_stops_and_what_to_do(conn: psycopg.Connection, mail_server: MailServer) -> None:
    send()
    ((to, mail),) = mail_server.mails
    assert to == TO
    assert (mail["From"], mail["To"]) == ("airflow@example.com", "ops@example.com, sales@example.com")
    assert html_of(mail).strip() == (
        "<p>The credit account default has 40 credits left, fewer than 50.</p>"
        "<p>Lead mining goes on until they are used up: 1 credit for each lead, 1 for each contact.</p>"
        "<p>What to do: buy credits as you always do, then book them in Airflow with the DAG credits_top_up"
        " (Buy credits).</p>"
        "<p>You are told again when no credits are left.</p>"
    )


def test_an_account_that_cannot_pay_a_run_is_told_of_once(conn: psycopg.Connection, mail_server: MailServer) -> None:
    run_failed = AirflowFailException("cannot pay")
    run_failed.__cause__ = InsufficientCredits("default", 41, 40)
    for _ in range(2):
        LowCreditsNotifier()(CONTEXT | {"exception": run_failed})
    ((_, mail),) = mail_server.mails
    assert mail["Subject"] == "Lead mining: credit account default has 40 credits left"
    assert "<p>A run that can cost 41 was not begun: no leads come from it until credits are bought.</p>" in html_of(
        mail
    )
    top_up(conn, 1)
    LowCreditsNotifier()(CONTEXT | {"exception": run_failed})
    assert mail_server.mails[1][1]["Subject"] == "Lead mining: credit account default is low, 41 credits left"


def test_a_budget_that_is_used_up_is_no_empty_account(mail_server: MailServer, conn: psycopg.Connection) -> None:
    top_up(conn, 60)
    run_failed = AirflowFailException("cannot pay")
    run_failed.__cause__ = InsufficientCredits("default", 41, 40, "the budget of this run (max_credits)")
    LowCreditsNotifier()(CONTEXT | {"exception": run_failed})
    assert mail_server.mails == []


def test_what_people_named_is_no_markup(conn: psycopg.Connection, mail_server: MailServer) -> None:
    name = "<img src=x> & Söhne"
    accounts.set_up(conn, Account(name, provider_conn_id="<b>iap</b>", notify=TO))
    top_up(conn, 1, name)
    spend(conn, 1, name)
    assert send_due_notice("lead_mining_crm", name)
    ((_, mail),) = mail_server.mails
    assert mail["Subject"] == f"Lead mining: credit account {name} has no credits left"
    html = html_of(mail)
    assert "<img" not in html and "<b>" not in html
    assert "account &lt;img src=x&gt; &amp; Söhne has no credits left" in html
    assert "at the provider (&lt;b&gt;iap&lt;/b&gt;)" in html


# -- what cannot be sent


def test_a_notice_that_the_mail_server_refuses_is_due_again(conn: psycopg.Connection, mail_server: MailServer) -> None:
    mail_server.refuses = TO
    with pytest.raises(Exception, match="550"):
        send()
    assert noted(conn) is None
    mail_server.refuses = ()
    assert send()
    assert noted(conn) == "low"


def test_a_mail_server_that_is_down_locks_nothing(conn: psycopg.Connection, mail_server: MailServer) -> None:
    mail_server.shutdown()
    mail_server.server_close()
    with pytest.raises(OSError, match="refused"):
        send()
    assert noted(conn) is None


def test_without_a_mail_server_the_notice_is_logged_and_stays_due(
    conn: psycopg.Connection, no_mail_server: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        assert not send()
        (warning,) = warnings(caplog)
        assert warning.startswith("Lead mining: credit account default is low, 40 credits left. The notice stays due")
        assert "smtp_default" in warning
    assert noted(conn) is None


def test_without_addresses_the_notice_is_logged_once(
    conn: psycopg.Connection, no_mail_server: None, caplog: pytest.LogCaptureFixture
) -> None:
    accounts.set_up(conn, Account("default", low_balance=50))
    assert [send(), send()] == [False, False]
    (warning,) = warnings(caplog)
    assert warning.startswith("Lead mining: credit account default is low, 40 credits left.")
    assert "DAG credits_account" in warning
    assert noted(conn) == "low"


# -- the lock


def test_runs_at_the_same_moment_send_one_mail(conn: psycopg.Connection, mail_server: MailServer) -> None:
    others: list[bool] = []

    def another() -> None:
        others.append(send())

    def while_sending() -> None:
        mail_server.on_mail = lambda: None
        thread.start()
        thread.join(0.3)  # it has asked by now, and waits for the account

    thread = threading.Thread(target=another)
    mail_server.on_mail = while_sending
    assert send()
    thread.join(10)
    assert others == [False]
    assert len(mail_server.mails) == 1


def test_a_mail_server_that_hangs_does_not_hold_the_account(
    conn: psycopg.Connection, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifiers, "_LOCKED_AT_MOST", "200ms")
    conn.execute("SET lock_timeout = '5s'")

    def hang() -> None:
        with conn.transaction():
            ledger.lock_balance(conn, "default")  # has it when the session that sends has lost it

    mail_server.on_mail = hang
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        send()
    assert noted(conn) is None, "it may come twice, never not at all"


# -- the callback, and all accounts


def test_the_notifier_is_airflows_and_sends_for_the_run_it_is_called_for(
    conn: psycopg.Connection, mail_server: MailServer
) -> None:
    notifier = LowCreditsNotifier()
    assert isinstance(notifier, BaseNotifier)
    notifier(CONTEXT)
    notifier(CONTEXT)
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"crm_conn_id": "no_such_connection", "credit_account": "default"},
        {"crm_conn_id": "lead_mining_crm", "credit_account": "a\nb"},
        {"crm_conn_id": "lead_mining_crm"},
        {},
    ],
)
def test_a_notifier_that_fails_is_a_warning_and_no_more(
    conn: psycopg.Connection, mail_server: MailServer, caplog: pytest.LogCaptureFixture, params: dict[str, str]
) -> None:
    context: Any = {"params": params}
    LowCreditsNotifier()(context)
    (warning,) = warnings(caplog)
    assert "could not be told" in warning
    assert mail_server.mails == []


def test_a_mail_server_that_refuses_does_not_fail_the_task(
    conn: psycopg.Connection, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.refuses = TO
    LowCreditsNotifier()(CONTEXT)
    assert "550" in warnings(caplog)[-1]


def test_every_account_is_tried_before_the_failure_is_told(conn: psycopg.Connection, mail_server: MailServer) -> None:
    for name, address in (("a bounce", "gone@example.com"), ("b full", TO[0]), ("c low", TO[1])):
        accounts.set_up(conn, Account(name, low_balance=50, notify=(address,)))
        top_up(conn, 100 if name == "b full" else 10, name)
    mail_server.refuses = ("gone@example.com",)
    with pytest.raises(AirflowException, match=r"could not be sent:\n  - a bounce: .*\b550\b") as failed:
        send_due_notices("lead_mining_crm")
    assert "c low" not in str(failed.value)
    assert sorted(to for to, _ in mail_server.mails) == [TO, (TO[1],)]
    mail_server.refuses = ()
    assert send_due_notices("lead_mining_crm") == 1
    assert send_due_notices("lead_mining_crm") == 0


def test_a_dag_file_may_import_the_notifier_cheaply() -> None:
    code = (
        "import sys, airflow.sdk; from airflow.sdk import BaseHook, BaseNotifier; before = set(sys.modules);"
        "import lead_mining.notifiers;"
        "print({m.split('.')[0] for m in set(sys.modules) - before} & {'smtplib', 'aiosmtplib', 'psycopg', 'pydantic'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("set()")
