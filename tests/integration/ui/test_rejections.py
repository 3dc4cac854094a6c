"""Having rejections tried again from their page: who may, which, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from lead_mining import retrying
from lead_mining.rejections import to_try_again

PAGE = "/lead-mining/quality/lead_mining/companies"
DAGS = Path(__file__).parents[3] / "dags"
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}


@pytest.fixture(scope="session")
def retry_dag(token_of: Callable[[str | None], str]) -> None:
    """The DAG retry_rejections as Airflow has read it from its file."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=str(DAGS / "retry_rejections.py"), bundle_path=DAGS)
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture
def triggered(retry_dag: None) -> Callable[[], list[Any]]:
    """The params of the runs that were triggered in this test."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    def found() -> list[Any]:
        with create_session() as session:
            return [(run.run_id, run.conf) for run in session.query(DagRun).where(DagRun.dag_id == "retry_rejections")]

    return found


def bad(crm: psycopg.Connection) -> list[int]:
    """The companies that a rule turned down, but for the suppressed one."""
    return to_try_again(crm, "lead_mining/companies", None, 100)


def test_suppressed_companies_are_not_offered(user: TestClient, crm: psycopg.Connection) -> None:
    rejected = crm.execute(
        "SELECT c.id, j.rule FROM lead_mining.candidate c JOIN lead_mining.rejection j ON j.candidate_id = c.id"
        " JOIN lead_mining.run r ON r.id = c.run_id WHERE r.run_key = 'lead_mining/companies' AND c.state = 'rejected'"
    ).fetchall()
    suppressed = {id_ for id_, rule in rejected if rule == "suppressed_domain"}
    assert len(suppressed) == 1
    page = user.get(PAGE).text
    offered = {int(id_) for id_ in re.findall(r'name="candidate" value="(\d+)"', page)}
    assert offered == {id_ for id_, _ in rejected} - suppressed == set(bad(crm))
    assert 'name="overrule" value="domain_is_not_free_mail"' in page
    assert "suppressed_domain" not in re.findall(r'name="overrule" value="(\w+)"', page)


def test_a_trial_run_offers_nothing(user: TestClient, crm: psycopg.Connection) -> None:
    assert "<form" not in user.get("/lead-mining/quality/lead_mining/trial").text


def test_the_chosen_are_triggered_with_the_crm_of_their_run_and_lead_to_their_request(
    user: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]]
) -> None:
    chosen = bad(crm)[:1]
    ticked = ["domain_is_not_free_mail", "duplicate_reveal_id"]  # the second is against others of the page
    form = {"candidate": [str(id_) for id_ in chosen], "overrule": ticked, "crm_conn_id": "evil"}
    answer = user.post(PAGE, data=form, headers=FROM_THE_PAGE)
    assert answer.status_code == 303, answer.text
    ((run_id, conf),) = triggered()
    expected = {"candidate_ids": chosen, "overrule": ["domain_is_not_free_mail"], "crm_conn_id": "lead_mining_crm"}
    assert {name: conf[name] for name in expected} == expected
    leads_to = user.get(str(answer.next_request.url if answer.next_request else ""))
    assert "1 rejected company once more" in leads_to.text
    assert "This page follows it" in leads_to.text
    assert run_id.startswith("manual__")


def test_every_one_of_a_rule_is_triggered_at_once(
    user: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]]
) -> None:
    assert (
        user.post(f"{PAGE}?rule=domain_is_not_free_mail", data={"every": "true"}, headers=FROM_THE_PAGE).status_code
        == 303
    )
    ((_, conf),) = triggered()
    assert conf["candidate_ids"] == bad(crm)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose at least one company"),
        ({"candidate": "suppressed"}, "Some of these can no longer be tried again"),
        ({"candidate": "loaded"}, "Some of these can no longer be tried again"),
        ({"candidate": "9223372036854775807"}, "Some of these can no longer be tried again"),
    ],
)
def test_what_cannot_be_tried_again_is_told_and_triggers_nothing(
    user: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]], form: dict[str, str], said: str
) -> None:
    ids = {
        "suppressed": "SELECT candidate_id FROM lead_mining.rejection WHERE rule = 'suppressed_domain' LIMIT 1",
        "loaded": "SELECT id FROM lead_mining.candidate WHERE state = 'loaded' LIMIT 1",
    }
    if query := ids.get(form.get("candidate", "")):
        (found,) = crm.execute(query.encode()).fetchone() or ("",)
        form = {"candidate": str(found)}
    answer = user.post(PAGE, data=form, headers=FROM_THE_PAGE)
    assert answer.status_code == 200
    assert said in answer.text
    assert triggered() == []


@pytest.mark.parametrize(
    "form",
    [
        {"candidate": "x"},
        {"candidate": "0"},
        {"candidate": "99999999999999999999"},
        {"candidate": "1", "overrule": "x" * 101},
        {"candidate": "1", "overrule": "'; DROP TABLE lead_mining.run --"},
        {"candidate": "1", "overrule": "a\0b"},
        {"every": "perhaps"},
    ],
)
def test_forms_with_nonsense_are_refused(
    user: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]], form: dict[str, str]
) -> None:
    assert user.post(PAGE, data=form, headers=FROM_THE_PAGE).status_code == 422
    assert triggered() == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_a_form_of_another_site_is_refused(
    user: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]], headers: dict[str, str]
) -> None:
    assert user.post(PAGE, data={"every": "true"}, headers=headers).status_code == 403
    assert triggered() == []


def test_who_may_only_look_cannot_trigger_and_gets_no_form(
    viewer: TestClient, crm: psycopg.Connection, triggered: Callable[[], list[Any]]
) -> None:
    assert "<form" not in viewer.get(PAGE).text
    assert viewer.post(PAGE, data={"every": "true"}, headers=FROM_THE_PAGE).status_code == 403
    assert triggered() == []


def test_anonymous_forms_are_refused(anonymous: TestClient, crm: psycopg.Connection) -> None:
    assert anonymous.post(PAGE, data={"every": "true"}, headers=FROM_THE_PAGE).status_code == 401


def test_a_dag_that_airflow_has_not_read_is_told(
    user: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lead_mining.ui import rejections

    monkeypatch.setattr(rejections, "RETRY", "not_there_yet")
    answer = user.post(PAGE, data={"every": "true"}, headers=FROM_THE_PAGE)
    assert "Airflow has not read the DAG not_there_yet yet" in answer.text


def test_a_retry_is_listed_with_its_request(
    viewer: TestClient, crm: psycopg.Connection, airflow_run: Callable[..., None]
) -> None:
    retrying.prepare_retry(crm, "retry_rejections/again", bad(crm)[:1], [], {})
    airflow_run("retry_rejections/again", "running")
    assert "1 rejected company once more" in viewer.get("/lead-mining/requests/lead_mining/companies").text
    page = viewer.get("/lead-mining/requests/retry_rejections/again").text
    assert "running: checking quality" in page
    assert "Request LMR002" in page
    assert 'requests/lead_mining/companies">the request that turned them down<' in page
