"""Limits of an account at a provider: never exceeded by all who call it together, well used, and kept by who waits."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest
from crm_role import apply_role, logged_in
from databases import ledger_database
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_time import SimulatedTime

from lead_mining.exceptions import ProviderBusy, ProviderUnavailable
from lead_mining.providers.base import Gate, Rate
from lead_mining.rate_limits import MOST_WAIT, SharedGate
from provider_simulator.testing import Simulator

TEN_A_MINUTE = {"search": (Rate(10, 60),)}


@pytest.fixture(scope="module")
def dsn(postgres_server: str) -> Iterator[str]:
    with ledger_database(postgres_server) as dsn:
        yield dsn


class World:
    """Gates of one account, in a simulated time, over one real database."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.time, self.account = dsn, SimulatedTime(), uuid.uuid4().hex
        self.sessions = ExitStack()

    def connect(self) -> psycopg.Connection:
        return self.sessions.enter_context(psycopg.connect(self.dsn, autocommit=True))

    def gate(
        self, rates: dict[str, tuple[Rate, ...]] = TEN_A_MINUTE, sleep: Callable[[float], None] | None = None
    ) -> SharedGate:
        return SharedGate(
            self.connect, self.account, rates, clock=lambda _: self.time.now(), sleep=sleep or self.time.sleep
        )

    def slots(self) -> int:
        with psycopg.connect(self.dsn) as conn:
            found = conn.execute("SELECT count(*) FROM lead_mining.provider_slot WHERE provider = %s", [self.account])
            return int(found.fetchone()[0])  # type: ignore[index]


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    world = World(dsn)
    with world.sessions:
        yield world


class Killed(BaseException):
    """What becomes of a process."""


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_four_workers_never_exceed_ten_a_minute_and_use_nine_tenths_of_it(dsn: str, seed: int) -> None:
    """Five simulated minutes, with calls of 0 to 5 s, a 429 with Retry-After 20, and a worker killed as it waits."""
    chance, world = random.Random(seed), World(dsn)
    arrivals: list[float] = []
    pauses: list[tuple[float, float]] = []
    refused_call = chance.randrange(5, 40)

    def work(gate: SharedGate) -> None:
        while world.time.seconds < 300:
            gate.enter("search")
            arrivals.append(world.time.seconds)
            refused = len(arrivals) == refused_call
            world.time.sleep(chance.uniform(0, 5))
            if refused:
                pauses.append((world.time.seconds, world.time.seconds + 20))
            gate.tell("search", wait=20 if refused else None)

    def work_until_killed() -> None:
        def killed(seconds: float) -> None:
            world.time.sleep(seconds / 2)
            raise Killed

        with pytest.raises(Killed):
            work(world.gate(sleep=killed))

    with world.sessions:
        world.time.run(*(partial(work, world.gate()) for _ in range(4)), work_until_killed)

    in_time = [at for at in arrivals if at < 300]
    for first, eleventh in zip(in_time, in_time[10:], strict=False):
        assert eleventh - first > 60, "more than ten in a minute"
    assert len(in_time) >= 45, f"{len(in_time)} of 50 calls made"
    assert len(pauses) == 1
    began, ended = pauses[0]
    assert not [at for at in arrivals if began < at < ended - 0.001], "called in a pause that was asked for"


_WORKER = """
import sys, time, psycopg
from lead_mining.providers.base import Exclusions, Query, Rate
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.rate_limits import SharedGate

dsn, url = sys.argv[1:]
provider = OdooIap(url, "a-token", "db")
provider.fetch(Query(("US",)), 1, None, Exclusions())
rates = {"search": [Rate(10, 2)]}
provider.gate = SharedGate(lambda: psycopg.connect(dsn, autocommit=True), "an_account", rates)
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + 10
while time.monotonic() < end:
    provider.fetch(Query(("US",)), 1, None, Exclusions())
"""


def test_four_processes_never_exceed_a_real_limit(
    dsn: str, simulator: Simulator, record_property: Callable[[str, object], None]
) -> None:
    """Ten calls in 2 s, for 10 s: five minutes of ten a minute, thirty times as fast. How much is used depends on what
    else the machine does; the test in simulated time holds that."""
    command = [sys.executable, "-c", _WORKER, dsn, simulator.url]
    with ExitStack() as processes:
        workers = [
            processes.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(4)
        ]
        for worker in workers:
            assert worker.stdout
            assert worker.stdout.readline() == "ready\n"
        simulator.clear_limits()
        simulator.limit("odoo_iap", "search", 10, 2)
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0, 0]
    arrivals = simulator.arrivals("a-token", "odoo_iap", "search")
    simulator.clear_limits()
    assert not [arrival for arrival in arrivals if arrival["refused"]]
    in_time = [arrival for arrival in arrivals if arrival["at"] < arrivals[0]["at"] + 10]
    record_property("rate limit", f"{len(in_time)} of 50 calls made in five windows by four processes, none refused")
    assert len(in_time) >= 35


def test_several_windows_hold_at_once(world: World) -> None:
    gate = world.gate({"search": (Rate(2, 1), Rate(6, 10))})
    arrivals = []

    def work() -> None:
        for _ in range(20):
            gate.enter("search")
            arrivals.append(world.time.seconds)

    world.time.run(work)
    assert all(third - first > 1 for first, third in zip(arrivals, arrivals[2:], strict=False))
    assert all(seventh - first > 10 for first, seventh in zip(arrivals, arrivals[6:], strict=False))
    assert arrivals[-1] < 33, "no slower than the windows want"
    assert world.slots() <= 8, "what no window looks back to is forgotten"


def test_buckets_and_accounts_do_not_wait_for_one_another(world: World, dsn: str) -> None:
    gate, other = world.gate({"search": (Rate(1, 60),), "enrich": (Rate(1, 60),)}), World(dsn)

    def work() -> None:
        gate.enter("search")
        gate.enter("enrich")
        gate.enter("not limited")
        gate.enter("not limited")
        other.gate({"search": (Rate(1, 60),)}).enter("search")
        assert world.time.seconds == 0
        gate.enter("search")
        assert world.time.seconds == pytest.approx(63)

    with other.sessions:
        world.time.run(work)


def test_who_would_wait_too_long_is_put_off_until_then_and_keeps_no_slot(world: World) -> None:
    gate = world.gate({"search": (Rate(1, 3600),)})
    gate.enter("search")
    with pytest.raises(ProviderBusy, match=r"is not called before 2026-01-01 01:03:00 UTC: its limit of calls") as busy:
        gate.enter("search")
    assert busy.value.retry_at == world.time.now() + timedelta(seconds=3780)
    assert busy.value.charge == "none"
    assert world.slots() == 1


def test_a_pause_asked_for_meanwhile_holds_for_who_is_waiting_and_its_slot_is_given_back(world: World) -> None:
    waiting, other = world.gate({"search": (Rate(1, 60),)}), world.gate({"search": (Rate(1, 60),)})
    waiting.enter("search")

    def wait() -> None:
        with pytest.raises(ProviderBusy, match="it wants no call until then") as busy:
            waiting.enter("search")
        assert world.time.seconds == pytest.approx(63)
        assert (busy.value.retry_at - world.time.now()).total_seconds() == pytest.approx(10 + 600 - 63)

    def be_refused() -> None:
        world.time.sleep(10)
        other.tell("search", wait=600)
        other.tell("search", wait=1)  # a shorter pause does not end a longer one

    world.time.run(wait, be_refused)
    assert world.slots() == 1


def test_nobody_waits_longer_than_the_most_however_often_a_pause_is_asked_for(world: World) -> None:
    gate, other = world.gate(), world.gate()
    gate.tell("search")
    gate.enter("search")
    gate.tell("search", wait=50)

    def wait() -> None:
        with pytest.raises(ProviderBusy):
            gate.enter("search")
        assert world.time.seconds <= MOST_WAIT

    def go_on_refusing() -> None:
        for _ in range(4):
            world.time.sleep(40)
            other.tell("search", wait=50)

    world.time.run(wait, go_on_refusing)


# -- the circuit -----------------------------------------------------------------------------------------------------


def fail(gate: Gate, times: int) -> None:
    for _ in range(times):
        gate.tell("search", failed=True)


def test_after_five_failures_in_a_row_nothing_is_called_until_one_has_tried(world: World) -> None:
    gate, tried = world.gate({}), []
    gate.enter("search")
    fail(gate, 4)
    gate.enter("search")
    gate.tell("search")
    fail(gate, 4)
    gate.enter("people")
    fail(gate, 1)

    def work() -> None:
        own = world.gate({})
        try:
            own.enter("people")
        except ProviderBusy as busy:
            tried.append(str(busy).partition(": ")[2])
        else:
            tried.append(f"tried after {world.time.seconds:.0f} s")

    world.time.run(work, work, work)
    assert sorted(tried) == ["it failed several times in a row"] * 2 + ["tried after 30 s"]
    gate.tell("people")
    gate.enter("search")
    assert world.time.seconds == 30


def test_pauses_grow_to_ten_minutes(world: World) -> None:
    gate, waited = world.gate({}), []

    def work() -> None:
        gate.enter("search")
        fail(gate, 5)
        for _ in range(7):
            failed_at = world.time.seconds
            try:
                gate.enter("search")
            except ProviderBusy as busy:
                world.time.sleep((busy.retry_at - world.time.now()).total_seconds())
                gate.enter("search")
            waited.append(round(world.time.seconds - failed_at))
            fail(gate, 1)

    world.time.run(work)
    assert waited == [30, 60, 120, 240, 480, 600, 600]


# -- a clock that is put back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "longest"),
    [
        pytest.param(lambda gate: gate.enter("search"), 63, id="a slot"),
        pytest.param(lambda gate: gate.tell("search", wait=30), 86_400, id="a pause asked for"),
        pytest.param(lambda gate: gate.tell("search", wait=1e9), 86_400, id="a pause of years"),
        pytest.param(lambda gate: fail(gate, 5), 600, id="an open circuit"),
    ],
)
def test_a_clock_that_was_ahead_blocks_nobody_for_longer_than_a_right_one(
    world: World, before: Callable[[Gate], None], longest: float
) -> None:
    gate = world.gate({"search": (Rate(1, 60),)})
    gate.tell("search")
    gate.enter("search")
    world.time.seconds = 10 * 365 * 86_400.0
    before(gate)
    world.time.seconds = 0.0

    def work() -> None:
        while True:
            try:
                return gate.enter("search")
            except ProviderBusy as busy:
                world.time.sleep((busy.retry_at - world.time.now()).total_seconds())

    world.time.run(work)
    assert world.time.seconds <= longest + 63


# -- the database ----------------------------------------------------------------------------------------------------


def test_without_the_database_nothing_is_called(world: World) -> None:
    def refused() -> psycopg.Connection:
        raise psycopg.OperationalError("the database is away")

    gate = SharedGate(refused, world.account, TEN_A_MINUTE)
    with pytest.raises(ProviderUnavailable, match="the database that counts its calls fails") as caught:
        gate.enter("search")
    assert caught.value.charge == "none"


def test_what_came_of_a_call_is_told_without_an_error_though_the_database_is_away(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def refused() -> psycopg.Connection:
        raise psycopg.OperationalError("the database is away")

    SharedGate(refused, world.account, TEN_A_MINUTE).tell("search", failed=True)
    assert "is not counted (OperationalError)" in caplog.text


def test_a_session_that_has_gone_is_opened_anew(world: World) -> None:
    gate = world.gate()
    gate.enter("search")
    with psycopg.connect(world.dsn, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    gate.enter("search")
    assert world.slots() == 2


def test_threads_may_share_a_gate(world: World) -> None:
    gate = SharedGate(world.connect, world.account, {"search": (Rate(100, 60),)})
    threads = [threading.Thread(target=gate.enter, args=("search",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.slots() == 8


@pytest.mark.parametrize("crm_kind", ["embedded"])
def test_the_role_may_do_what_a_gate_does(crm_dsn: str) -> None:
    with psycopg.connect(crm_dsn, autocommit=True) as owner:
        apply_role(owner)
        with logged_in(owner) as conn:
            now = datetime(2026, 1, 1, tzinfo=UTC)
            gate = SharedGate(lambda: conn, "an account", {"search": (Rate(1, 60),)}, clock=lambda _: now)
            gate.enter("search")
            fail(gate, 5)
            gate.tell("search", wait=5)
            now += timedelta(seconds=100)
            gate.enter("search")
            gate.tell("search")
            count = owner.execute("SELECT count(*) FROM lead_mining.provider_slot").fetchone()
            assert count == (1,), "what is old is forgotten"
