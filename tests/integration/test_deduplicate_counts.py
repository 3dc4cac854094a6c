"""Deduplication grows no faster than its candidates: what is counted are statements, rows and comparisons, not seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from crm_records import add_lead
from more_itertools import chunked
from statement_counter import counted_statements

from lead_mining import candidates, judging, pipeline, runs
from lead_mining.matching import crm_index, duplicates, lookalikes
from lead_mining.providers.base import Company, Page

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
MOST = 26
"""Statements of the step for a chunk of candidates; what brings our index of the CRM in step is not counted."""


def firm(n: int, **columns: Any) -> Company:
    values = {"name": f"Firm{n} Ltd", "domain": f"firm-{n}.example", "country_code": "DE"}
    return Company(**values | {"city": f"City {n}", "zip": f"{n:05}"} | columns)


def valid_run(conn: psycopg.Connection, key: str, companies: Sequence[Company]) -> int:
    """A run with these as valid candidates; its id."""
    params = {"countries": ["DE"], "lead_number": len(companies), "dry_run": True}
    run_id = int(pipeline.prepare_request(conn, key, params)["run_id"])
    with conn.transaction():
        candidates.store_page(conn, run_id, 1, len(companies), Page({}, [{}], 0, None), companies)
        for chunk in candidates.in_chunks(conn, run_id, "extracted"):
            judging.apply_failures(conn, runs.get(conn, run_id), chunk, [])
    return run_id


@pytest.fixture
def index_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm_index, "refresh", lambda conn: 0)


def test_a_state_is_written_into_no_index(conn: psycopg.Connection) -> None:
    run_id = valid_run(conn, "states", [firm(n, description="long " * 200) for n in range(100)])
    with conn.transaction():
        assert candidates.move(conn, run_id, "valid", "accepted") == 100
        written, into_no_index = conn.execute(
            "SELECT pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t)"
            " FROM (VALUES ('lead_mining.candidate'::regclass)) AS of (t)"
        ).fetchone()
    assert written == into_no_index >= 100


@pytest.mark.usefixtures("index_in_step")
def test_as_many_statements_for_200_candidates_as_for_20(
    conn: psycopg.Connection, record_property: Callable[[str, object], None]
) -> None:
    sent = {}
    for number in (20, 200):
        companies = [firm(n + number, name=f"Firm{n % 15} Ltd", domain=None, city=None) for n in range(number)]
        run_id = valid_run(conn, f"count/{number}", [*companies, firm(5 * number), firm(5 * number)])
        with counted_statements(conn) as statements:
            found = pipeline.deduplicate(conn, run_id)
        assert found["possible_duplicates"] > 0
        assert found["duplicates"] == 1
        sent[number] = statements
    assert Counter(sent[20]) == Counter(sent[200])
    assert len(sent[200]) <= MOST, "\n".join(sent[200])
    record_property("statements", len(sent[200]))


def compared(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, companies: Sequence[Company], chunk: int = 10_000
) -> int:
    """Pairs that are weighed; all that are read from the database are."""
    pairs = []
    real = lookalikes.probability
    with monkeypatch.context() as patched:
        patched.setattr(lookalikes, "probability", lambda one, other: pairs.append(1) or real(one, other))
        list(lookalikes.find_lookalikes(conn, 0, chunked(list(enumerate(companies, 1)), chunk)))
    return len(pairs)


@pytest.mark.parametrize("chunk", [10_000, 10], ids=["in one chunk", "chunk by chunk"])
def test_comparisons_grow_with_the_candidates_where_all_have_the_same_words(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    counts = []
    with conn.transaction(force_rollback=True):
        for number in (100, 200, 400):  # two a city, with zips of their own; every other one with a domain of its own
            many = [
                firm(n, name="First National Bank", city=f"City {n // 2}", **{"domain": None} if n % 2 else {})
                for n in range(number)
            ]
            counts.append(compared(conn, monkeypatch, many, chunk))
    assert counts[0] >= 50
    assert counts == [counts[0], 2 * counts[0], 4 * counts[0]]


def test_comparisons_do_not_grow_with_leads_elsewhere(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (germany,) = conn.execute("SELECT id FROM res_country WHERE code = 'DE'").fetchone()
    companies = [firm(n, name="First National Bank") for n in range(50)]
    counts = []
    for leads in (range(100), range(100, 400)):
        for n in leads:
            add_lead(conn, partner_name="First National Bank", country_id=germany, city=f"City {n}", zip=f"{n:05}")
        crm_index.refresh(conn)
        with conn.transaction(force_rollback=True):
            counts.append(compared(conn, monkeypatch, companies))
    assert counts == [50, 50]


def test_keys_are_looked_up_though_statistics_are_of_a_smaller_batch(conn: psycopg.Connection) -> None:
    valid_run(conn, "count/few", [firm(0)])
    conn.execute("ANALYZE lead_mining.candidate, lead_mining.candidate_key")
    number = 2000
    run_id = valid_run(conn, "count/many", [firm(n) for n in range(1, number + 1)])
    with conn.transaction():
        for part in (duplicates.Slice(1, number // 2), duplicates.Slice(number // 2 + 1, number)):
            assert duplicates.find_duplicates(conn, run_id, "valid", part) == []
        (read,) = conn.execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
            " WHERE schemaname = 'lead_mining' AND relname IN ('candidate', 'candidate_key')"
        ).fetchone()
    assert number < read < 20 * number


def test_survivors_keys_are_looked_up_though_none_had_their_state_before(conn: psycopg.Connection) -> None:
    run_id = valid_run(conn, "count/many", [firm(n) for n in range(2000)])
    conn.execute("ANALYZE lead_mining.candidate, lead_mining.candidate_key")
    with conn.transaction():
        candidates.move(conn, run_id, "valid", "accepted")
        cursor = psycopg.ClientCursor(conn)  # what is declared takes no parameters
        cursor.execute(f"EXPLAIN DECLARE keys CURSOR FOR {duplicates._SORTED_KEYS}", [run_id, "accepted"])
        plan = "\n".join(line for (line,) in cursor)
        assert "Index Cond: (candidate_id = c.id)" in plan
        assert "Materialize" not in plan
        assert sum(map(len, duplicates.keys_in_parts(conn, run_id, "accepted"))) >= 2000


@contextmanager
def most_rows_read(conn: psycopg.Connection) -> Iterator[list[int]]:
    """How many rows each statement returned, largest last; what is read through cursors of the server is not."""
    rows: list[int] = []

    class Watching(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Watching:
            super().execute(*args, **kwargs)
            if self.description is not None:
                rows.append(self.rowcount)
            return self

    before = conn.cursor_factory
    conn.cursor_factory = Watching
    try:
        yield rows
    finally:
        conn.cursor_factory = before
        rows.sort()


def test_no_more_than_a_chunk_is_read_at_once(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = valid_run(conn, "count/chunks", [firm(n % 40) for n in range(53)])
    monkeypatch.setattr(candidates, "CHUNK", 7)
    with most_rows_read(conn) as rows:
        assert pipeline.deduplicate(conn, run_id)["duplicates"] == 13
    assert rows[-1] == 7


def test_keys_are_read_in_parts_with_all_their_bearers(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = valid_run(conn, "count/keys", [firm(n // 5) for n in range(33)])
    (whole,) = parts_of(conn, run_id)
    assert len(whole) == 33
    assert [key[1:] for key in whole] == sorted(key[1:] for key in whole)
    for size in (1, 4, 11, 33):
        monkeypatch.setattr(duplicates, "_AT_ONCE", size)
        parts = parts_of(conn, run_id)
        assert [key for part in parts for key in part] == whole
        values = [key for part in parts for key in {key[1:] for key in part}]
        assert len(values) == len(set(values))
    assert parts_of(conn, valid_run(conn, "count/none", [Company(name="Firm")])) == []


def parts_of(conn: psycopg.Connection, run_id: int) -> list[list[tuple[int, str, str]]]:
    with conn.transaction():
        return list(duplicates.keys_in_parts(conn, run_id, "valid"))
