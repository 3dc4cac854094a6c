"""What came of saved searches, read from runs as they are."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from paid_catalogue import PaidCatalogue, write_catalogue

from lead_mining import pipeline
from lead_mining.search_history import LAST_RUNS, last_runs, used_this_month

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)


def test_runs_of_a_search_newest_first_without_trials(conn: psycopg.Connection, tmp_path: Path) -> None:
    request = {"countries": ["DE"], "lead_number": 3, "saved_search": "A"}
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 4), excludes_known=True)
    for key, more in {"x/1": {}, "x/2": {}, "x/3": {"dry_run": True}, "x/4": {"saved_search": "B"}}.items():
        run_id = pipeline.prepare_request(conn, key, request | more)["run_id"]
        if key in ("x/1", "x/2"):
            pipeline.extract(conn, run_id, provider)
            pipeline.validate(conn, run_id, tmp_path)
            pipeline.deduplicate(conn, run_id)
            pipeline.debit_credits(conn, run_id)
            pipeline.load_leads(conn, run_id)
            pipeline.release(conn, key)
    found = last_runs(conn, ["A", "B", "never"])
    assert [(run.run_key, run.leads) for run in found["A"]] == [("x/2", 1), ("x/1", 3)]
    assert [(run.run_key, run.leads) for run in found["B"]] == [("x/4", None)]
    assert found["never"] == []
    assert used_this_month(conn) == {"A": 4, "B": 3}


def test_only_the_last_ones_are_read(conn: psycopg.Connection) -> None:
    for number in range(LAST_RUNS + 2):
        pipeline.prepare_request(conn, f"x/{number}", {"countries": ["DE"], "saved_search": "A"})
    assert [run.run_key for run in last_runs(conn, ["A"])["A"]] == [f"x/{n}" for n in range(LAST_RUNS + 1, 1, -1)]
