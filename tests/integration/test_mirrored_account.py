"""An account that mirrors one at a provider: each call is paid as it is charged, and the balances stay equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mined_runs import lose_call, make_run, set_aside

from lead_mining import buying, pipeline, provider_calls, reconciliation
from lead_mining.audit import audit
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InvalidRequest, ProviderUnavailable
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import Simulator, running_simulator

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
KEY = "lead_mining/mirrored"
CONN_ID = "lead_mining_provider"
REQUEST = {
    "countries": ["US", "DE"],
    "search_type": "people",
    "lead_number": 9,
    "contact_number": 2,
    "preferred_role": "CEO",
    "credit_account": "mirror",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(credits=500) as running:
        yield running


@pytest.fixture
def provider(simulator: Simulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> OdooIap:
    monkeypatch.setattr(OdooIap, "answer_within", 0.1)
    monkeypatch.setattr(OdooIap, "page_size", 3)
    simulator.clear_faults()
    return OdooIap(simulator.url, f"trial-{request.node.name}", "2a8a5d34-0000-4000-8000-000000000003")


@pytest.fixture
def mirror(conn: psycopg.Connection) -> psycopg.Connection:
    """A CRM with the mirror of an account that has 500 credits."""
    accounts.set_up(conn, Account("mirror", provider_conn_id=CONN_ID))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 500, "opening", "opening balance")
    return conn


@pytest.fixture
def mine(mirror: psycopg.Connection, provider: OdooIap, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def mine(**params: Any) -> dict[str, Any]:
        run_id = pipeline.prepare_request(mirror, KEY, REQUEST | params)["run_id"]
        pipeline.extract(mirror, run_id, provider)
        pipeline.validate(mirror, run_id, tmp_path)
        pipeline.deduplicate(mirror, run_id)
        debit = pipeline.debit_credits(mirror, run_id)
        load = pipeline.load_leads(mirror, run_id)
        pipeline.write_enrichment_notes(mirror, run_id)
        pipeline.release(mirror, KEY)
        return {"debit": debit, "load": load}

    return mine


def balances(conn: psycopg.Connection, provider: OdooIap) -> tuple[int, int | None]:
    ours = ledger.balance(conn, "mirror")
    return ours.available + ours.held, provider.balance()


def test_a_run_pays_each_call_and_nothing_for_the_load(
    mirror: psycopg.Connection, mine: Callable[..., dict[str, Any]], provider: OdooIap, simulator: Simulator
) -> None:
    simulator.add_fault("duplicate_companies")
    done = mine()
    assert done["load"]["leads"] > 0
    assert (done["debit"]["held"], done["load"]["captured"]) == (0, 0)
    ours, theirs = balances(mirror, provider)
    assert ours == theirs < 500
    by_call = mirror.execute(
        "SELECT k.charged, sum(t.credits) FROM lead_mining.provider_call k"
        " JOIN lead_mining.ledger_transaction t ON t.call_id = k.id GROUP BY k.id"
    ).fetchall()
    assert len(by_call) >= 3
    assert all(charged == paid for charged, paid in by_call)
    assert ledger.balance(mirror, "mirror").spent > sum(done["load"][what] for what in ("leads", "contacts"))
    assert audit(mirror) == []


def test_after_a_page_was_lost_and_settled_the_balances_are_equal(
    mirror: psycopg.Connection, mine: Callable[..., dict[str, Any]], provider: OdooIap, simulator: Simulator
) -> None:
    simulator.add_fault("charged_then_500", skip=1)
    with pytest.raises(ProviderUnavailable):
        mine()
    ours, theirs = balances(mirror, provider)
    assert theirs is not None
    (call,) = reconciliation.unsettled_calls(mirror)
    buying.settle_call(mirror, call.id, "lost", ours - theirs, by="ada")
    assert balances(mirror, provider) == (theirs, theirs)
    mine()
    ours, theirs = balances(mirror, provider)
    assert ours == theirs
    assert audit(mirror) == []


def test_a_mirror_pays_its_own_provider_alone(mirror: psycopg.Connection) -> None:
    with pytest.raises(InvalidRequest, match=f"it mirrors the account of the connection '{CONN_ID}'"):
        pipeline.prepare_request(mirror, KEY, REQUEST | {"provider_conn_id": "another"})


# -- the daily comparison


def compare(conn: psycopg.Connection, told: Callable[[], int | None]) -> reconciliation.Comparison:
    class Told:
        def balance(self) -> int | None:
            return told()

    (comparison,) = reconciliation.compare_balances(conn, lambda _: Told())  # type: ignore[arg-type, return-value]
    return comparison


@pytest.mark.parametrize(
    ("told", "differs", "says"),
    [
        (500, False, "mirror: 500 credits, as the provider says"),
        (520, True, "20 more than booked: if they were bought there, book the payment with the DAG credits_top_up"),
        (493, True, "7 fewer than booked: look into the provider's account"),
    ],
)
def test_a_difference_is_told_and_kept_never_booked(
    mirror: psycopg.Connection, told: int, differs: bool, says: str
) -> None:
    with mirror.transaction():
        set_aside(mirror, "mirror", 100, "what is held is still there at the provider")
    comparison = compare(mirror, lambda: told)
    assert comparison.differs == differs
    assert says in str(comparison)
    kept = mirror.execute("SELECT account, reported, expected, unsettled_calls FROM lead_mining.balance_report")
    assert kept.fetchall() == [("mirror", told, 500, 0)]
    assert ledger.balance(mirror, "mirror") == Balance(available=400, held=100)


def test_a_call_on_its_way_makes_it_wait_and_a_lost_one_is_named(mirror: psycopg.Connection) -> None:
    run_id = make_run(mirror, "mirror")
    call_id = lose_call(mirror, run_id, answer_within=600)
    mirror.execute("UPDATE lead_mining.provider_call SET provider = %s", [CONN_ID])
    assert "a call is on its way" in str(compare(mirror, lambda: 495))
    assert reconciliation.unsettled_calls(mirror) == []
    mirror.execute("UPDATE lead_mining.provider_call SET pending_until = now()")
    comparison = compare(mirror, lambda: 495)
    assert "1 unsettled call may be why" in str(comparison)
    assert [call.id for call in reconciliation.unsettled_calls(mirror)] == [call_id]
    provider_calls.not_charged(mirror, call_id, by="ada")
    assert "unsettled" not in str(compare(mirror, lambda: 495))


def test_credits_spent_while_it_is_asked_are_no_difference(mirror: psycopg.Connection) -> None:
    def meanwhile() -> int:
        with mirror.transaction():
            ledger.charge(mirror, "mirror", 5, "meanwhile", "by hand")
        return 495

    comparison = compare(mirror, meanwhile)
    assert not comparison.differs
    assert "compare again" in str(comparison)


def test_a_provider_that_fails_is_told_and_nothing_kept(mirror: psycopg.Connection) -> None:
    def down() -> int:
        raise ProviderUnavailable("timed out")

    for told, says in ((down, "timed out"), (lambda: None, "it has no way to")):
        comparison = compare(mirror, told)
        assert (comparison.reported, comparison.differs) == (None, False)
        assert says in str(comparison)
    assert mirror.execute("SELECT count(*) FROM lead_mining.balance_report").fetchone() == (0,)
