"""The view lead_mining.provenance: where each value of each lead came from, and no values."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from lead_mining.privacy import retention


def provenance(conn: psycopg.Connection) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM lead_mining.provenance ORDER BY lead_id, contact_index, field").fetchall()


def test_one_row_for_each_value_of_each_lead_and_contact(conn: psycopg.Connection, run_id: int) -> None:
    loaded = conn.execute(
        "SELECT id, lead_id, company FROM lead_mining.candidate WHERE run_id = %s AND state = 'loaded'", [run_id]
    ).fetchall()
    expected = {
        (lead_id, id_, index, field)
        for id_, lead_id, company in loaded
        for index, values in [(None, company), *enumerate(company["contacts"])]
        for field, value in values.items()
        if value not in (None, [], "") and field != "contacts"
    }
    rows = provenance(conn)
    assert {(r["lead_id"], r["candidate_id"], r["contact_index"], r["field"]) for r in rows} == expected
    assert len(rows) == len(expected)
    assert any(r["contact_index"] == 1 for r in rows)


def test_each_says_who_sold_it_when_and_for_which_run(conn: psycopg.Connection, run_id: int) -> None:
    conn.execute(
        'UPDATE lead_mining.run SET request = request || \'{"lawful_basis": "legitimate interest"}\' WHERE id = %s',
        [run_id],
    )
    rows = provenance(conn)
    pages = conn.execute("SELECT id, page_number FROM lead_mining.candidate WHERE state = 'loaded'").fetchall()
    assert {(row["candidate_id"], row["page_number"]) for row in rows} == set(pages)
    for row in rows:
        assert row["provider"] == "lead_mining_provider"
        assert row["run_key"] == "lead_mining/people"
        assert row["request_number"].startswith("LMR")
        assert row["asked_at"] < row["received_at"]
        assert row["raw_page_kept"] is True
        assert row["lawful_basis"] == "legitimate interest"


def test_it_holds_no_values(conn: psycopg.Connection, run_id: int) -> None:
    told = str(provenance(conn))
    for (company,) in conn.execute("SELECT company FROM lead_mining.candidate WHERE state = 'loaded'").fetchall():
        for text in (company["name"], company["domain"], *(c["full_name"] for c in company["contacts"])):
            assert text not in told


def test_it_says_that_a_raw_page_is_gone(conn: psycopg.Connection, run_id: int) -> None:
    conn.execute("UPDATE lead_mining.raw_page SET received_at = received_at - interval '9 days'")
    retention.apply(conn, 8)
    rows = provenance(conn)
    assert rows
    assert {row["raw_page_kept"] for row in rows} == {False}


def test_what_was_not_loaded_has_none(conn: psycopg.Connection, run_id: int) -> None:
    conn.execute("SET session_replication_role = replica")  # the database refuses it
    conn.execute("UPDATE lead_mining.candidate SET state = 'rejected', lead_id = NULL")
    assert provenance(conn) == []
