"""Generating leads from the page, with a real CRM read as the role that mines, and the DAG as Airflow reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from known_dags import queued_runs, read_dag

from lead_mining.deadlines import RunCreated

PAGE = "/lead-mining/generate/"
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}
FORM: dict[str, Any] = {
    "search_type": "companies",
    "lead_number": "5",
    "countries": ["DE", "US"],
    "contact_number": "3",
    "contact_filter_type": "role",
    "lawful_basis": "legitimate_interests",
    "acting_user": "admin",
    "on_possible_duplicate": "reject",
    "on_insufficient_credits": "fail",
    "credit_account": "default",
    "provider_conn_id": "lead_mining_provider",
    "token": "0" * 32,
}


@pytest.fixture(scope="session")
def mining_dag(token_of: Callable[[str | None], str]) -> None:
    read_dag("lead_mining")


@pytest.fixture
def ready(mining_dag: None, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection:
    """A CRM to mine into, and the DAG, with what its plugin lets Airflow know."""
    from airflow import plugins_manager

    known = {"lead_mining.deadlines.RunCreated": RunCreated}
    monkeypatch.setattr(plugins_manager, "get_deadline_references_plugins", lambda: known)
    return crm


def send(browser: TestClient, send: str = "generate", **changes: Any) -> Any:
    return browser.post(PAGE, data=FORM | {"send": send} | changes, headers=FROM_THE_PAGE)


def said_of(page: str, field: str) -> str:
    (message,) = re.findall(rf'<p class="error" id="error-{field}">(.*?)</p>', page)
    return unescape(message)


def test_the_form_offers_what_the_crm_has(user: TestClient, ready: psycopg.Connection) -> None:
    page = user.get(PAGE)
    assert page.status_code == 200
    (teams,) = re.findall(r'<datalist id="offered-team">(.*?)</datalist>', page.text, re.DOTALL)
    ((first, *_),) = ready.execute("SELECT array_agg(name->>'en_US') FROM crm_team WHERE active").fetchone()
    assert f'value="{first}"' in teams
    assert 'value="none"' in teams
    assert '<option value="admin">' in page.text
    assert "credits at most" in page.text


def test_it_starts_a_run_with_what_was_asked_and_leads_to_its_request(
    user: TestClient, ready: psycopg.Connection
) -> None:
    answer = send(user, tags=["Spring", "A\r\nB"], max_credits="9")
    assert answer.status_code == 303
    ((run_id, run),) = queued_runs("lead_mining").items()
    assert answer.headers["location"] == f"../../lead-mining/requests/lead_mining/{run_id}"
    assert run == {
        "conf": {"countries": ["DE", "US"], "lead_number": 5, "tags": ["Spring", "A", "B"], "max_credits": 9},
        "by": "vera",
    }


def test_the_same_form_sent_again_is_the_same_run(user: TestClient, ready: psycopg.Connection) -> None:
    answers = [send(user) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(queued_runs("lead_mining")) == 1
    send(user, lead_number="6")
    assert len(queued_runs("lead_mining")) == 2
    send(user, token="1" * 32)
    assert len(queued_runs("lead_mining")) == 3


def test_a_double_click_is_one_run(user: TestClient, ready: psycopg.Connection) -> None:
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: send(user), range(4)))
    assert {answer.status_code for answer in answers} == {303}
    assert len(queued_runs("lead_mining")) == 1


def test_a_preview_is_a_trial_run_that_leads_back_to_the_form(user: TestClient, ready: psycopg.Connection) -> None:
    answer = send(user, "preview", search_type="people", preferred_role="CEO")
    ((run_id, run),) = queued_runs("lead_mining").items()
    assert run["conf"]["dry_run"] is True
    assert answer.headers["location"] == f"./?of=lead_mining/{run_id}"
    page = user.get(PAGE, params={"of": f"lead_mining/{run_id}"}).text
    assert f'hx-get="preview?run={run_id}"' in page
    assert re.search(r'name="countries" value="DE" checked', page)
    assert re.search(r'name="search_type" value="people" checked', page)
    send(user, search_type="people", preferred_role="CEO")
    assert sorted(run["conf"].get("dry_run", False) for run in queued_runs("lead_mining").values()) == [False, True]


def test_enter_in_a_field_is_no_order_to_buy(user: TestClient, ready: psycopg.Connection) -> None:
    user.post(PAGE, data=FORM, headers=FROM_THE_PAGE)
    (run,) = queued_runs("lead_mining").values()
    assert run["conf"]["dry_run"] is True


def test_what_a_trial_run_has_found_is_shown_when_it_has_ended(viewer: TestClient, crm: psycopg.Connection) -> None:
    panel = viewer.get(f"{PAGE}preview?run=trial")
    assert panel.status_code == 200
    assert "Of 6 that were checked" in " ".join(re.sub(r"<[^>]+>", " ", panel.text).split())
    assert "hx-get" not in panel.text


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"countries": []}, "countries", "Choose at least one"),
        ({"lead_number": "9" * 400}, "lead_number", "is not allowed"),
        ({"lead_number": "1; DROP TABLE crm_lead"}, "lead_number", "is not allowed"),
        ({"team": "Nobody's team"}, "team", "is not allowed"),
        ({"salesperson": "💥'; --"}, "salesperson", "is not allowed"),
        ({"team": "<script>alert(1)</script>"}, "team", "is not allowed"),
        ({"acting_user": "nobody"}, "acting_user", "is not allowed"),
        ({"search_budget": "5"}, "search_budget", "name the saved search"),
    ],
)
@pytest.mark.parametrize("button", ["generate", "preview"])
def test_a_wrong_form_starts_nothing_and_comes_back_as_it_was(
    user: TestClient, ready: psycopg.Connection, button: str, changes: dict[str, Any], field: str, said: str
) -> None:
    answer = send(user, button, **{"tags": "Keep me"} | changes)
    assert answer.status_code == 422
    assert said in said_of(answer.text, field)
    assert "Keep me" in answer.text
    assert "<script>alert" not in answer.text
    assert queued_runs("lead_mining") == {}


def test_a_crm_that_cannot_be_mined_into_is_told_on_the_form(
    user: TestClient, ready: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lead_mining import planning
    from lead_mining.exceptions import CrmError

    def broken(conn: object, request: object) -> None:
        raise CrmError("crm_iap_mine is not installed")

    monkeypatch.setattr(planning, "resolve", broken)
    answer = send(user)
    assert answer.status_code == 422
    assert "crm_iap_mine is not installed" in answer.text
    assert re.search(r'name="countries" value="DE" checked', answer.text)
    assert queued_runs("lead_mining") == {}


def test_a_dag_that_airflow_has_not_read_is_told(
    user: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lead_mining.ui import generate

    monkeypatch.setattr(generate, "DAG_ID", "lead_mining_not_read")
    answer = send(user)
    assert answer.status_code == 422
    assert "Airflow has not read the DAG" in answer.text


def test_the_check_says_what_is_wrong_and_what_it_costs(user: TestClient, ready: psycopg.Connection) -> None:
    sent = FORM | {"lead_number": "2000", "countries": [], "max_credits": "x"}
    parts = user.post(f"{PAGE}check", data=sent, headers=FROM_THE_PAGE).text
    assert '<p id="error-countries" hx-swap-oob="innerHTML"></p>' in parts
    assert "&#39;x&#39; is not allowed" in parts
    assert "2,000</strong> credits at most" in parts
    parts = user.post(f"{PAGE}check", data=FORM | {"lead_number": "2000"}, headers=FROM_THE_PAGE).text
    assert "Not enough" in parts
    assert '<p id="chosen-countries" hx-swap-oob="innerHTML">Germany, United States</p>' in parts


def provider(monkeypatch: pytest.MonkeyPatch, conn_id: str, **connection: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"password": "k"} | connection))


def test_what_a_provider_cannot_do_is_told_at_its_field_before_anything_is_sent(
    user: TestClient, ready: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = {"dbuuid": "db", "contract": "19"}
    provider(monkeypatch, "dnb", conn_type="odoo_iap", host="http://127.0.0.1:9", extra=contract)
    people = {"search_type": "people", "preferred_role": "CEO", "provider_conn_id": "dnb"}
    parts = user.post(f"{PAGE}check", data=FORM | people, headers=FROM_THE_PAGE).text
    (said,) = re.findall(r'<p id="error-search_type" hx-swap-oob="innerHTML">(.*?)</p>', parts)
    assert "'dnb' cannot do it: it sells no contacts" in unescape(said)
    answer = send(user, **people)
    assert answer.status_code == 422
    assert "sells no contacts" in said_of(answer.text, "search_type")
    assert queued_runs("lead_mining") == {}
    assert send(user, **people | {"then_provider_conn_ids": "lead_mining_provider"}).status_code == 422
    provider(monkeypatch, "pdl", conn_type="people_data_labs")
    assert send(user, **people | {"then_provider_conn_ids": "pdl"}).status_code == 303


def test_what_a_provider_does_roughly_and_what_it_may_take_stand_beside_the_form(
    user: TestClient, ready: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(monkeypatch, "apollo", conn_type="apollo")
    asked = FORM | {"provider_conn_id": "apollo", "industries": ["Software & Services"], "max_credits": "5"}
    parts = unescape(user.post(f"{PAGE}check", data=asked, headers=FROM_THE_PAGE).text)
    assert "Its provider may take up to 6 for so many" in parts
    assert "industries 'Software & Services' at 'apollo': " in parts


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (None, "'other' is not allowed: there is no Airflow connection with this id"),
        ({"conn_type": "sqlite"}, "sqlite"),
        ({"conn_type": "odoo_iap"}, "it needs"),
    ],
)
def test_a_provider_that_is_none_is_told_at_its_field(
    user: TestClient,
    ready: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    connection: dict[str, Any] | None,
    said: str,
) -> None:
    if connection:
        provider(monkeypatch, "other", **connection)
    answer = send(user, provider_conn_id="other")
    assert answer.status_code == 422
    assert said in said_of(answer.text, "provider_conn_id")
    assert queued_runs("lead_mining") == {}


def test_a_file_that_only_workers_see_keeps_nobody_from_sending(
    user: TestClient, ready: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(monkeypatch, "file", conn_type="lead_catalog", extra={"path": "/nowhere/companies.csv"})
    assert send(user, provider_conn_id="file").status_code == 303


def test_a_form_like_an_earlier_request_is_of_its_crm(
    user: TestClient, ready: psycopg.Connection, airflow_run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("AIRFLOW_CONN_OTHER_CRM", os.environ["AIRFLOW_CONN_LEAD_MINING_CRM"])
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", "postgresql://u:p@127.0.0.1:1/x")
    airflow_run("lead_mining/earlier", countries=["FR"], lead_number=44, crm_conn_id="other_crm")
    page = user.get(f"{PAGE}?of=lead_mining/earlier").text
    assert 'value="44"' in page
    assert '<input type="hidden" name="of" value="lead_mining/earlier">' in page
    assert send(user, of="lead_mining/earlier", crm_conn_id="evil").status_code == 303
    (run,) = queued_runs("lead_mining").values()
    assert run["conf"]["crm_conn_id"] == "other_crm"


def test_logins_are_kept_from_who_may_not_see_people(
    user: TestClient, ready: psycopg.Connection, airflow_run: Callable[..., None]
) -> None:
    from lead_mining.ui.access import SeesPeople
    from lead_mining.ui.app import app

    airflow_run("lead_mining/earlier", countries=["FR"], salesperson="anna@crm.example")
    (sees_people,) = SeesPeople.__metadata__
    app.dependency_overrides[sees_people.dependency] = lambda: False
    try:
        page = user.get(f"{PAGE}?of=lead_mining/earlier").text
        wrong = send(user, salesperson="admim")
    finally:
        app.dependency_overrides.clear()
    assert "anna@crm.example" not in page
    assert "Salesperson: not taken over" in page
    assert "offered-salesperson" not in page
    assert (
        said_of(wrong.text, "salesperson")
        == "'admim' is not allowed: use the login of a user of the CRM who may do this"
    )
    assert "anna@crm.example" in user.get(f"{PAGE}?of=lead_mining/earlier").text
