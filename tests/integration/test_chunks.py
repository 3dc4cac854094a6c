"""Candidates judged a chunk after the other: the same comes of them as in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_records import add_lead
from paid_catalogue import PaidCatalogue, name_of, write_catalogue

from lead_mining import candidates, pipeline
from lead_mining.privacy import suppression
from lead_mining.quality import results

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)


def mined(conn: psycopg.Connection, tmp_path: Path, companies: int) -> dict[str, Any]:
    """What became of so many companies: some bad, known, suppressed or like an earlier one."""
    add_lead(conn, website="https://firm-4.example")
    suppression.add(conn, [suppression.Entry.of("domain", "firm-8.example", "asked", "test")])
    path = write_catalogue(tmp_path / "c.csv", companies, bad_every=5)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{name_of(1)},,DE,again\n")  # the first one, without its domain
    provider = PaidCatalogue(path, excludes_known=False)
    run_id = pipeline.prepare_request(conn, "lead_mining/x", {"countries": ["DE"], "lead_number": companies + 1})[
        "run_id"
    ]
    pipeline.extract(conn, run_id, provider)
    found = pipeline.validate(conn, run_id, tmp_path / "docs") | pipeline.deduplicate(conn, run_id)
    rows = conn.execute(
        "SELECT c.position, j.rule, j.severity FROM lead_mining.rejection j JOIN lead_mining.candidate c ON c.id = j.candidate_id"
    ).fetchall()
    figures = [(one.suite, one.checked, one.passed) for one in results.over_time(conn, 9)]
    return {"found": found, "rows": rows, "figures": figures}


@pytest.mark.parametrize("chunk", [4, 13])  # with 4, the last chunk has one
def test_chunks_come_to_the_same(
    conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(candidates, "CHUNK", chunk)
    found = mined(conn, tmp_path, 12)
    assert {key: found["found"][key] for key in ("valid", "rejected", "accepted", "suppressed", "duplicates")} == {
        "valid": 11,
        "rejected": 2,
        "accepted": 8,
        "suppressed": 1,
        "duplicates": 1,
    }
    assert found["found"]["possible_duplicates"] == 1
    assert found["figures"] == [("company", 13, 11), ("lead", 13, 13)]
    assert {(position, rule) for position, rule, severity in found["rows"] if severity == "reject"} == {
        (4, "duplicate_domain"),
        (5, "domain_is_not_free_mail"),
        (8, "suppressed_domain"),
        (10, "domain_is_not_free_mail"),
        (13, "possible_duplicate"),
    }
