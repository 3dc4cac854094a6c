"""What every route keeps that a browser sends something to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from lead_mining.ui import answers
from lead_mining.ui.answers import MOST_SENT
from lead_mining.ui.app import app

ROUTES = [route for route in app.routes if isinstance(route, APIRoute)]
FORMS = [route for route in ROUTES if "POST" in route.methods]
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}


def path_of(route: APIRoute) -> str:
    return route.path.format(dag_id="lead_mining", run_id="x", candidate_id=1, path="x")


def test_there_are_forms() -> None:
    assert len(FORMS) >= 5
    assert {method for route in ROUTES for method in route.methods} == {"GET", "POST"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_no_route_has_a_body_that_is_read_before_its_sender_is_known(route: APIRoute) -> None:
    assert get_flat_dependant(route.dependant).body_params == []


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
def test_nothing_is_read_of_what_an_anonymous_sender_sends(anonymous: TestClient, route: APIRoute) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "150000000", "host": "airflow"}
    scope = {
        "type": "http", "method": "POST", "path": f"/lead-mining{path_of(route)}", "query_string": b"", "scheme": "http",
        "root_path": "", "server": ("airflow", 80), "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(anonymous.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
def test_a_form_has_a_length_and_it_is_bounded(user: TestClient, route: APIRoute) -> None:
    path = f"/lead-mining{path_of(route)}"
    assert user.post(path, data={"x": "x" * MOST_SENT}, headers=FROM_THE_PAGE).status_code == 413
    assert user.post(path, content=iter([b"x=1"]), headers=FROM_THE_PAGE).status_code == 411


READS_A_CRM = ["quality/?crm_of={}", "?crm_of={}", "quality/{}", "requests/{}"]


@pytest.mark.parametrize("path", READS_A_CRM)
@pytest.mark.parametrize("dag_id", ["somebody_elses", "credits_top_up", "lead_mining_nightly"])
def test_the_params_of_other_dags_runs_choose_no_connection(
    user: TestClient,
    airflow_run: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    dag_id: str,
) -> None:
    monkeypatch.setattr(answers, "crm_connection", lambda conn_id: pytest.fail(f"{conn_id} was opened"))
    airflow_run(f"{dag_id}/x", crm_conn_id="payroll")
    assert user.get(f"/lead-mining/{path.format(f'{dag_id}/x')}").status_code == 404
