"""Routes of saved searches: who may look, who may mine, and from where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lead_mining.ui import searches

PATH = "/lead-mining/searches/"
SEARCH = "name: German\nowner: Sales\nschedule: {cron: 0 3 * * *}\nparams: {countries: [DE]}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_MINING_SEARCHES", str(tmp_path))
    (tmp_path / "german.yaml").write_text(SEARCH)
    return tmp_path


@pytest.fixture
def triggered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(searches, "trigger", lambda session, user, dag_id, conf: found.append((dag_id, conf)))
    return found


@pytest.fixture
def user(anonymous: TestClient, token_of: Callable[[str | None], str]) -> TestClient:
    """Who may trigger DAGs."""
    anonymous.cookies.set("_token", token_of("user"))
    return anonymous


def test_anonymous_requests_are_refused(anonymous: TestClient) -> None:
    assert anonymous.get(PATH).status_code == 401
    assert anonymous.post(PATH, data={"key": "german"}).status_code == 401


def test_who_may_only_look_mines_nothing(viewer: TestClient, triggered: list[Any]) -> None:
    assert viewer.post(PATH, data={"key": "german"}).status_code == 403
    assert triggered == []


def test_a_user_mines_a_search_by_hand_and_is_led_back(user: TestClient, triggered: list[Any]) -> None:
    answer = user.post(PATH, data={"key": "german"})
    assert (answer.status_code, answer.headers["location"]) == (303, "?started=german")
    assert triggered == [("lead_mining_nightly", {"searches": ["german"]})]


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
)  # fmt: skip
def test_a_form_on_another_site_is_refused(user: TestClient, triggered: list[Any], headers: dict[str, str]) -> None:
    assert user.post(PATH, data={"key": "german"}, headers=headers).status_code == 403
    assert triggered == []


@pytest.mark.parametrize(
    ("key", "status"), [("other", 404), ("../x", 404), ("x" * 101, 422), ("\r\nSet-Cookie: a", 404)]
)
def test_what_is_no_search_is_not_mined(user: TestClient, triggered: list[Any], key: str, status: int) -> None:
    assert user.post(PATH, data={"key": key}).status_code == status
    assert triggered == []


def test_a_dag_that_airflow_has_not_read_yet_is_said(user: TestClient) -> None:
    answer = user.post(PATH, data={"key": "german"})
    assert answer.status_code == 400
    assert "Airflow has not read the DAG lead_mining_nightly yet" in answer.text
