"""The routes of requests with a real CRM, read as the role that mines: what is found, by whom, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
from fastapi.testclient import TestClient

from lead_mining.ui import requests as routes

LIST = "/lead-mining/"
PEOPLE = "/lead-mining/requests/lead_mining/people"
NUMBER = re.compile(r"/requests/lead_mining/(\w+)\">")


def listed(page: str) -> list[str]:
    return NUMBER.findall(page)


def contact(crm: psycopg.Connection) -> tuple[int, str, str]:
    """A candidate that was loaded, and the name and address of its first contact."""
    row = crm.execute(
        "SELECT c.id, company->'contacts'->0->>'full_name', company->'contacts'->0->>'email' FROM lead_mining.candidate c"
        " WHERE state = 'loaded' AND length(company->'contacts'->0->>'email') > 0 ORDER BY id LIMIT 1"
    ).fetchone()
    assert row
    return row


@pytest.mark.parametrize("path", ["", "requests/lead_mining/people", "requests/lead_mining/people/notes/1"])
def test_anonymous_requests_are_refused(anonymous: TestClient, crm: psycopg.Connection, path: str) -> None:
    assert anonymous.get(f"/lead-mining/{path}").status_code == 401


def test_requests_are_listed_newest_first_with_their_states(viewer: TestClient, crm: psycopg.Connection) -> None:
    page = viewer.get(LIST)
    assert page.status_code == 200
    assert listed(page.text) == ["trial", "companies", "people"]
    assert "done: a trial run" in page.text
    assert "6 companies in DE" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?search=Berlin", ["companies"]),
        ("?search=Paris", []),
        ("?number=lmr001", ["people"]),
        ("?number=+LMR002+", ["companies"]),
        ("?number=LMR002&search=Paris", []),
        ("?state=done", ["trial", "companies", "people"]),
        ("?state=done&search=Berlin", ["companies"]),
        ("?state=failed", ["people"]),
        ("?state=running", ["companies", "broken", "new"]),
        ("?search=&number=&state=", ["new", "broken", "trial", "companies", "people"]),
        ("?number=%27%20OR%201%3D1%20--", []),
        ("?number=%F0%9F%92%B8&search=%E2%80%AE", []),
    ],
)
def test_filters_find_what_they_say(
    viewer: TestClient, crm: psycopg.Connection, airflow_run: Callable[..., None], query: str, found: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    states = {"lead_mining/people": "failed", "lead_mining/companies": "running"}
    set_states(states)
    airflow_run("lead_mining/new", "queued", countries=["FR"], lead_number=2)
    airflow_run("lead_mining/broken", "running", countries={"not": ["a", "list"]}, lead_number="<b>")
    airflow_run("lead_mining/elsewhere", "queued", crm_conn_id="another_crm")
    assert sorted(listed(viewer.get(LIST + query).text)) == sorted(found)


def set_states(states: dict[str, str]) -> None:
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        for run in session.query(DagRun):
            run.state = states.get(f"{run.dag_id}/{run.run_id}", "success")


@pytest.mark.parametrize(
    "query",
    ["?before=x", "?before=99999999999999999999999", "?after=-1", "?state=gone", "?number=%00", "?search=a%00", "?before=1%3B--",
     f"?number={'9' * 400}"],
)  # fmt: skip
def test_wrong_parameters_are_refused_before_anything_is_asked(
    viewer: TestClient, crm: psycopg.Connection, query: str
) -> None:
    assert viewer.get(LIST + query).status_code == 422


def test_pages_lead_to_older_and_newer_requests(
    viewer: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_REQUESTS_A_PAGE", 1)
    page, seen = viewer.get(LIST).text, []
    while True:
        seen += listed(page)
        older = re.search(r'href="(\?before=\d+)" rel="next"', page)
        if older is None:
            break
        page = viewer.get(LIST + older[1]).text
    assert seen == ["trial", "companies", "people"]
    newer = re.search(r'href="(\?after=\d+)" rel="prev"', page)
    assert newer
    assert listed(viewer.get(LIST + newer[1]).text) == ["companies"]


def test_a_page_that_follows_is_answered_only_when_something_changed(
    viewer: TestClient, crm: psycopg.Connection
) -> None:
    set_states({"lead_mining/people": "running"})
    for path in (LIST, PEOPLE):
        (poll,) = re.findall(r'hx-get="(\?[^"]+)"', viewer.get(path).text)
        assert viewer.get(path + poll).status_code == 204
    set_states({"lead_mining/people": "failed"})
    for path in (LIST, PEOPLE):
        assert viewer.get(path + poll).status_code == 200
        assert "hx-get" not in viewer.get(path + poll).text


def test_a_request_shows_its_leads_and_their_notes_to_who_may_see_people(
    user: TestClient, crm: psycopg.Connection
) -> None:
    candidate, name, email = contact(crm)
    page = user.get(PEOPLE)
    assert page.status_code == 200
    assert name not in page.text
    assert f"/requests/lead_mining/people/notes/{candidate}" in page.text
    note = user.get(f"{PEOPLE}/notes/{candidate}")
    assert email in note.text
    policy = note.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
    assert not {"allow-scripts", "allow-same-origin", "allow-forms"} & set(policy.replace(";", " ").split())
    assert "<img" not in note.text


def test_a_viewer_sees_companies_and_nobody(
    viewer: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, *_ = contact(crm)
    page = viewer.get(PEOPLE).text
    assert "shown to who may trigger the DAG privacy_export" in page
    assert "<iframe" not in page
    people = crm.execute(
        "SELECT DISTINCT p->>'full_name', p->>'email' FROM lead_mining.candidate c, jsonb_array_elements(company->'contacts') p"
    ).fetchall()
    assert len(people) > 5
    assert not [text for person in people for text in person if text and text in page]
    note = viewer.get(f"{PEOPLE}/notes/{candidate}")
    assert note.status_code == 403
    assert "privacy_export" in note.text


@pytest.mark.parametrize("path", ["notes/0", "notes/x", "notes/99999999999999999999", "notes/-1"])
def test_notes_of_no_lead_are_refused(user: TestClient, crm: psycopg.Connection, path: str) -> None:
    assert user.get(f"{PEOPLE}/{path}").status_code == 422


def test_a_note_is_found_by_its_own_request_alone(user: TestClient, crm: psycopg.Connection) -> None:
    candidate, *_ = contact(crm)
    assert user.get(f"/lead-mining/requests/lead_mining/companies/notes/{candidate}").status_code == 404


def test_hostile_text_of_a_provider_is_text(user: TestClient, crm: psycopg.Connection) -> None:
    candidate, *_ = contact(crm)
    hostile = '{"name": "<script>alert(1)</script>", "city": "\\"><img src=x>", "logo": "https://evil.example/x.png"}'
    (before,) = crm.execute("SELECT company FROM lead_mining.candidate WHERE id = %s", [candidate]).fetchone() or ()
    crm.execute("UPDATE lead_mining.candidate SET company = company || %s::jsonb WHERE id = %s", [hostile, candidate])
    try:
        page, note = user.get(PEOPLE).text, user.get(f"{PEOPLE}/notes/{candidate}").text
    finally:
        crm.execute(
            "UPDATE lead_mining.candidate SET company = %s WHERE id = %s", [psycopg.types.json.Jsonb(before), candidate]
        )
    for text in (page, note):
        assert "&lt;script&gt;alert(1)" in text
        assert "<img" not in text
    assert "evil.example" not in note


def test_leads_come_a_page_at_a_time(
    viewer: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_LEADS_A_PAGE", 8)
    path, found = PEOPLE, []
    while True:
        page = viewer.get(path).text
        found += re.findall(r'<td class="number">(\d+)</td>\s*<th scope="row">', page)
        following = re.search(r'href="(\?after=\d+)#leads"', page)
        if following is None:
            break
        path = PEOPLE + following[1]
    expected = crm.execute(
        "SELECT lead_id::text FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id"
        " WHERE run_key = 'lead_mining/people' AND state = 'loaded' ORDER BY position"
    ).fetchall()
    assert len(expected) > 8
    assert found == [lead for (lead,) in expected]


@pytest.mark.parametrize(
    ("state", "said"), [("queued", "This page follows it"), ("failed", "did not get as far as a number")]
)
def test_a_request_that_is_not_prepared_says_how_it_stands(
    viewer: TestClient, crm: psycopg.Connection, airflow_run: Callable[..., None], state: str, said: str
) -> None:
    airflow_run("lead_mining/new", state, countries=["FR"])
    page = viewer.get("/lead-mining/requests/lead_mining/new")
    assert page.status_code == 200
    assert said in page.text
    assert ("hx-get" in page.text) == (state == "queued")


@pytest.mark.parametrize("path", ["lead_mining/none", "credits_top_up/people", "lead_mining/%00", "x/%27%3B--"])
def test_what_is_no_request_is_not_found(viewer: TestClient, crm: psycopg.Connection, path: str) -> None:
    assert viewer.get(f"/lead-mining/requests/{path}").status_code == 404


def test_a_crm_that_does_not_answer_is_told(
    viewer: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", "postgresql://u:secret@127.0.0.1:1/x")
    for path in (LIST, PEOPLE):
        page = viewer.get(path)
        assert page.status_code == 503
        assert "does not answer" in page.text
        assert "secret" not in page.text


def test_only_the_requests_of_that_crm_are_listed(
    viewer: TestClient, crm: psycopg.Connection, airflow_run: Callable[..., None]
) -> None:
    airflow_run("lead_mining/elsewhere", crm_conn_id="another_crm")
    page = viewer.get(f"{LIST}?crm_of=lead_mining/elsewhere")
    assert page.status_code == 503  # there is no such connection: the default one was not asked
    assert "another_crm" in page.text
    kept = viewer.get(f"{LIST}?crm_of=lead_mining/people").text
    assert 'name="crm_of" value="lead_mining/people"' in kept
