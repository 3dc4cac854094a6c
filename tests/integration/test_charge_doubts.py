"""A provider that lies about charges: what came is kept, no more than the call's most is paid, and buying stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_sellers import Seller, company
from mined_runs import lose_call, make_run

from lead_mining import balance_watch, pipeline, reconciliation, request_list
from lead_mining.audit import audit
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.exceptions import ChargeDoubted
from lead_mining.providers.base import Exclusions, Page, Query
from lead_mining.summary import summary

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
NAMES = ("Aalborg", "Bergen", "Coimbra", "Dresden", "Evora", "Fulda")


class Liar(Seller):
    """Says that a page cost `says`, and takes `takes`; a credit a company where they are None."""

    def __init__(self, says: int | None = None, takes: int | None = None) -> None:
        super().__init__("any", [company(name, "any") for name in NAMES], credits=2_000_000)
        self.says, self.takes = says, takes

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        self.calls.append(cursor)
        page = self._page(query, limit, cursor, exclude)
        self.charged += page.charged if self.takes is None else self.takes
        charged = page.charged if self.says is None else self.says
        return Page(page.raw, page.records, charged, page.next_cursor)


def prepared(conn: psycopg.Connection, **params: Any) -> int:
    asked = {"countries": ["DE"], "lead_number": 5, "max_credits": 15} | params
    return int(pipeline.prepare_request(conn, "lead_mining/doubted", asked)["run_id"])


def finish(conn: psycopg.Connection, run_id: int, docs: Path) -> dict[str, Any]:
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    loaded = pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, "lead_mining/doubted")
    return loaded


@pytest.mark.parametrize(
    ("says", "takes", "said"),
    [
        (1_000_000, 2, "charged 1,000,000 credits for page 1, which could cost 2"),
        (3, 3, "charged 3 credits for page 1, which could cost 2"),
        (0, 10, "fell by 10 credits up to page 1, and it said that it charged 0"),
        (1, 2, "fell by 2 credits up to page 1, and it said that it charged 1"),
    ],
)
def test_buying_stops_with_an_error_and_once_a_person_has_looked_what_came_is_loaded(
    conn: psycopg.Connection, tmp_path: Path, says: int, takes: int, said: str
) -> None:
    run_id, liar = prepared(conn), Liar(says, takes)
    with pytest.raises(ChargeDoubted, match=said):
        pipeline.extract(conn, run_id, liar)
    for _ in range(2):
        assert pipeline.extract(conn, run_id, liar)["stopped"] == "a charge of the provider is in doubt"
    assert len(liar.calls) == 1
    loaded = finish(conn, run_id, tmp_path)
    assert (loaded["leads"], loaded["captured"]) == (2, 2)
    assert ledger.balance(conn, "default").available == 998
    assert conn.execute("SELECT state, charged FROM lead_mining.provider_call").fetchall() == [("answered", says)]
    told, listed = summary(conn, "lead_mining/doubted"), request_list.find(conn, "lead_mining/doubted")
    assert told
    assert said in told.notices[0]
    assert listed
    assert listed.charge_doubted
    assert [said in str(doubt) for doubt in reconciliation.doubted_charges(conn)] == [True]
    assert audit(conn) == []


def test_a_lie_on_the_last_page_is_found_too(conn: psycopg.Connection) -> None:
    run_id, liar = prepared(conn, lead_number=2, max_credits=2), Liar(0, 5)
    with pytest.raises(ChargeDoubted, match="fell by 5 credits"):
        pipeline.extract(conn, run_id, liar)


def test_a_mirrored_account_pays_no_more_than_the_calls_most(conn: psycopg.Connection, tmp_path: Path) -> None:
    accounts.set_up(conn, Account("mirror", "lead_mining_provider"))
    with conn.transaction():
        ledger.top_up(conn, "mirror", 500, "t", "invoice")
    run_id = prepared(conn, credit_account="mirror")
    with pytest.raises(ChargeDoubted, match="charged 400 credits for page 1, which could cost 2"):
        pipeline.extract(conn, run_id, Liar(400, 400))
    error = conn.execute("SELECT error FROM lead_mining.provider_call").fetchone()
    assert error == ("it charged 400 credits, and could cost 2 at most",)
    finish(conn, run_id, tmp_path)
    assert ledger.balance(conn, "mirror").spent == 2
    assert audit(conn) == []


def test_a_provider_that_says_it_is_free_is_not_believed_when_it_charges(conn: psycopg.Connection) -> None:
    liar = Liar()
    liar.charges = False
    with pytest.raises(ChargeDoubted, match="charged 2 credits for page 1, which could cost 0"):
        pipeline.extract(conn, prepared(conn), liar)


def test_an_honest_provider_is_believed(conn: psycopg.Connection) -> None:
    assert pipeline.extract(conn, prepared(conn), Liar())["stopped"] == "enough"


@pytest.mark.parametrize("ago", [5, 3600])
def test_a_balance_that_tells_others_calls_late_is_no_lie(conn: psycopg.Connection, ago: int) -> None:
    """Of another run, whose call has just ended: it may be in the balance only now."""
    other = lose_call(conn, make_run(conn), most=3)
    conn.execute(
        "UPDATE lead_mining.provider_call SET provider = 'lead_mining_provider', state = 'answered', charged = 3,"
        " asked_at = now() - make_interval(secs => %(ago)s), ended_at = now() - make_interval(secs => %(ago)s),"
        " pending_until = now() + interval '1 min' WHERE id = %(id)s",
        {"ago": ago, "id": other},
    )
    liar = Liar()
    liar.balance = lambda fresh=True: 2_000_000 - liar.charged - 3 * bool(liar.calls)  # type: ignore[method-assign]
    run_id = prepared(conn, lead_number=2)
    if ago < balance_watch.LATE.total_seconds():
        assert pipeline.extract(conn, run_id, liar)["stopped"] == "enough"
    else:
        with pytest.raises(ChargeDoubted, match="unless somebody else used its account"):
            pipeline.extract(conn, run_id, liar)
