"""Real runs of the credit DAGs that people trigger, one after the other, in an Airflow of their own."""

from __future__ import annotations

from pathlib import Path

import psycopg
from credit_dags import run_in_airflow
from mined_runs import lose_call, make_run, mine

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance


def test_an_account_is_set_up_filled_refunded_and_settled(
    tmp_path: Path, ledger_dsn: str, conn: psycopg.Connection
) -> None:
    accounts.set_up(conn, Account("mirror", "a_provider"))
    with conn.transaction():
        ledger.top_up(conn, "default", 100, "t", "invoice")
        ledger.top_up(conn, "mirror", 100, "t2", "invoice")
        call_id = lose_call(conn, make_run(conn, "mirror", "LMR002"))
    mine(conn, "default", {71: 2})
    done = run_in_airflow(
        tmp_path,
        ledger_dsn,
        ("credits_account", {"refund_days": 7, "notify": ["ops@example.com"]}),
        ("credits_top_up", {"credits": 50, "reference": "INV/7"}),
        ("credits_refund", {"lead_ids": ["71"], "reason": "closed"}),
        ("credits_refund", {"lead_ids": ["72"], "reason": "closed"}),
        ("credits_settle", {"call": call_id, "outcome": "lost", "charged": 12}),
        ("credits_settle", {"call": call_id, "outcome": "not_charged"}),
        ("credits_charge", {"credit_account": "mirror", "credits": 8, "reference": "used by hand"}),
        ("credits_charge", {"credit_account": "default", "credits": 8, "reference": "used by hand"}),
    )
    assert [[state, *(returned for _, returned in tasks.values())] for state, tasks in done] == [
        ["success", {"opening_balance": 0, "available": 97}],
        ["success", {"added": 50, "available": 147}],
        ["success", {"leads": 1, "credits": 3}],
        ["failed", None],  # lead mining did not load it
        ["success", {"call": call_id, "outcome": "lost", "charged": 12}],
        ["failed", None],  # it is settled
        ["success", {"taken": 8, "available": 80}],
        ["failed", None],  # a local account
    ]
    assert ledger.balance(conn, "default") == Balance(available=150)
    assert ledger.balance(conn, "mirror") == Balance(available=80, spent=20)
    settled_by = conn.execute("SELECT settled_by FROM lead_mining.provider_call").fetchone()
    assert settled_by == ("dag_test",), "whom Airflow says to have triggered a run of its dag.test()"
