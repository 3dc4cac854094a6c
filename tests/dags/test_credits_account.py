"""The DAG credits_account: its form, what it sets, and the opening balance of an account that mirrors a provider's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, function, load, validated

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import ProviderUnavailable

GOOD = {
    "credit_account": "team Ü",
    "provider_conn_id": None,
    "monthly_budget": 300,
    "low_balance": 50,
    "refund_days": 14,
    "notify": ["ops@example.com", "sales@bücher.example", "ops@example.com"],
    "crm_conn_id": "lead_mining_crm",
}
MIRROR = {"credit_account": "mirror", "provider_conn_id": "a_provider"}


class Provider:
    """One that tells what it is made to tell."""

    def __init__(self, told: int | Exception | None) -> None:
        self.told, self.asked = told, 0

    def balance(self) -> int | None:
        self.asked += 1
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


@pytest.fixture
def dag() -> DAG:
    return load("credits_account")


def tell(dag: DAG, told: int | Exception | None) -> Provider:
    """Every connection is a provider with that balance from now on."""
    provider = Provider(told)
    function(dag, "set_up_account").__globals__["provider_for"] = lambda conn_id: provider
    return provider


def settings(conn: psycopg.Connection, name: str) -> Account:
    return accounts.find(conn, name)


def set_up(dag: DAG, conf: dict[str, Any]) -> Any:
    return call(dag, "set_up_account", conf)


def test_all_but_the_account_has_a_default_that_sets_nothing(dag: DAG) -> None:
    assert validated(dag, {}) == {
        "credit_account": "default",
        "provider_conn_id": None,
        "monthly_budget": None,
        "low_balance": None,
        "refund_days": 30,
        "notify": [],
        "crm_conn_id": "lead_mining_crm",
    }


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("credit_account", [None, "", " default", "x" * 201, 7]),
        ("provider_conn_id", ["", 7, "x" * 151]),
        ("monthly_budget", [-1, 1.5, "5", 2**31, True]),
        ("low_balance", [0, -1, 1.5, "5", 2**31]),
        ("refund_days", [None, -1, 3651, "5"]),
        ("notify", ["ops@example.com", [7], [""], [None], ["x" * 255]]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_what_is_no_setting(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


def test_an_account_is_opened_and_changed(dag: DAG, conn: psycopg.Connection) -> None:
    assert set_up(dag, GOOD) == {"opening_balance": 0, "available": 0}
    addresses = ("ops@example.com", "sales@xn--bcher-kva.example")  # as SMTP takes them, each once
    assert settings(conn, "team Ü") == Account("team Ü", None, 300, 50, 14, addresses)
    with conn.transaction():
        ledger.top_up(conn, "team Ü", 100, "t", "invoice")
    assert set_up(dag, {"credit_account": "team Ü", "notify": None}) == {"opening_balance": 0, "available": 100}
    assert settings(conn, "team Ü") == Account("team Ü"), "the form replaces all settings"


@pytest.mark.parametrize(
    "address",
    [
        "ops",
        "ops@",
        "ops@example.com\nBcc: all@example.com",
        "ops@example.com, all@example.com",
        "Ops <ops@example.com>",
        "öps@example.com",
        "ops@exa mple.com",
    ],
)
def test_what_is_no_address_is_named_and_nothing_is_set(dag: DAG, conn: psycopg.Connection, address: str) -> None:
    with pytest.raises(AirflowFailException, match="notify: ") as refused:
        set_up(dag, GOOD | {"notify": ["ops@example.com", address]})
    assert repr(address) in str(refused.value)
    assert settings(conn, "team Ü") == Account("team Ü")


def test_a_mirror_opens_with_what_its_provider_says_once(dag: DAG, conn: psycopg.Connection) -> None:
    provider = tell(dag, 420)
    assert set_up(dag, MIRROR) == {"opening_balance": 420, "available": 420}
    tell(dag, 400)  # it has sold something since
    assert set_up(dag, MIRROR | {"low_balance": 50}) == {"opening_balance": 0, "available": 420}
    assert provider.asked == 1
    assert settings(conn, "mirror") == Account("mirror", "a_provider", low_balance=50)
    booked = conn.execute("SELECT key, kind, credits, reference FROM lead_mining.ledger_transaction").fetchall()
    assert booked == [("opening/mirror", "top_up", 420, "opening balance told by a_provider")]


def test_a_mirror_of_an_empty_account_opens_empty(dag: DAG, conn: psycopg.Connection) -> None:
    tell(dag, 0)
    assert set_up(dag, MIRROR) == {"opening_balance": 0, "available": 0}
    assert settings(conn, "mirror").mirrored


@pytest.mark.parametrize(
    ("told", "raised", "match"),
    [
        (None, AirflowFailException, "provider_conn_id: 'a_provider'.*cannot tell its balance"),
        (ProviderUnavailable("timed out"), ProviderUnavailable, "timed out"),  # worth a retry
        (-5, AirflowFailException, "credits: -5 is not allowed"),
    ],
)
def test_a_mirror_is_not_opened_without_a_balance(
    dag: DAG, conn: psycopg.Connection, told: int | Exception | None, raised: type[Exception], match: str
) -> None:
    tell(dag, told)
    with pytest.raises(raised, match=match):
        set_up(dag, MIRROR)
    assert settings(conn, "mirror") == Account("mirror")
    assert ledger.balance(conn, "mirror") == Balance()


def test_an_account_with_entries_becomes_no_mirror(dag: DAG, conn: psycopg.Connection) -> None:
    with conn.transaction():
        ledger.top_up(conn, "mirror", 100, "t", "invoice")
    tell(dag, 420)
    with pytest.raises(AirflowFailException, match="is local and has entries"):
        set_up(dag, MIRROR)
    assert ledger.balance(conn, "mirror") == Balance(available=100)


def test_one_provider_account_has_one_mirror(dag: DAG, conn: psycopg.Connection) -> None:
    tell(dag, 420)
    set_up(dag, MIRROR)
    with pytest.raises(AirflowFailException, match="'mirror' mirrors the account of 'a_provider' already"):
        set_up(dag, MIRROR | {"credit_account": "second"})
    assert settings(conn, "second") == Account("second")
    assert set_up(dag, {"credit_account": "second", "provider_conn_id": "another"})["opening_balance"] == 420


def test_a_connection_that_is_none_is_named(dag: DAG, ledger_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_PROVIDER", '{"conn_type": "http"}')
    with pytest.raises(AirflowFailException, match=r"provider_conn_id: 'a_provider'.*its type is 'http'"):
        set_up(dag, MIRROR)
