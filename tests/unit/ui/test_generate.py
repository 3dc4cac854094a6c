"""Routes of generating leads: who may, from where, and what is refused before any database is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lead_mining.ui import answers

PAGE = "/lead-mining/generate/"
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}
FORM = {"search_type": "companies", "lead_number": "3", "countries": "DE", "token": "0" * 32}


@pytest.fixture
def no_crm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "crm_connection", lambda conn_id: pytest.fail(f"{conn_id} was opened"))


@pytest.mark.parametrize("path", ["", "preview?run=x"])
def test_anonymous_requests_are_refused(anonymous: TestClient, no_crm: None, path: str) -> None:
    assert anonymous.get(PAGE + path).status_code == 401


@pytest.mark.parametrize("path", ["", "check"])
def test_anonymous_forms_are_refused(anonymous: TestClient, no_crm: None, path: str) -> None:
    assert anonymous.post(PAGE + path, data=FORM, headers=FROM_THE_PAGE).status_code == 401


def test_who_may_only_look_sees_no_form_and_what_it_takes(viewer: TestClient, no_crm: None) -> None:
    page = viewer.get(PAGE)
    assert page.status_code == 200
    assert "<form" not in page.text
    assert "trigger the DAG" in page.text


@pytest.mark.parametrize("path", ["", "check"])
def test_who_may_only_look_cannot_send_it(viewer: TestClient, no_crm: None, path: str) -> None:
    assert viewer.post(PAGE + path, data=FORM, headers=FROM_THE_PAGE).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}]
)
@pytest.mark.parametrize("path", ["", "check"])
def test_a_form_of_another_site_is_refused(user: TestClient, no_crm: None, path: str, headers: dict[str, str]) -> None:
    assert user.post(PAGE + path, data=FORM, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "of", ["x", "credits_top_up/x", "lead_mining/", "lead_mining/a%00b", "lead_mining/" + "x" * 999]
)
def test_only_runs_of_lead_mining_are_taken_as_a_pattern(user: TestClient, no_crm: None, of: str) -> None:
    assert user.get(f"{PAGE}?of={of}").status_code == 422


@pytest.mark.parametrize(
    "path", ["?of=lead_mining/x", "?of=lead_mining/%27%3B--", "preview?run=x", "preview?run=%F0%9F%90%98"]
)
def test_a_run_that_airflow_does_not_know_opens_no_connection(user: TestClient, no_crm: None, path: str) -> None:
    assert user.get(PAGE + path).status_code == 404


def test_a_form_of_a_run_that_airflow_does_not_know_opens_no_connection(user: TestClient, no_crm: None) -> None:
    assert user.post(PAGE, data=FORM | {"of": "lead_mining/x"}, headers=FROM_THE_PAGE).status_code == 404


def test_a_preview_that_has_not_ended_changes_nothing(
    viewer: TestClient, no_crm: None, airflow_run: Callable[..., None]
) -> None:
    airflow_run("lead_mining/form__1", "running", dry_run=True)
    answer = viewer.get(f"{PAGE}preview?run=form__1")
    assert (answer.status_code, answer.text) == (204, "")


@pytest.mark.parametrize("send", [lambda b: b.get(PAGE), lambda b: b.post(PAGE, data=FORM, headers=FROM_THE_PAGE)])
def test_a_crm_that_does_not_answer_is_named_without_its_password(
    user: TestClient, monkeypatch: pytest.MonkeyPatch, send: Callable[[TestClient], Any]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", "postgresql://u:p@127.0.0.1:1/x")
    answer = send(user)
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert "u:p" not in answer.text


def test_a_file_in_the_form_is_refused(user: TestClient, no_crm: None) -> None:
    answer = user.post(PAGE, data=FORM, files={"countries": ("x.txt", b"DE")}, headers=FROM_THE_PAGE)
    assert answer.status_code == 400
