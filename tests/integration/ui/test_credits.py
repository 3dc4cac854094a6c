"""Credits on their page, with a real ledger read as the role that mines, and topping up by the DAG."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from known_dags import queued_runs, read_dag

from lead_mining.ui import credits as routes

PAGE = "/lead-mining/credits/"
FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://airflow"}
FORM = {"credit_account": "default", "credits": "100", "reference": "INV/7", "token": "0" * 32}


@pytest.fixture(scope="session")
def top_up_dag(token_of: Callable[[str | None], str]) -> None:
    read_dag("credits_top_up")


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


def lines_of(page: str) -> list[int]:
    return [int(id_) for id_ in re.findall(r'<tr><td class="number quiet">(\d+)</td>', page)]


def test_accounts_spending_and_the_statement_are_shown(viewer: TestClient, crm: psycopg.Connection) -> None:
    page = viewer.get(PAGE)
    available = crm.execute(
        "SELECT balance FROM lead_mining.ledger_account WHERE (owner, bucket) = ('default', 'available')"
    ).fetchone()[0]
    assert page.status_code == 200
    assert f"default local {available:,} 0" in text_of(page.text)
    assert "Saved search" in page.text
    assert "Berlin" in page.text
    assert "Bought trial +1,000 1,000 0" in text_of(page.text)
    assert 'method="post"' not in page.text


def test_the_statement_is_read_a_page_at_a_time_without_a_gap(
    viewer: TestClient, crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LINES", 3)
    found: list[int] = []
    where = PAGE
    while where:
        page = viewer.get(where).text
        assert 1 <= len(lines_of(page)) <= 3
        found += lines_of(page)
        older = re.findall(r'<a href="(\?[^"]*)#statement">Older</a>', page)
        where = PAGE + unescape(older[0]) if older else ""
    (all_of_them,) = crm.execute("SELECT array_agg(id ORDER BY id DESC) FROM lead_mining.ledger_transaction").fetchone()
    assert found == all_of_them


def test_the_statement_of_one_account(viewer: TestClient, crm: psycopg.Connection) -> None:
    assert lines_of(viewer.get(f"{PAGE}?account=default").text) == lines_of(viewer.get(PAGE).text)
    assert lines_of(viewer.get(f"{PAGE}?account=").text) == lines_of(viewer.get(PAGE).text)


@pytest.mark.parametrize("account", ["nobody", "%00", "' OR '1'='1", "💥", "x" * 5000])
def test_an_unknown_account_is_not_found(viewer: TestClient, crm: psycopg.Connection, account: str) -> None:
    assert viewer.get(PAGE, params={"account": account}).status_code == 404


def test_before_the_first_line_there_is_nothing(viewer: TestClient, crm: psycopg.Connection) -> None:
    assert "nothing here before this line" in text_of(viewer.get(f"{PAGE}?before=1").text)


def test_a_payment_is_booked_by_the_dag_once_however_often_it_is_sent(
    user: TestClient, crm: psycopg.Connection, top_up_dag: None
) -> None:
    answers = [user.post(PAGE, data=FORM, headers=FROM_THE_PAGE) for _ in range(2)]
    ((run_id, run),) = queued_runs("credits_top_up").items()
    assert run == {"conf": {"credit_account": "default", "credits": 100, "reference": "INV/7"}, "by": "vera"}
    assert [(a.status_code, a.headers["location"]) for a in answers] == [(303, f"./?booking={run_id}")] * 2
    page = user.get(f"{PAGE}?booking={run_id}").text
    assert f'hx-get="booking?run={run_id}"' in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"credits": "0"}, "credits"),
        ({"credits": ""}, "credits"),
        ({"credits": "1.5"}, "credits"),
        ({"credits": "9" * 5000}, "credits"),
        ({"credits": "1; DROP TABLE crm_lead"}, "credits"),
        ({"reference": " "}, "reference"),
        ({"reference": "x" * 201}, "reference"),
        ({"credit_account": ""}, "credit_account"),
    ],
)
def test_a_wrong_form_books_nothing_and_comes_back_as_it_was(
    user: TestClient, crm: psycopg.Connection, top_up_dag: None, changes: dict[str, Any], field: str
) -> None:
    answer = user.post(PAGE, data=FORM | changes, headers=FROM_THE_PAGE)
    assert answer.status_code == 422
    (wrong,) = re.findall(r'<p class="error" id="error-(\w+)">[^<]', answer.text)
    assert wrong == field
    assert ("INV/7" in answer.text) == (field != "reference")
    assert queued_runs("credits_top_up") == {}


def test_hostile_text_in_the_form_is_shown_as_text(user: TestClient, crm: psycopg.Connection) -> None:
    answer = user.post(
        PAGE, data=FORM | {"reference": "<script>alert(1)</script>", "credits": "0"}, headers=FROM_THE_PAGE
    )
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
