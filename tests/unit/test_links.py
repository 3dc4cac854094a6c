"""Where pages stand, relative to Airflow's base."""

from __future__ import annotations

from lead_mining import links


def test_a_runs_pages_are_quoted_part_by_part() -> None:
    run = "manual__2026-11-01T00:00:00+00:00/x y"
    quoted = "manual__2026-11-01T00%3A00%3A00%2B00%3A00%2Fx%20y"
    assert links.request_page("lead_mining", run) == f"lead-mining/requests/lead_mining/{quoted}"
    assert links.airflow_page("lead_mining", run) == f"dags/lead_mining/runs/{quoted}"
    assert links.rejections_page("lead_mining", run) == f"lead-mining/quality/lead_mining/{quoted}"
