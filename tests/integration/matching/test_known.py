"""What is known is looked up for some companies at a time, by indexes, and never read as a whole."""

from __future__ import annotations

import psycopg
import pytest
from crm_records import add_lead
from known_ones import known_of
from mined_runs import make_run
from statement_counter import counted_statements

from lead_mining import candidates
from lead_mining.judging import Known
from lead_mining.privacy import suppression
from lead_mining.privacy.suppression import Entry
from lead_mining.providers.base import Company, Exclusions, Page

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)


def bought(conn: psycopg.Connection, companies: list[Company], state: str = "accepted") -> int:
    run_id = make_run(conn)
    page = Page({}, [{}] * len(companies), 0, None)
    with conn.transaction():
        candidates.store_page(conn, run_id, 1, len(companies), page, companies)
        candidates.move(conn, run_id, "extracted", state)
    return run_id


def test_a_company_is_known_by_what_deduplication_would_turn_it_down_for(conn: psycopg.Connection) -> None:
    add_lead(conn, website="https://shop.acme.example/de", reveal_id="r-acme")
    gone = add_lead(conn, website="gone.example", reveal_id="r-gone")
    add_lead(conn, website="https://gmail.com")
    bought(conn, [Company(reveal_id="r-bought", domain="Bought.example"), Company(domain="gmail.com")])
    suppression.add(conn, [Entry.of("domain", "asked.example", "asked", "test")])
    assert known_of(conn, ["r-gone"]) == {"r-gone"}
    conn.execute("DELETE FROM crm_lead WHERE id = %s", [gone])
    hostile = ["'; DROP TABLE crm_lead; --", "x" * 100_000, "\u202e%s{0}"]
    reveal_ids = ["r-acme", "r-gone", "r-bought", "r-new", "", *hostile]
    domains = ["acme.example", "www2.acme.example", "gone.example", "bought.example", "gmail.com", "new.example", ""]
    assert known_of(conn, reveal_ids, [*domains, "mail.asked.example", *hostile]) == {
        *("r-acme", "r-bought", "acme.example", "www2.acme.example", "bought.example", "mail.asked.example")
    }


def test_nothing_is_known_of_no_company(conn: psycopg.Connection) -> None:
    add_lead(conn, website=None, reveal_id=None)
    assert Known(conn).known([(None, None)]) == [False]
    assert Known(conn).known([]) == Exclusions().known([]) == []


def test_a_look_up_reads_no_table_as_a_whole(conn: psycopg.Connection) -> None:
    """However little the planner knows: nothing was analysed since the candidates came."""
    bought(conn, [Company(reveal_id=f"r{n}", domain=f"firm-{n}.example", description="d" * 300) for n in range(3000)])
    known = Known(conn)
    for first in (0, 2500, 5000) * 3:  # often enough for a plan to be kept
        with conn.transaction(), counted_statements(conn) as statements:
            found = known.known([(f"r{n}", f"firm-{n}.example") for n in range(first, first + 1000)])
            ((scans,),) = conn.execute(
                "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname = 'candidate'"
            ).fetchall()
        assert sum(found) == max(min(3000 - first, 1000), 0)
        assert scans == 0
        assert len(statements) == 3, "of the look-up, two"


def test_known_companies_are_listed_for_who_must_be_told_them(conn: psycopg.Connection) -> None:
    """Of the countries asked for, the run's own first and whatever their country; no domain that many share."""
    (germany,) = conn.execute("SELECT id FROM res_country WHERE code = 'DE'").fetchone() or (0,)
    for site, reveal_id in (("https://www.crm.example/x", None), ("gmail.com", None), ("gmail.com", "r-crm")):
        add_lead(conn, website=site, reveal_id=reveal_id, country_id=germany)
    add_lead(conn, website="https://elsewhere.example")
    bought(conn, [Company(domain="old.example", country_code="de"), Company(domain="other.example", country_code="FR")])
    run_id = make_run(conn, number="LMR002")
    with conn.transaction():
        own = [Company(reveal_id="r-own", country_code="FR"), Company(domain="shop.own.example")]
        candidates.store_page(conn, run_id, 1, 2, Page({}, [{}, {}], 0, None), own)
    known = Known(conn, run_id)
    listed = [
        (None, "shop.own.example"),
        ("r-own", None),
        (None, "old.example"),
        ("r-crm", None),
        (None, "crm.example"),
    ]
    assert known.listed(["DE"], 10) == listed
    assert known.listed(["DE"], 2) == listed[:2]
    assert known.listed(["PL"], 10) == listed[:2]
    assert Exclusions().listed(["DE"], 10) == []
    assert known.known([(None, "shop.own.example"), ("r-own", None)]) == [True, True]
    assert Known(conn).known([(None, "shop.own.example"), ("r-own", None)]) == [False, False]
