"""Routes of credits: who may look and top up, from where, and what is refused before any database is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from lead_mining.ui import answers

PAGE = "/lead-mining/credits/"
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}
FORM = {"credit_account": "default", "credits": "100", "reference": "INV/7", "token": "0" * 32}


@pytest.fixture
def no_crm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "crm_connection", lambda conn_id: pytest.fail(f"{conn_id} was opened"))


@pytest.mark.parametrize("path", ["", "?account=default", "booking?run=x"])
def test_anonymous_requests_are_refused(anonymous: TestClient, no_crm: None, path: str) -> None:
    assert anonymous.get(PAGE + path).status_code == 401


def test_anonymous_forms_are_refused(anonymous: TestClient, no_crm: None) -> None:
    assert anonymous.post(PAGE, data=FORM, headers=FROM_THE_PAGE).status_code == 401


def test_who_may_only_look_cannot_top_up(viewer: TestClient, no_crm: None) -> None:
    assert viewer.post(PAGE, data=FORM, headers=FROM_THE_PAGE).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}])
def test_a_form_of_another_site_is_refused(user: TestClient, no_crm: None, headers: dict[str, str]) -> None:
    assert user.post(PAGE, data=FORM, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path", ["?before=0", "?before=x", "?before=9223372036854775808", "?before=1;--", "booking?run=%00"]
)
def test_nonsense_is_refused(user: TestClient, no_crm: None, path: str) -> None:
    assert user.get(PAGE + path).status_code == 422


@pytest.mark.parametrize("path", ["?booking=x", "booking?run=x", "booking?run=%27%3B--"])
def test_a_booking_that_airflow_does_not_know_opens_no_connection(user: TestClient, no_crm: None, path: str) -> None:
    assert user.get(PAGE + path).status_code == 404


@pytest.mark.parametrize(
    ("state", "status", "refresh"),
    [("queued", 204, None), ("running", 204, None), ("success", 200, "true"), ("failed", 200, "true")],
)
def test_a_page_loads_again_when_the_booking_has_ended(
    viewer: TestClient, no_crm: None, airflow_run: Callable[..., None], state: str, status: int, refresh: str | None
) -> None:
    airflow_run("credits_top_up/form__1", state)
    answer = viewer.get(f"{PAGE}booking?run=form__1")
    assert (answer.status_code, answer.headers.get("HX-Refresh")) == (status, refresh)


def test_a_crm_that_does_not_answer_is_named_without_its_password(
    user: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", "postgresql://u:p@127.0.0.1:1/x")
    answer = user.get(PAGE)
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert "u:p" not in answer.text
