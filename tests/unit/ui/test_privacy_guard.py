"""What a person types about the privacy DAGs, held against Airflow's own API server and its event log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lead_mining.ui.privacy_guard import PrivacyGuard

PERSON = "ann.roe@acme.example"
RUNS = "/api/v2/dags/privacy_erase/dagRuns"
GOOD = {"subjects_file": "/srv/may.csv", "lead_ids": ["71"], "requested_by": "the data protection officer"}
FORM = {"logical_date": "2026-11-01T00:00:00Z", "dag_run_id": "", "data_interval_start": None, "partition_key": None}


@pytest.fixture(scope="module")
def api(token_of: Callable[[str | None], str]) -> Iterator[TestClient]:
    """Airflow's API server with our guard, and an administrator's browser."""
    from airflow.api_fastapi.app import create_app

    token = token_of("admin")
    app = create_app(apps="core")
    app.add_middleware(PrivacyGuard)
    with TestClient(app, base_url="http://airflow/", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def events(token_of: Callable[[str | None], str]) -> Callable[[], list[str]]:
    """All that Airflow's event log holds, as text."""
    from airflow.models import Log
    from airflow.utils.session import create_session

    def read() -> list[str]:
        with create_session() as session:
            return [f"{each.event} {each.run_id} {each.task_id} {each.extra}" for each in session.query(Log)]

    with create_session() as session:
        session.query(Log).delete()
    return read


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *(
            ("POST", RUNS, FORM | {"conf": GOOD | conf})
            for conf in (
                {"subjects_file": PERSON},
                {"lead_ids": [PERSON]},
                {"requested_by": f"for {PERSON}"},
                {"reference": "call of +49 170 1234567"},
                {"crm_conn_id": PERSON},
                {"email": PERSON},
                {PERSON: 1},
                {"lead_ids": [491701234567]},
            )
        ),
        ("POST", RUNS, FORM | {"conf": PERSON}),
        ("POST", RUNS, FORM | {"note": "Ann Roe rang"}),
        ("POST", RUNS, FORM | {"dag_run_id": "Ann.Roe"}),
        ("POST", RUNS, FORM | {"partition_key": "Ann"}),
        ("POST", RUNS, FORM | {"run_after": "Ann"}),
        ("POST", RUNS, FORM | {"email": "Ann"}),
        ("POST", f"{RUNS}?for={PERSON}", FORM),
        ("POST", "/api/v2/dags/privacy_export/dagRuns", FORM | {"conf": {"subjects_file": PERSON}}),
        ("POST", "/api/v2/dags/privacy_suppress/dagRuns", FORM | {"conf": {"domains": [PERSON]}}),
        ("POST", "/api/v2/dags/privacy_suppress/dagRuns", FORM | {"conf": {"reason": f"{PERSON} asked"}}),
        ("POST", "/api/v2/dags/privacy_suppress/dagRuns", FORM | {"conf": {"domains": ["030.1234567"]}}),
        ("POST", "/api/v2/dags/privacy_retention/dagRuns", FORM | {"conf": {"days": PERSON}}),
        ("PATCH", f"{RUNS}/manual__2026", {"note": PERSON}),
        ("PATCH", f"{RUNS}/{PERSON}", {"state": "failed"}),
        ("DELETE", f"{RUNS}/{PERSON}", None),
        ("POST", f"{RUNS}/manual__2026/clear", {"dry_run": False, "note": PERSON}),
        ("PATCH", f"{RUNS}/manual__2026/taskInstances/erase_subjects", {"note": PERSON}),
        ("POST", "/api/v2/dags/privacy_erase/clearTaskInstances", {"dry_run": False, "task_ids": [PERSON]}),
        (
            "PATCH",
            "/api/v2/dags/~/dagRuns",
            {"actions": [{"action": "update", "entities": [{"dag_id": "privacy_erase", "dag_run_id": "x", "note": PERSON}]}]},
        ),
        (
            "POST",
            "/api/v2/backfills",
            {"dag_id": "privacy_retention", "from_date": "2026-11-01", "to_date": "2026-11-02", "dag_run_conf": {"x": PERSON}},
        ),
    ],
)  # fmt: skip
def test_what_the_forms_do_not_take_never_reaches_the_event_log(
    api: TestClient, events: Callable[[], list[str]], method: str, path: str, body: Any
) -> None:
    answer = api.request(method, path, json=body)
    assert answer.status_code == 422
    assert "nothing of what was sent is kept" in answer.json()["detail"]
    assert events() == []
    for theirs in (PERSON, "Ann", "1234567"):
        assert theirs not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", RUNS, FORM | {"conf": GOOD}),
        ("POST", RUNS, FORM | {"conf": {}, "dag_run_id": "manual__2026-11-01T00:00:00+00:00_Ab3"}),
        ("POST", "/api/v2/dags/privacy_suppress/dagRuns", FORM | {"conf": {"domains": ["büro.example"]}}),
        ("PATCH", f"{RUNS}/manual__2026-11-01T00:00:00+00:00", {"state": "failed", "note": None}),
        ("POST", "/api/v2/dags/lead_mining/dagRuns", FORM | {"conf": {"notify": ["boss@example.com"]}, "note": "for Ann"}),
    ],
)  # fmt: skip
def test_what_the_forms_take_reaches_airflow_whole(
    api: TestClient, events: Callable[[], list[str]], method: str, path: str, body: Any
) -> None:
    assert api.request(method, path, json=body).status_code in (400, 404)  # the DAG is not in the tests' Airflow
    (kept,) = events()
    assert json.loads(kept[kept.index("{") :]).get("conf") == body.get("conf")


def test_too_much_is_refused(api: TestClient, events: Callable[[], list[str]]) -> None:
    assert api.post(RUNS, json={"note": "x" * 2_000_000}).status_code == 422
    assert events() == []


def test_a_browser_that_is_not_logged_in_is_none_of_the_guards_business(api: TestClient) -> None:
    assert api.post(RUNS, json=FORM, headers={"Authorization": ""}).status_code == 401
