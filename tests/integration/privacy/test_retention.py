"""What is older than some days loses its personal data, once, in batches, and all that was paid stays true."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from database_snapshot import snapshot
from personal_data import occurrences
from psycopg.types.json import Jsonb

from lead_mining import candidates
from lead_mining.audit import audit
from lead_mining.privacy import erasure, retention
from lead_mining.privacy.retention import Removed, apply

AGE = "UPDATE lead_mining.{} SET {} = now() - make_interval(days => %s, secs => 5) WHERE run_id = %s"


@pytest.fixture
def run_id(conn: psycopg.Connection, run_id: int) -> int:
    """A run with leads, and with the last of its candidates rejected instead."""
    with conn.transaction():
        row = conn.execute(
            "INSERT INTO lead_mining.candidate (run_id, position, page_number, state, company, contacts)"
            " SELECT run_id, 1000, page_number, 'rejected', jsonb_set(company, '{reveal_id}', '\"rejected-1\"'), contacts"
            " FROM lead_mining.candidate WHERE run_id = %s AND contacts > 1 ORDER BY id LIMIT 1 RETURNING id, company",
            [run_id],
        ).fetchone()
        assert row
        keys = {"email": row[1]["emails"][0] if row[1]["emails"] else "a@b.example", "domain": row[1]["domain"]}
        for kind, value in keys.items():
            conn.execute("INSERT INTO lead_mining.candidate_key VALUES (%s, %s, %s)", [row[0], kind, value])
        conn.execute(
            "INSERT INTO lead_mining.rejection (run_id, candidate_id, step, rule, field, value, severity, record)"
            " VALUES (%s, %s, 'validate', 'odd', 'email', 'x@rejected.example', 'reject', %s)",
            [run_id, row[0], Jsonb({"email": "x@rejected.example"})],
        )
    conn.execute("UPDATE lead_mining.raw_page SET found = found + 1 WHERE run_id = %s AND page_number = 1", [run_id])
    return run_id


def age(conn: psycopg.Connection, run_id: int, days: int) -> None:
    conn.execute(AGE.format("raw_page", "received_at"), [days, run_id])
    conn.execute(AGE.format("rejection", "created_at"), [days, run_id])


def pages(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM lead_mining.raw_page").fetchone()
    assert row and row[0] > 0
    return int(row[0])


def rejected(conn: psycopg.Connection) -> tuple[int, dict[str, Any], int]:
    row = conn.execute(
        "SELECT id, company, contacts FROM lead_mining.candidate WHERE company->>'reveal_id' = 'rejected-1'"
    ).fetchone()
    assert row
    return row


def test_what_is_old_loses_its_personal_data_and_leads_keep_theirs(conn: psycopg.Connection, run_id: int) -> None:
    id_, before, contacts = rejected(conn)
    loaded = conn.execute("SELECT id, company FROM lead_mining.candidate WHERE state = 'loaded' ORDER BY id").fetchall()
    crm = snapshot(conn, "public")
    age(conn, run_id, 180)
    old = conn.execute("SELECT count(*) FROM lead_mining.rejection WHERE value IS NOT NULL OR record IS NOT NULL")
    count = old.fetchone()
    assert count
    removed = apply(conn, 180)
    assert (removed.raw_pages, removed.rejections) == (pages(conn), count[0])
    assert removed.candidates >= 1

    emptied = conn.execute("SELECT DISTINCT body, removed_at IS NOT NULL, charged > 0 FROM lead_mining.raw_page")
    assert emptied.fetchall() == [(None, True, True)]
    _, after, still = rejected(conn)
    nobody = dict.fromkeys(before["contacts"][0])
    assert after == {"reveal_id": "rejected-1", "domain": before["domain"], "contacts": [nobody] * contacts}
    assert still == contacts > 1
    kept = conn.execute("SELECT kind FROM lead_mining.candidate_key WHERE candidate_id = %s", [id_]).fetchall()
    assert kept == [("domain",)]
    assert occurrences(conn, ["x@rejected.example"]) == []
    assert conn.execute("SELECT rule, field FROM lead_mining.rejection WHERE rule = 'odd'").fetchall() == [
        ("odd", "email")
    ]
    assert (
        conn.execute("SELECT id, company FROM lead_mining.candidate WHERE state = 'loaded' ORDER BY id").fetchall()
        == loaded
    )
    assert snapshot(conn, "public") == crm
    assert all(
        c.company.domain for chunk in candidates.in_chunks(conn, run_id, "rejected") for c in chunk if c.id == id_
    )
    assert audit(conn) == []


def test_what_is_younger_stays_and_again_there_is_nothing(conn: psycopg.Connection, run_id: int) -> None:
    age(conn, run_id, 179)
    before = snapshot(conn)
    assert apply(conn, 180) == Removed(0, 0, 0, 0, 0)
    assert snapshot(conn) == before
    assert apply(conn, 179).raw_pages == pages(conn)
    done = snapshot(conn)
    assert apply(conn, 179) == Removed(0, 0, 0, 0, 0)
    assert snapshot(conn) == done


def test_what_old_calls_said_goes_and_what_they_cost_stays(conn: psycopg.Connection, run_id: int) -> None:
    said = "UPDATE lead_mining.provider_call SET error = 'x@y.example', ended_at = now() - make_interval(days => %s)"
    cost = "SELECT id, state, charged FROM lead_mining.provider_call ORDER BY id"
    before = conn.execute(cost).fetchall()
    assert before
    conn.execute(said, [9])
    assert apply(conn, 10).call_errors == 0
    conn.execute(said, [11])
    assert apply(conn, 10).call_errors == len(before)
    assert occurrences(conn, ["x@y.example"]) == []
    assert conn.execute(cost).fetchall() == before


def test_batches_are_committed_one_by_one(
    conn: psycopg.Connection, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute("UPDATE lead_mining.rejection SET value = NULL, record = NULL")
    conn.execute(
        "INSERT INTO lead_mining.rejection (run_id, step, rule, value, severity)"
        " SELECT %s, 'extract', 'r', 'x@y.example', 'warn' FROM generate_series(1, 25)",
        [run_id],
    )
    age(conn, run_id, 10)
    monkeypatch.setattr(retention, "_BATCH", 10)
    lock, calls = erasure.lock, []

    def killed_at_the_fourth(connection: psycopg.Connection) -> None:
        calls.append(1)
        if len(calls) == 4:  # one for pages; two batches of rejections are done
            raise KeyboardInterrupt
        lock(connection)

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "lock", killed_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            apply(conn, 10)
    left = conn.execute("SELECT count(*) FROM lead_mining.rejection WHERE value IS NOT NULL").fetchone()
    assert left == (5,)
    removed = apply(conn, 10)
    assert (removed.raw_pages, removed.rejections) == (0, 5)


@pytest.mark.parametrize("days", [0, -1])
def test_less_than_a_day_is_refused(conn: psycopg.Connection, days: int) -> None:
    with pytest.raises(ValueError, match="1 day at least"):
        apply(conn, days)


def test_a_page_without_a_body_says_when_it_went(conn: psycopg.Connection, run_id: int) -> None:
    for wrong in ("body = NULL", "removed_at = now()"):
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(f"UPDATE lead_mining.raw_page SET {wrong}")
