"""Paid calls: written down before they are made; one whose answer is lost is settled, never made again by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from mined_runs import lose_call, make_run

from lead_mining import buying, pipeline, provider_calls, runs, waterfall
from lead_mining.exceptions import (
    LedgerError,
    MalformedAnswer,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from lead_mining.progress import progress
from lead_mining.providers.base import Exclusions, Gate, Page, Query
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.runs import Run
from lead_mining.sources import Source
from provider_simulator.testing import Simulator

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
REQUEST = {"countries": ["US"], "lead_number": 9}


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    return f"trial-{request.node.name}"


@pytest.fixture
def provider(simulator: Simulator, token: str, monkeypatch: pytest.MonkeyPatch) -> OdooIap:
    monkeypatch.setattr(OdooIap, "answer_within", 0.1)
    monkeypatch.setattr(OdooIap, "page_size", 3)
    return OdooIap(simulator.url, token, "2a8a5d34-0000-4000-8000-000000000001")


@pytest.fixture
def run(conn: psycopg.Connection) -> Run:
    return runs.get(conn, pipeline.prepare_request(conn, "lead_mining/buying", REQUEST)["run_id"])


def calls(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT page_number, state, charged, settled_by FROM lead_mining.provider_call ORDER BY id"
    ).fetchall()


def mine(
    conn: psycopg.Connection, run: Run, provider: OdooIap, net_new: Callable[[], int], reconnect: Any = None
) -> str:
    source = Source(run.mining_request.provider_conn_id, provider)
    return waterfall.mine(conn, run, [source], net_new, reconnect)


def buy(conn: psycopg.Connection, run: Run, provider: OdooIap, **more: Any) -> str:
    return mine(conn, run, provider, lambda: progress(conn, run.id).companies, **more)


def test_each_call_is_written_down_with_the_balance_before_it(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    assert buy(conn, run, provider) == "enough"
    assert calls(conn) == [(page, "answered", 3, None) for page in (1, 2, 3)]
    known = conn.execute("SELECT asked, most, balance_before FROM lead_mining.provider_call ORDER BY id").fetchall()
    assert known == [(3, 3, 10_000), (3, 3, 9_997), (3, 3, 9_994)]
    assert simulator.account(token)["balance"] == 9_991


def test_a_call_may_be_under_way_as_long_as_it_waits_at_the_gate_and_is_worked_on(
    conn: psycopg.Connection, run: Run, provider: OdooIap
) -> None:
    provider.gate = Gate()
    provider.gate.most_wait = 50.0
    buy(conn, run, provider)
    (seconds,) = conn.execute(
        "SELECT min(extract(epoch FROM pending_until - asked_at))::float8 FROM lead_mining.provider_call"
    ).fetchone()
    assert 50.1 <= seconds < 60


def test_a_call_is_committed_before_it_is_made(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[Any, ...]]] = []
    fetch = OdooIap.fetch

    def look(self: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        with psycopg.connect(crm_dsn) as another:
            seen.append(calls(another))
        return fetch(self, query, limit, cursor, exclude)

    monkeypatch.setattr(OdooIap, "fetch", look)
    buy(conn, run, provider)
    answered = [(page, "answered", 3, None) for page in (1, 2, 3)]
    assert seen == [[*answered[:page], (page + 1, "open", None, None)] for page in range(3)]


@pytest.mark.parametrize(
    ("fault", "after", "again"),
    [
        ("http_429", "not_charged", None),
        ("user_error", "not_charged", None),
        ("access_error", "not_charged", None),
        ("http_500", "unknown", "balance"),
        ("timeout", "unknown", "balance"),
        ("not_json", "unknown", "balance"),
        ("charged_then_500", "unknown", "a person"),
        ("cut_off", "unknown", "a person"),
    ],
)
def test_what_came_of_a_failed_call(
    conn: psycopg.Connection,
    run: Run,
    provider: OdooIap,
    simulator: Simulator,
    token: str,
    fault: str,
    after: str,
    again: str | None,
) -> None:
    simulator.add_fault(fault, skip=1, seconds=0.2)
    with pytest.raises(ProviderError):
        buy(conn, run, provider)
    charged = 0 if after == "not_charged" else None
    assert calls(conn) == [(1, "answered", 3, None), (2, after, charged, None)]
    if again == "a person":
        before = simulator.account(token)["charged"]
        for _ in range(2):
            with pytest.raises(
                ProviderOutcomeUnknown, match=r"its balance is 9994, and would be 9997.*credits_settle with call"
            ):
                buy(conn, run, provider)
        assert simulator.account(token)["charged"] == before, "never bought again by itself"
        return
    assert buy(conn, run, provider) == "enough"
    assert calls(conn)[1] == (2, "not_charged", 0, again)
    assert progress(conn, run.id).companies == 9


@pytest.mark.parametrize("made", [False, True], ids=["before the call", "after the call"])
def test_a_process_that_died_with_a_call_open(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str, made: bool
) -> None:
    at = provider_calls.clock(conn)
    provider_calls.intend(conn, run.id, 1, 3, 3, asked_at=at, balance_before=provider.balance(), answer_within=0.1)
    if made:
        provider.fetch(run.mining_request.query(), 3, None, Exclusions())
        with pytest.raises(ProviderOutcomeUnknown, match="its balance is 9997, and would be 10000 if it had not"):
            buy(conn, run, provider)
        assert calls(conn) == [(1, "unknown", None, None)]
    else:
        assert buy(conn, run, provider) == "enough"
        assert calls(conn)[0] == (1, "not_charged", 0, "balance")


def test_a_provider_that_cannot_tell_its_balance_leaves_it_to_a_person(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_balance(_: OdooIap, fresh: bool) -> int:
        raise ProviderUnavailable("no such service")

    monkeypatch.setattr(OdooIap, "balance", no_balance)
    simulator.add_fault("http_500")
    with pytest.raises(ProviderUnavailable):
        buy(conn, run, provider)
    with pytest.raises(ProviderOutcomeUnknown, match="its balance cannot be asked"):
        buy(conn, run, provider)
    (call,) = provider_calls.unsettled(conn, run.id)
    buying.settle_call(conn, call.id, "not_charged", 0, by="ada")
    assert buy(conn, run, provider) == "enough"


FORGOTTEN = {  # another run's call: when it was asked and surely ended, in seconds from ours; its state; credits
    "long ago, never settled": (-9000, -8000, "unknown", None, False),
    "long ago, and open still": (-9000, -8000, "open", None, False),
    "long ago, settled by a person today": (-9000, -8000, "lost", 3, False),
    "at the same time, settled as free": (-5, 5, "not_charged", 0, False),
    "at the same time, not settled": (-5, 5, "unknown", None, True),
    "at the same time, settled as lost": (-5, 5, "lost", 3, True),
    "later, not settled": (5, 4, "unknown", None, True),
}


@pytest.mark.parametrize(("asked", "ended", "state", "charged", "unclear"), FORGOTTEN.values(), ids=FORGOTTEN)
def test_only_a_call_at_the_same_time_makes_the_balance_say_nothing(
    conn: psycopg.Connection,
    run: Run,
    provider: OdooIap,
    simulator: Simulator,
    asked: int,
    ended: int,
    state: str,
    charged: int | None,
    unclear: bool,
) -> None:
    simulator.add_fault("http_500")
    with pytest.raises(ProviderUnavailable):
        buy(conn, run, provider)
    other = lose_call(conn, make_run(conn), most=3)
    conn.execute(
        "UPDATE lead_mining.provider_call SET provider = 'lead_mining_provider', state = %s, charged = %s,"
        " settled_by = 'ada',"
        " asked_at = ours.at + make_interval(secs => %s), pending_until = ours.at + make_interval(secs => %s),"
        " ended_at = CASE WHEN %s <> 'open' THEN clock_timestamp() + interval '1 min' END"
        " FROM (SELECT asked_at AS at FROM lead_mining.provider_call WHERE run_id = %s) AS ours WHERE id = %s",
        [state, charged, asked, ended, state, run.id, other],
    )
    if unclear:
        said = f"its balance, 10000, cannot tell, as it may have worked at the same time on call {other}"
        with pytest.raises(ProviderOutcomeUnknown, match=said):
            buy(conn, run, provider)
    else:
        assert buy(conn, run, provider) == "enough"
        assert calls(conn)[0] == (1, "not_charged", 0, "balance")


def test_a_balance_that_was_not_known_before_says_nothing(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator
) -> None:
    simulator.add_fault("http_500")
    with pytest.raises(ProviderUnavailable):
        buy(conn, run, provider)
    conn.execute("UPDATE lead_mining.provider_call SET balance_before = NULL")
    with pytest.raises(ProviderOutcomeUnknown, match="its balance is 10000, and was not known before"):
        buy(conn, run, provider)


def test_an_answer_over_which_fetch_fails_is_kept_and_read_when_the_provider_is_mended(
    conn: psycopg.Connection,
    run: Run,
    provider: OdooIap,
    simulator: Simulator,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch = OdooIap.fetch

    def failing(self: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        raise KeyError(fetch(self, query, limit, cursor, exclude).charged)

    with monkeypatch.context() as broken:
        broken.setattr(OdooIap, "fetch", failing)
        with pytest.raises(MalformedAnswer, match=r"failed: KeyError at test_buying.py:[0-9]+$"):
            buy(conn, run, provider)
    (call,) = provider_calls.unsettled(conn, run.id)
    assert call.kept
    with pytest.raises(ProviderOutcomeUnknown, match="its balance is 9997, and would be 10000 if it had not"):
        buy(conn, run, provider)

    def page_of(_: OdooIap, raw: Any) -> Page:
        return Page(raw, raw["result"]["data"], 3, "more")

    monkeypatch.setattr(OdooIap, "page_of", page_of)
    assert buy(conn, run, provider) == "enough"
    assert calls(conn) == [(page, "answered", 3, None) for page in (1, 2, 3)]
    assert simulator.account(token)["charged"] == 9


def test_what_was_lost_counts_for_the_most_a_run_may_cost(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    simulator.add_fault("charged_then_500", skip=1)
    with pytest.raises(ProviderUnavailable):
        buy(conn, run, provider)
    (call,) = provider_calls.unsettled(conn, run.id)
    buying.settle_call(conn, call.id, "lost", 3, by="ada")
    assert buy(conn, run, provider) == "the most it may cost is charged"
    assert simulator.account(token)["charged"] == run.max_cost == 9
    assert calls(conn) == [(1, "answered", 3, None), (2, "lost", 3, "ada"), (2, "answered", 3, None)]


def test_a_call_is_settled_once_and_the_same_again_changes_nothing(conn: psycopg.Connection, run: Run) -> None:
    call_id = lose_call(conn, run.id, most=20)
    with pytest.raises(LedgerError, match="can have cost 20 credits at most, not 21"):
        buying.settle_call(conn, call_id, "lost", 21, by="ada")
    for _ in range(2):
        buying.settle_call(conn, call_id, "lost", 12, by="ada")
    for outcome, charged, by in (("lost", 13, "ada"), ("not_charged", 0, "ada"), ("lost", 12, "bob")):
        with pytest.raises(LedgerError, match="is settled already: lost"):
            buying.settle_call(conn, call_id, outcome, charged, by=by)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match="there is no provider call"):
        buying.settle_call(conn, 2**62, "lost", 1, by="ada")


def test_a_call_that_the_provider_may_be_at_work_on_is_not_settled(conn: psycopg.Connection, run: Run) -> None:
    call_id = lose_call(conn, run.id, answer_within=600)
    with pytest.raises(LedgerError, match=r"may still be at work on call \d+: settle it after \d\d:\d\d:\d\d UTC"):
        buying.settle_call(conn, call_id, "not_charged", 0, by="ada")


def test_the_database_refuses_a_second_call_and_a_second_answer(conn: psycopg.Connection, run: Run) -> None:
    def intend() -> int:
        at = provider_calls.clock(conn)
        return provider_calls.intend(conn, run.id, 1, 3, 3, asked_at=at, balance_before=None, answer_within=0)

    first = intend()
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_unsettled_a_run"):
        intend()
    assert provider_calls.answered(conn, first, 3)
    assert not provider_calls.answered(conn, first, 3), "it has ended"
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_answer_a_page"):
        provider_calls.answered(conn, intend(), 3)


def interrupted(monkeypatch: pytest.MonkeyPatch, conn: psycopg.Connection, act: Callable[[], None]) -> None:
    """While the provider answers the first call, something happens."""
    fetch = OdooIap.fetch

    def slow(self: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        page = fetch(self, query, limit, cursor, exclude)
        monkeypatch.setattr(OdooIap, "fetch", fetch)
        act()
        return page

    monkeypatch.setattr(OdooIap, "fetch", slow)


def test_an_answer_is_kept_though_the_session_ended_meanwhile(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_the_session() -> None:
        with psycopg.connect(crm_dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])

    interrupted(monkeypatch, conn, end_the_session)
    with pytest.raises(psycopg.OperationalError):
        buy(conn, run, provider, reconnect=lambda: psycopg.connect(crm_dsn, autocommit=True))
    with psycopg.connect(crm_dsn, autocommit=True) as again:
        assert calls(again) == [(1, "answered", 3, None)]
        assert buy(again, run, provider) == "enough"
        assert calls(again) == [(page, "answered", 3, None) for page in (1, 2, 3)]


def test_an_answer_that_comes_after_somebody_has_settled_its_call(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle() -> None:
        with psycopg.connect(crm_dsn, autocommit=True) as other:
            other.execute("UPDATE lead_mining.provider_call SET pending_until = now()")
            (call,) = provider_calls.unsettled(other, run.id)
            buying.settle_call(other, call.id, "lost", 3, by="ada")

    interrupted(monkeypatch, conn, settle)
    with pytest.raises(LedgerError, match="came after somebody had settled it as lost"):
        buy(conn, run, provider)
    assert calls(conn) == [(1, "lost", 3, "ada")]
