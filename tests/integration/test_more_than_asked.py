"""An answer that holds more than its call asked for: what is beyond is counted and shown, and never loaded or paid."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_sellers import Finder, Seller, company, person

from lead_mining import pipeline
from lead_mining.audit import audit
from lead_mining.exceptions import ChargeDoubted
from lead_mining.providers.base import Exclusions, Page, Query
from lead_mining.sources import Source
from lead_mining.summary import RejectionCount, summary

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
PEOPLE = {"countries": ["DE"], "search_type": "people", "preferred_role": "CEO", "contact_number": 2}
NAMES = ["".join(chr(ord("a") + int(digit)) for digit in f"{number:04}") for number in range(1, 1001)]


class Generous(Seller):
    """Brings all that it has, whatever it is asked for, and charges for what was asked for."""

    page_size = 10

    def _page(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        return Page({"data": self.companies}, self.companies, limit, None)


def mined(conn: psycopg.Connection, provider: Seller, docs: Path, **params: Any) -> dict[str, Any]:
    run_id = pipeline.prepare_request(conn, "lead_mining/more", {"countries": ["DE"], "max_credits": 500} | params)[
        "run_id"
    ]
    with suppress(ChargeDoubted):  # where all that came was charged, too
        pipeline.extract(conn, run_id, provider)
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    loaded = pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, "lead_mining/more")
    return loaded


def rejected(conn: psycopg.Connection) -> list[RejectionCount]:
    told = summary(conn, "lead_mining/more")
    assert told
    return told.rejected()


def test_companies_beyond_those_asked_for(conn: psycopg.Connection, tmp_path: Path) -> None:
    seller = Generous("any", [company(name, "any") for name in NAMES])
    loaded = mined(conn, seller, tmp_path, lead_number=5)
    assert (loaded["leads"], loaded["captured"]) == (5, 5)
    assert conn.execute("SELECT count(*) FROM lead_mining.candidate").fetchone() == (5,)
    assert rejected(conn) == [RejectionCount("extract", "no_more_than_asked", "reject", "company", len(NAMES) - 5)]
    kept = conn.execute("SELECT found, jsonb_array_length(body->'data') FROM lead_mining.raw_page").fetchall()
    assert kept == [(len(NAMES), len(NAMES))]
    assert audit(conn) == []


def test_contacts_beyond_those_asked_for(conn: psycopg.Connection, tmp_path: Path) -> None:
    people = [person(name.title(), "alpha.example") for name in NAMES]
    fields = ("full_name", "email", "role")
    contacts = [{field: each[field] for field in fields} | {"role": "ceo"} for each in people]
    seller = Generous("any", [company("Alpha", "any", contacts=contacts)])
    loaded = mined(conn, seller, tmp_path, lead_number=1, **PEOPLE)
    assert (loaded["leads"], loaded["contacts"], loaded["captured"]) == (1, 2, 3)
    assert RejectionCount("extract", "contact_was_asked_for", "reject", "contact", len(NAMES) - 2) in rejected(conn)
    assert conn.execute("SELECT count(*) FROM lead_mining.rejection WHERE record IS NOT NULL").fetchone() == (0,)
    assert audit(conn) == []


def test_contacts_that_come_later_beyond_those_asked_for(conn: psycopg.Connection, tmp_path: Path) -> None:
    people = {"alpha.example": [[person(f"{name.title()} Roe", "alpha.example") for name in NAMES[:50]]]}
    finder = Finder("any", [company("Alpha", "any")], people)
    loaded = mined(conn, finder, tmp_path, lead_number=1, **PEOPLE)
    assert (loaded["leads"], loaded["contacts"], loaded["captured"]) == (1, 2, 3)
    assert RejectionCount("extract", "contact_was_asked_for", "reject", "contact", 48) in rejected(conn)


def test_where_contacts_alone_were_asked_for_no_company_is_taken(conn: psycopg.Connection, tmp_path: Path) -> None:
    class Pushy(Finder):
        def _page(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
            page = super()._page(query, limit, cursor, exclude)
            return Page(page.raw, self.companies, page.charged, page.next_cursor, page.contacts, page.unfinished)

    first = Seller("first", [company("Alpha", "first")])
    sources = [Source("first", first), Source("then", Pushy("then", [company("Beta", "then")], {}))]
    request = PEOPLE | {"lead_number": 1, "provider_conn_id": "first", "then_provider_conn_ids": ["then"]}
    run_id = pipeline.prepare_request(conn, "lead_mining/more", request)["run_id"]
    pipeline.extract(conn, run_id, sources)
    names = conn.execute("SELECT company->>'name' FROM lead_mining.candidate").fetchall()
    assert names == [("Alpha",)]
    assert audit(conn) == []
