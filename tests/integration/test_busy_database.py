"""What was paid for outlasts a database that cannot for a while: locks, a full disk, cancelled queries, lost sessions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from busy_database import Trouble, cancelling, failing, locked, make_breakable
from fake_sellers import Breaker, company

from lead_mining import patience, pipeline, runs
from lead_mining.audit import audit
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.runs import Run
from lead_mining.sources import Source

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
FIRMS = ["Alpha", "Beta", "Gamma", "Delta", "Eps"]
REQUEST = {"countries": ["DE"], "lead_number": 5, "provider_conn_id": "mirrored", "credit_account": "mirror"}
WHOLE = "LOCK TABLE lead_mining.{} IN ACCESS EXCLUSIVE MODE"
LOCKS = {
    **{table: WHOLE.format(table) for table in ("provider_answer", "provider_call", "raw_page", "candidate", "run")},
    "the account's row": "SELECT FROM lead_mining.ledger_account WHERE owner = 'mirror' FOR UPDATE",
    "the hold's row": "SELECT FROM lead_mining.hold FOR UPDATE",
    "the call's row": "SELECT FROM lead_mining.provider_call FOR UPDATE",
}
TROUBLES: dict[str, Callable[[str], Any]] = {
    **{f"lock on {what}": partial(locked, statement=lock) for what, lock in LOCKS.items()},
    "deadlock": partial(failing, code="40P01"),
    "no serial order": partial(failing, code="40001"),
    "disk full": partial(failing, code="53100"),
    "out of memory": partial(failing, code="53200"),
    "read only": partial(failing, code="25006"),
    "cancelled keeping it": partial(cancelling, statement=LOCKS["provider_answer"]),
    "cancelled storing it": partial(cancelling, statement=LOCKS["candidate"]),
    "session ended keeping it": partial(cancelling, statement=LOCKS["provider_answer"], how="pg_terminate_backend"),
    "session ended storing it": partial(cancelling, statement=LOCKS["candidate"], how="pg_terminate_backend"),
}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(patience, "LOCK_WAIT", "50ms")
    monkeypatch.setenv("LEAD_MINING_KEPT_ANSWERS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def provider() -> Breaker:
    return Breaker("mirrored", [company(firm, "mirrored") for firm in FIRMS])


@pytest.fixture
def run(conn: psycopg.Connection) -> Run:
    accounts.set_up(conn, Account("mirror", provider_conn_id="mirrored"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 1000, "opening", "opening balance")
    make_breakable(conn)
    return runs.get(conn, pipeline.prepare_request(conn, "lead_mining/busy", REQUEST)["run_id"])


def extract(dsn: str, run: Run, provider: Breaker) -> dict[str, Any]:
    """In a session of its own, as a task has it."""
    connect = partial(psycopg.connect, dsn, autocommit=True)
    with connect() as conn:
        return pipeline.extract(conn, run.id, [Source("mirrored", provider)], reconnect=connect)


def during_the_call(provider: Breaker, trouble: Trouble) -> None:
    def begin(page: Any) -> Any:
        trouble.start()
        return page

    provider.spoil = begin


def check_all_is_stored(conn: psycopg.Connection, provider: Breaker) -> None:
    stored = conn.execute(
        "SELECT state, charged, (SELECT sum(charged) FROM lead_mining.raw_page), (SELECT count(*) FROM"
        " lead_mining.candidate), (SELECT count(*) FROM lead_mining.provider_answer) FROM lead_mining.provider_call"
    ).fetchall()
    assert stored == [("answered", 5, 5, 5, 0)]
    assert provider.charged == 5
    assert ledger.balance(conn, "mirror").spent == 5
    assert audit(conn) == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_paid_for_is_stored_once_the_database_can(
    conn: psycopg.Connection,
    crm_dsn: str,
    run: Run,
    provider: Breaker,
    kept: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    begun = Trouble(partial(TROUBLES[trouble], crm_dsn), seconds=0.4)
    during_the_call(provider, begun)
    if trouble.startswith("session ended"):
        with pytest.raises(psycopg.OperationalError, match="what was bought is stored"):
            extract(crm_dsn, run, provider)
    assert extract(crm_dsn, run, provider)["provider_charged"] == 5
    assert "the CRM's database cannot at the moment" in caplog.text
    check_all_is_stored(conn, provider)
    assert list(kept.glob("*")) == []


@pytest.mark.parametrize(
    "trouble", ["lock on provider_answer", "disk full", "lock on candidate", "lock on provider_call"]
)
def test_what_the_database_does_not_take_in_time_is_read_when_the_step_is_repeated(
    conn: psycopg.Connection,
    crm_dsn: str,
    run: Run,
    provider: Breaker,
    kept: Path,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "KEEP_TRYING", 0.2)
    begun = Trouble(partial(TROUBLES[trouble], crm_dsn), seconds=0.8)
    during_the_call(provider, begun)
    with pytest.raises(psycopg.OperationalError):
        extract(crm_dsn, run, provider)
    if trouble in ("lock on provider_answer", "disk full"):
        (file,) = kept.glob("*")
        assert file.stat().st_mode & 0o777 == 0o600
    begun.join()
    assert extract(crm_dsn, run, provider)["provider_charged"] == 5
    check_all_is_stored(conn, provider)
    assert list(kept.glob("*")) == []
