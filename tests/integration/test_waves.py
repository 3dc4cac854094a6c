"""Several paid calls at once: written down together, each answer stored whatever the others do, lost ones settled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from mined_runs import make_run
from statement_counter import counted_statements

from lead_mining import buying, pipeline, provider_calls, runs, waterfall
from lead_mining.audit import audit
from lead_mining.exceptions import (
    LedgerError,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from lead_mining.progress import Progress, progress
from lead_mining.providers.base import Exclusions, Page, Query
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.runs import Run
from lead_mining.sources import Source
from provider_simulator.generate import generate
from provider_simulator.testing import Simulator

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
REQUEST = {"countries": ["US"], "lead_number": 12}
IN_US = sum(row["country_code"] == "US" for row in generate())


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    return f"waves-{request.node.name}"


@pytest.fixture
def provider(simulator: Simulator, token: str, monkeypatch: pytest.MonkeyPatch) -> OdooIap:
    """Four calls at once, of three companies each."""
    monkeypatch.setattr(OdooIap, "answer_within", 0.1)
    monkeypatch.setattr(OdooIap, "page_size", 3)
    return OdooIap(simulator.url, token, "2a8a5d34-0000-4000-8000-000000000001", calls_at_once=4)


def prepared(conn: psycopg.Connection, key: str = "lead_mining/waves", **params: Any) -> Run:
    return runs.get(conn, pipeline.prepare_request(conn, key, REQUEST | params)["run_id"])


@pytest.fixture
def run(conn: psycopg.Connection) -> Run:
    return prepared(conn)


def calls(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Page, slot, state, credits charged and who settled it, in the order of the calls."""
    return conn.execute(
        "SELECT page_number, slot, state, charged, settled_by FROM lead_mining.provider_call ORDER BY id"
    ).fetchall()


def states(conn: psycopg.Connection) -> list[str]:
    return [state for _, _, state, _, _ in calls(conn)]


def mine(
    conn: psycopg.Connection, run: Run, provider: OdooIap, net_new: Callable[[], int], reconnect: Any = None
) -> str:
    source = Source(run.mining_request.provider_conn_id, provider)
    return waterfall.mine(conn, run, [source], net_new, reconnect)


def buy(conn: psycopg.Connection, run: Run, provider: OdooIap, **more: Any) -> str:
    return mine(conn, run, provider, lambda: progress(conn, run.id).companies, **more)


def order(conn: psycopg.Connection, run: Run) -> list[tuple[int, int, str]]:
    """Position, page and reveal id of the candidates."""
    return conn.execute(
        "SELECT position, page_number, company->>'reveal_id' FROM lead_mining.candidate WHERE run_id = %s ORDER BY 1",
        [run.id],
    ).fetchall()


class Answers:
    """Holds answers back, so that they come in the order that a test wants, and does what it wants in between.

    `turns`: for each call of the wave, in the order in which the provider was asked, its turn to be answered.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, turns: list[int], between: Callable[[int], None] | None = None):
        self._turn, self._changed = 0, threading.Condition()
        self._asked = 0
        fetch = OdooIap.fetch

        def held_back(provider: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
            with self._changed:
                number, self._asked = self._asked, self._asked + 1
            if number >= len(turns):
                return fetch(provider, query, limit, cursor, exclude)
            try:
                with self._changed:
                    assert self._changed.wait_for(lambda: self._turn == turns[number], timeout=20)
                if between:
                    between(turns[number])
                return fetch(provider, query, limit, cursor, exclude)
            finally:
                with self._changed:
                    self._turn += 1
                    self._changed.notify_all()

        monkeypatch.setattr(OdooIap, "fetch", held_back)


def test_a_wave_is_written_down_with_one_balance_before_its_calls_are_made(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    seen: list[list[str]] = []
    balances = []
    balance = OdooIap.balance
    fetch = OdooIap.fetch

    def asked(self: OdooIap, fresh: bool) -> int | None:
        balances.append(balance(self))
        return balances[-1]

    def look(self: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        with psycopg.connect(crm_dsn) as another:
            seen.append(states(another))
        return fetch(self, query, limit, cursor, exclude)

    monkeypatch.setattr(OdooIap, "balance", asked)
    monkeypatch.setattr(OdooIap, "fetch", look)
    assert buy(conn, run, provider) == "enough"
    assert [len(found) for found in seen] == [4] * 4, "all are written down before the first is made"
    assert balances == [10_000, 9_988], "and one after all"
    assert calls(conn) == [(n, n, "answered", 3, None) for n in (1, 2, 3, 4)]
    assert conn.execute("SELECT DISTINCT asked, most, balance_before FROM lead_mining.provider_call").fetchall() == [
        (3, 3, 10_000)
    ]


@pytest.mark.parametrize(
    ("leads", "asked"), [(1, [1]), (3, [3]), (4, [3, 1]), (12, [3] * 4), (14, [3, 3, 3, 3, 2]), (25, [3] * 8 + [1])]
)
def test_no_more_is_asked_for_than_is_wanted(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, token: str, leads: int, asked: list[int]
) -> None:
    run = prepared(conn, lead_number=leads)
    assert buy(conn, run, provider) == "enough"
    made = conn.execute("SELECT asked, slot FROM lead_mining.provider_call ORDER BY page_number").fetchall()
    assert made == [(companies, place % 4 + 1) for place, companies in enumerate(asked)]
    assert simulator.account(token)["charged"] == leads


def test_candidates_stand_in_the_order_of_pages_whichever_answer_comes_first(
    conn: psycopg.Connection, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(monkeypatch, [3, 1, 0, 2])
    assert buy(conn, run, provider) == "enough"
    found = order(conn, run)
    assert [position for position, _, _ in found] == list(range(1, 13))
    assert [page for _, page, _ in found] == [page for page in (1, 2, 3, 4) for _ in range(3)]


def test_of_answers_that_are_too_long_only_what_was_asked_for_takes_a_place(
    conn: psycopg.Connection, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = {1: 5, 2: 3, 3: 2, 4: 4, 5: 0}
    numbers = iter(lengths)

    def answer(_: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        page = next(numbers)
        records = [{"company_data": {"clearbit_id": f"{page}-{n}"}} for n in range(lengths[page])]
        return Page(records, records, min(len(records), limit), "more")

    monkeypatch.setattr(OdooIap, "fetch", answer)
    buy(conn, run, provider)
    assert [reveal_id for _, _, reveal_id in order(conn, run)] == [
        *("1-0", "1-1", "1-2", "2-0", "2-1", "2-2", "3-0", "3-1", "4-0", "4-1", "4-2"),
    ]
    assert conn.execute("SELECT rule, count(*) FROM lead_mining.rejection GROUP BY 1").fetchall() == [
        ("no_more_than_asked", 3)
    ]


def test_what_fails_in_a_wave_does_not_cost_the_other_answers(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    simulator.add_fault("http_429", skip=1, seconds=7)
    with pytest.raises(ProviderUnavailable) as raised:
        buy(conn, run, provider)
    assert raised.value.retry_after == 7
    assert sorted(states(conn)) == ["answered"] * 3 + ["not_charged"]
    assert progress(conn, run.id).companies == simulator.account(token)["charged"] == 9
    assert buy(conn, run, provider) == "enough"
    assert simulator.account(token)["charged"] == 12
    assert len({position for position, _, _ in order(conn, run)}) == 12


def test_the_first_error_is_raised_and_one_that_may_have_been_charged_is_never_hidden(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator
) -> None:
    simulator.add_fault("insufficient_credits")
    simulator.add_fault("http_500")
    with pytest.raises(ProviderUnavailable, match="HTTP 500"):
        buy(conn, run, provider)
    assert sorted(states(conn)) == ["answered"] * 2 + ["not_charged", "unknown"]
    assert buy(conn, run, provider) == "enough"
    assert sorted(states(conn)) == ["answered"] * 4 + ["not_charged"] * 2


def test_a_provider_whose_account_runs_dry_in_a_wave_has_sold_what_it_could(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator
) -> None:
    simulator.add_fault("insufficient_credits", skip=2, calls=2)
    assert buy(conn, run, provider) == "the provider's account has no credits left"
    assert progress(conn, run.id).companies == 6


@pytest.mark.parametrize(
    ("fault", "error"), [("insufficient_credits", ProviderCreditsExhausted), ("access_error", ProviderAccessDenied)]
)
def test_a_wave_of_which_every_call_is_refused(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, fault: str, error: type[Exception]
) -> None:
    simulator.add_fault(fault, calls=4)
    with pytest.raises(error):
        buy(conn, run, provider)
    assert states(conn) == ["not_charged"] * 4


@pytest.mark.parametrize("fault", ["cut_off", "charged_then_500"])
def test_a_lost_answer_of_a_wave_that_was_charged_is_a_persons_to_settle(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str, fault: str
) -> None:
    simulator.add_fault(fault, skip=2)
    with pytest.raises(ProviderUnavailable):
        buy(conn, run, provider)
    assert sorted(states(conn)) == ["answered"] * 3 + ["unknown"]
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown, match="its balance is 9988, and would be 9991 if it had not"):
            buy(conn, run, provider)
    assert simulator.account(token)["charged"] == 12, "never bought again by itself"
    (call,) = provider_calls.unsettled(conn, run.id)
    buying.settle_call(conn, call.id, "lost", 3, by="ada")
    assert buy(conn, run, provider) == "the most it may cost is charged"
    assert simulator.account(token)["charged"] == 12 == run.max_cost


def lost_wave(conn: psycopg.Connection, run: Run, provider: OdooIap, made: int) -> list[int]:
    """A wave of four whose process died: `made` of its calls had reached the provider."""
    at, balance = provider_calls.clock(conn), provider.balance()
    ids = [
        provider_calls.intend(
            conn, run.id, slot, 3, 3, asked_at=at, balance_before=balance, answer_within=0.1, slot=slot
        )
        for slot in (1, 2, 3, 4)
    ]
    for _ in range(made):
        provider.fetch(run.mining_request.query(), 3, None, Exclusions())
    return ids


@pytest.mark.parametrize("made", [0, 1, 4])
def test_a_lost_wave_is_settled_by_the_balance_only_where_nothing_of_it_was_charged(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str, made: int
) -> None:
    ids = lost_wave(conn, run, provider, made)
    if not made:
        assert buy(conn, run, provider) == "enough"
        assert calls(conn)[:4] == [(n, n, "not_charged", 0, "balance") for n in (1, 2, 3, 4)]
        return
    with pytest.raises(ProviderOutcomeUnknown) as raised:
        buy(conn, run, provider)
    assert all(f"provider call {id_} " in str(raised.value) for id_ in ids)
    assert f"credits_settle with call {ids[0]}, then with call {ids[1]}" in str(raised.value)
    assert states(conn) == ["unknown"] * 4
    for id_ in ids[:made]:
        buying.settle_call(conn, id_, "lost", 3, by="ada")
    buy(conn, run, provider)
    assert states(conn)[:4] == ["lost"] * made + ["not_charged"] * (4 - made), "the balance tells of the others"
    assert simulator.account(token)["charged"] == 12 == run.max_cost


def test_no_wave_begins_while_a_call_of_an_earlier_one_is_unsettled(
    conn: psycopg.Connection, run: Run, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    ids = lost_wave(conn, run, provider, made=1)
    conn.execute("UPDATE lead_mining.provider_call SET pending_until = now()")
    for id_ in ids[:3]:
        buying.settle_call(conn, id_, "not_charged", 0, by="ada")
    with pytest.raises(ProviderOutcomeUnknown):
        buy(conn, run, provider)
    assert simulator.account(token)["charged"] == 3
    assert len(calls(conn)) == 4


def test_the_database_has_eight_slots_for_the_unsettled_calls_of_a_run(conn: psycopg.Connection, run: Run) -> None:
    def intend(run_id: int, slot: int) -> int:
        at = provider_calls.clock(conn)
        return provider_calls.intend(
            conn, run_id, 1, 3, 3, asked_at=at, balance_before=None, answer_within=0, slot=slot
        )

    for slot in range(1, 9):
        intend(run.id, slot)
    for slot in (1, 8):
        with pytest.raises(psycopg.errors.UniqueViolation, match="one_unsettled_a_run"):
            intend(run.id, slot)
    for slot in (0, 9):
        with pytest.raises(psycopg.errors.CheckViolation):
            intend(run.id, slot)
    intend(make_run(conn), 1)


def test_an_answer_that_comes_after_somebody_has_settled_its_call_does_not_cost_the_others(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(turn: int) -> None:
        if turn == 0:
            with psycopg.connect(crm_dsn, autocommit=True) as other:
                other.execute("UPDATE lead_mining.provider_call SET pending_until = now() WHERE page_number = 1")
                buying.settle_call(other, provider_calls.unsettled(other, run.id)[0].id, "lost", 3, by="ada")

    Answers(monkeypatch, [0, 1, 2, 3], settle)
    with pytest.raises(LedgerError, match="came after somebody had settled it as lost"):
        buy(conn, run, provider)
    assert states(conn) == ["lost", "answered", "answered", "answered"]


def test_all_answers_are_kept_though_the_session_ended_meanwhile(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_the_session(turn: int) -> None:
        if turn == 1:
            with psycopg.connect(crm_dsn, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])

    Answers(monkeypatch, [0, 1, 2, 3], end_the_session)
    with pytest.raises(psycopg.OperationalError):
        buy(conn, run, provider, reconnect=lambda: psycopg.connect(crm_dsn, autocommit=True))
    with psycopg.connect(crm_dsn, autocommit=True) as again:
        assert states(again) == ["answered"] * 4
        assert buy(again, run, provider) == "enough"
        assert states(again) == ["answered"] * 4


def test_two_runs_at_once_on_one_account_leave_a_lost_wave_to_a_person(
    conn: psycopg.Connection, crm_dsn: str, run: Run, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    lost_wave(conn, run, provider, made=0)
    other = prepared(conn, "lead_mining/other")
    with psycopg.connect(crm_dsn, autocommit=True) as session:
        assert buy(session, other, provider) == "enough"
    assert buy(conn, run, provider) == "enough", "what the other has been charged since is known"
    assert simulator.account(token)["charged"] == 24
    again = prepared(conn, "lead_mining/again")
    lost_wave(conn, again, provider, made=0)
    last = prepared(conn, "lead_mining/last")
    lost_wave(conn, last, provider, made=0)
    with pytest.raises(
        ProviderOutcomeUnknown, match=r"cannot tell, as it may have worked at the same time on call \d+, "
    ):
        buy(conn, again, provider)


@pytest.mark.parametrize("calls_at_once", [1, 8])
def test_the_end_of_the_pile(
    conn: psycopg.Connection, simulator: Simulator, token: str, monkeypatch: pytest.MonkeyPatch, calls_at_once: int
) -> None:
    """One call at a time pays for no company twice; more may, and say no more than that there is no more."""
    monkeypatch.setattr(OdooIap, "page_size", 200)
    provider = OdooIap(simulator.url, token, "2a8a5d34-0000-4000-8000-000000000001", calls_at_once=calls_at_once)
    conn.execute(
        "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference)"
        " VALUES ('more', 'top_up', 'default', 9000, 'more')"
    )
    run = prepared(conn, lead_number=IN_US + 900, max_credits=9000)
    assert buy(conn, run, provider) == "the provider has no more"
    bought = [reveal_id for _, _, reveal_id in order(conn, run)]
    assert len(set(bought)) == IN_US
    if calls_at_once == 1:
        assert len(bought) == simulator.account(token)["charged"] == IN_US
    else:
        assert IN_US <= len(bought) == simulator.account(token)["charged"] <= IN_US + 8 * 200


def test_progress_is_the_same_from_page_to_page_and_after_a_crash(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.add_fault("duplicate_companies", skip=2, calls=3)
    simulator.add_fault("repeated_page")
    Answers(monkeypatch, [2, 3, 1, 0, 6, 5, 4])
    run = prepared(conn, lead_number=60)
    seen = []

    def chained(*arguments: Any, **more: Any) -> Progress:
        seen.append(progress(*arguments, **more))
        return seen[-1]

    monkeypatch.setattr(buying, "progress", chained)
    assert mine(conn, run, provider, lambda: 0) == "the provider has no more"
    assert seen[-1] == progress(conn, run.id, provider=run.mining_request.provider_conn_id)
    assert seen[-1].pages == 8
    assert seen[-1].companies < seen[-1].last_position == 24
    assert not seen[-1].more


def test_never_above_what_the_run_may_cost(
    conn: psycopg.Connection, provider: OdooIap, simulator: Simulator, token: str
) -> None:
    people = {"search_type": "people", "contact_number": 2, "preferred_role": "CEO"}
    run = prepared(conn, lead_number=20, max_credits=61, **people)
    stopped = mine(conn, run, provider, lambda: 0)
    (most,) = conn.execute(
        "SELECT max(together) FROM (SELECT sum(most) AS together FROM lead_mining.provider_call GROUP BY asked_at) w"
    ).fetchone()
    charged = simulator.account(token)["charged"]
    assert stopped == "the most it may cost is charged"
    assert most <= 4 * 3 * 3
    assert 61 - 3 < charged <= run.max_cost == 61
    assert audit(conn) == []


def test_a_page_costs_the_same_however_many_came_before(
    conn: psycopg.Connection, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements, and what these read, of the second page and of the twentieth."""
    provider.calls_at_once = 1
    run = prepared(conn, lead_number=63)
    fetch = OdooIap.fetch
    marks: list[int] = []
    balances: list[int] = []
    balance = OdooIap.balance

    with counted_statements(conn) as statements:

        def mark(self: OdooIap, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
            marks.append(len(statements))
            return fetch(self, query, limit, cursor, exclude)

        def count_balance(self: OdooIap, fresh: bool) -> int | None:
            balances.append(len(marks))
            return balance(self)

        monkeypatch.setattr(OdooIap, "fetch", mark)
        monkeypatch.setattr(OdooIap, "balance", count_balance)
        assert buy(conn, run, provider) == "enough"
    pages = [statements[first:last] for first, last in pairwise(marks)]
    assert len(pages) == 20
    assert pages[1] == pages[19], "the same statements"
    assert len(pages[1]) <= 15
    assert balances == list(range(22)), "one before each page, and after the last"


def test_a_wave_asks_once_for_what_concerns_all_its_calls(
    conn: psycopg.Connection, provider: OdooIap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements a page: what is asked once is shared by the calls of the wave."""
    run = prepared(conn, lead_number=60)
    balances: list[int] = []
    balance = OdooIap.balance
    monkeypatch.setattr(OdooIap, "balance", lambda self, fresh: balances.append(1) or balance(self))
    with counted_statements(conn) as statements:
        assert buy(conn, run, provider) == "enough"
    assert len(balances) == 5 + 1, "one a wave of four calls, and one after the last"
    assert statements.count("SELECT clock_timestamp()") == 5
    assert sum("seen_company" in s and "INSERT" in s for s in statements) == 5
    assert sum(s.startswith("COPY lead_mining.candidate") for s in statements) == 20
