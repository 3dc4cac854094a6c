"""Credits as a page: accounts, what waits, spending as a picture and a table, the statement, the form; hostile text."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from lead_mining.credits.overview import AccountOverview, OpenHold, Spending, StatementLine
from lead_mining.pages.chart import bars
from lead_mining.pages.credits import Statement, TopUp, credits_page
from lead_mining.provider_calls import Call

UP = "../../"
HOSTILE = "<script>alert(1)</script>'\"&"
NOW = dt.datetime(2026, 11, 1, 2, 0, tzinfo=dt.UTC)
ACCOUNT = AccountOverview(
    name="default", provider_conn_id=None, available=1500, held=30, monthly_budget=None, used=70, low_balance=None,
    notice_sent=None, reported=None, expected=None, reported_at=None,
)  # fmt: skip
HOLD = OpenHold(9, "default", 30, NOW, NOW + dt.timedelta(days=180), "lead_mining/r+1", "LMR009")
CALL = Call(4, 1, 2, "iap", 50, 100, None, "unknown", False, NOW, None, NOW, None, None)
LINE = StatementLine(12, NOW, "default", "top_up", 500, 500, 2000, 0, None, "INV/7", None)
NO_SPENDING = Spending((), {})
MONTHS = (dt.date(2026, 10, 1), dt.date(2026, 11, 1))
SPENDING = Spending(MONTHS, {None: (1000, 20), "Berlin": (7, 0)})
STATEMENT = Statement([LINE], None, None, older=False)
FORM = TopUp({"credit_account": "default"}, {})


def page(**changes: Any) -> str:
    arguments: dict[str, Any] = {
        "accounts": [ACCOUNT], "holds": [], "calls": [], "run_keys": {1: "lead_mining/r+1"}, "spending": NO_SPENDING,
        "statement": STATEMENT, "up": UP, "top_up": FORM,
    } | changes  # fmt: skip
    return credits_page(**arguments)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "default local 1,500 30 70 no limit OK"),
        ({"monthly_budget": 2000}, "70 of 2,000 OK"),
        ({"monthly_budget": 0, "available": 0}, "70 of 0 Empty"),
        ({"low_balance": 2000}, "Low notice below 2,000"),
        ({"low_balance": 1500}, "OK notice below 1,500"),
        ({"available": 0, "notice_sent": "empty"}, "Empty notice sent: empty"),
        ({"provider_conn_id": "iap"}, "mirrors iap 1,500"),
        (
            {"provider_conn_id": "iap", "reported": 9, "expected": 9, "reported_at": NOW},
            "it said 9 on 2026-11-01 1,500",
        ),
        (
            {"provider_conn_id": "iap", "reported": 9, "expected": 12, "reported_at": NOW},
            "it said 9 on 2026-11-01, we had 12: what to do",
        ),
    ],
)
def test_an_account_says_what_it_has_and_how_it_is(changes: dict[str, Any], said: str) -> None:
    assert said in text_of(page(accounts=[replace(ACCOUNT, **changes)]))


def test_without_accounts_it_says_how_to_begin() -> None:
    nothing = Statement([], None, None, older=False)
    assert "opened by its first payment: top it up here" in text_of(page(accounts=[], statement=nothing))
    looking = text_of(page(accounts=[], statement=nothing, top_up=None))
    assert "who may trigger the DAG credits_top_up can book" in looking
    assert "Nothing was spent yet. Generate leads , and look again." in looking


def test_an_open_hold_leads_to_the_request_that_it_is_for() -> None:
    html = page(holds=[HOLD, replace(HOLD, id=10, run_key=None, request_number=None)])
    assert 'href="../../lead-mining/requests/lead_mining/r%2B1">LMR009</a>' in html
    assert "LMR009 default 30 2026-11-01 02:00 2027-04-30" in text_of(html)
    assert "hold 10 default 30" in text_of(html)
    assert "Set aside for runs" not in text_of(page())


@pytest.mark.parametrize(
    ("pending", "said"),
    [(False, "Answer lost Look up in the provider's account whether it was charged, and settle call 4"), (True, "Under way Nothing yet")],
)  # fmt: skip
def test_a_call_whose_answer_is_not_known_says_what_to_do(pending: bool, said: str) -> None:
    html = page(calls=[replace(CALL, pending=pending)])
    assert said in text_of(html)
    assert ('href="../../dags/credits_settle"' in html) != pending
    assert ('href="../../dags/lead_mining/runs/r%2B1"' in html) != pending


def test_a_call_whose_answer_cannot_be_read_is_nobodys_to_settle() -> None:
    html = page(calls=[replace(CALL, kept=True)])
    assert "Answer kept It cannot be read: mend the provider, then clear extract of its run" in text_of(html)
    assert "credits_settle" not in html


def test_spending_is_a_picture_and_a_table_that_say_the_same() -> None:
    html = page(spending=SPENDING)
    assert html.count("<svg") == 1
    assert "Saved search Oct 2026 Nov 2026 In all by hand 1,000 20 1,020 Berlin 7 0 7" in text_of(html)


def test_there_is_no_picture_of_a_single_month() -> None:
    html = page(spending=Spending(MONTHS, {None: (0, 20)}))
    assert "<svg" not in html
    assert "by hand 0 20 20" in text_of(html)


def test_of_many_searches_the_small_ones_are_added_up() -> None:
    many = Spending(MONTHS, {f"search {n}": (100 - n, n) for n in range(30)})
    html = page(spending=many)
    rest = sum(100 - n for n in range(20, 30)), sum(range(20, 30))
    assert f"10 others {rest[0]} {rest[1]} 1,000" in text_of(html)
    assert "25 others" in html  # in the picture
    assert "search 19" in html
    assert "search 20" not in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "12 2026-11-01 02:00 default Bought INV/7 +500 2,000 0"),
        ({"kind": "hold", "change": -30, "credits": 30, "reference": None, "run_key": "lead_mining/r", "request_number": "LMR3"}, "Set aside LMR3 -30 2,000"),
        ({"kind": "capture", "change": 0, "credits": 9}, "Spent INV/7 9 of those set aside 2,000"),
        ({"kind": "release", "change": 3}, "Given back INV/7 +3"),
        ({"kind": "refund", "change": 3}, "Refunded INV/7 +3"),
        ({"kind": "charge", "change": -3}, "Taken by the provider INV/7 -3"),
    ],
)  # fmt: skip
def test_a_line_of_the_statement(changes: dict[str, Any], said: str) -> None:
    assert said in text_of(page(statement=replace(STATEMENT, lines=[replace(LINE, **changes)])))


@pytest.mark.parametrize(
    ("statement", "links"),
    [
        (STATEMENT, []),
        (replace(STATEMENT, older=True), ["?before=12#statement"]),
        (replace(STATEMENT, older=True, account="a&b", before=40), ["?account=a%26b&#statement", "?account=a%26b&before=12#statement"]),
        (replace(STATEMENT, before=40), ["?#statement"]),
    ],
)  # fmt: skip
def test_the_statement_leads_to_older_and_to_the_newest_lines(statement: Statement, links: list[str]) -> None:
    (nav,) = re.findall(r'<nav aria-label="Pages of the statement">(.*?)</nav>', page(statement=statement), re.DOTALL)
    assert [unescape(link) for link in re.findall(r'href="([^"]*)"', nav)] == links


def test_who_may_not_top_up_sees_no_form_for_it() -> None:
    assert 'method="post"' in page()
    assert 'method="post"' not in page(top_up=None)


def test_the_form_keeps_what_was_typed_and_says_what_is_wrong_with_it() -> None:
    form = TopUp({"credit_account": "default", "credits": 0, "reference": "INV/8"}, {"credits": "0 is too little"})
    html = page(top_up=form)
    assert '<p class="error" id="error-credits">0 is too little</p>' in html
    assert re.search(r'id="credits"[^>]* aria-invalid="true"', html)
    assert re.search(r'id="reference"[^>]* value="INV/8"', html)
    assert 'role="alert"' in html
    assert 'role="alert"' not in page()


@pytest.mark.parametrize(
    ("state", "said"), [("success", "Booked"), ("failed", "Nothing was booked"), ("queued", "being booked")]
)
def test_a_booking_is_followed_until_it_has_ended(state: str, said: str) -> None:
    html = page(booking=("form__1", state))
    assert said in text_of(html)
    assert 'href="../../dags/credits_top_up/runs/form__1"' in html
    assert ("hx-trigger" in html) == (state == "queued")


def test_hostile_text_does_nothing() -> None:
    html = page(
        accounts=[replace(ACCOUNT, name=HOSTILE, provider_conn_id=HOSTILE)],
        holds=[replace(HOLD, account=HOSTILE, run_key=f"a/{HOSTILE}", request_number=HOSTILE)],
        calls=[replace(CALL, provider=HOSTILE)],
        run_keys={1: f"a/{HOSTILE}"},
        spending=Spending(MONTHS, {HOSTILE: (1, 2), None: (1, 1)}),
        statement=Statement([replace(LINE, account=HOSTILE, reference=HOSTILE)], HOSTILE, 5, older=True),
        top_up=TopUp({"credit_account": HOSTILE, "reference": HOSTILE}, {"credits": HOSTILE}, HOSTILE),
        booking=(HOSTILE, "queued"),
    )
    assert not re.search(r"<script(?! src=\"\.\./)", html)
    assert "alert(1)" in html
    assert not re.search(r'(?:href|action)="(?:javascript|data|https?):', html)


def test_bars_stand_on_one_another_and_have_a_name_for_who_cannot_see_them() -> None:
    picture = bars({"a": [1, 2], HOSTILE: [3000, 4]}, ["Oct 2026", "Nov 2026"], "Credits")
    assert len(re.findall(r'<rect[^>]*class="[^"]*\brect\b', picture)) == 4
    assert 'role="img"' in picture
    assert "<script" not in picture
    assert "3,000" in picture
