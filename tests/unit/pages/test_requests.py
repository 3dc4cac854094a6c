"""The pages of requests: what they say, what they keep from whom, and that hostile text does nothing there."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Any

import pytest

from lead_mining.mined_leads import MinedLead
from lead_mining.pages.requests import (
    Filters,
    RequestReport,
    fingerprint,
    note_page,
    request_page,
    requests_page,
    unprepared_page,
)
from lead_mining.request_list import MinedRequest, State
from lead_mining.summary import RejectionCount, RunSummary

UP = "../../../"
HOSTILE = "<script>alert(1)</script>'\"&"
ASKED = {"countries": ["DE"], "lead_number": 12, "acting_user": "vera@example.com", "salesperson": "sam@example.com"}
DONE, RUNNING = State("done", "done: 9 leads"), State("running", "running: loading leads")
REQUEST = MinedRequest(
    run_key="lead_mining/manual__1+00:00",
    request=ASKED,
    created_at=dt.datetime(2026, 11, 1, 2, 0, tzinfo=dt.UTC),
    id=7,
    request_number="LMR007",
    credit_account="default",
    max_cost=12,
    spent=9,
    steps={"extract": {"candidates": 12}, "validate": {"rejected": 3}, "load_leads": {"leads": 9}},
)
RUN = RunSummary(
    run_id=7,
    request_number="LMR007",
    dry_run=False,
    max_cost=12,
    pages=1,
    candidates=12,
    would_find=None,
    loaded=9,
    contacts=4,
    notes=9,
    rejections=(RejectionCount("validate", "domain_is_known", "reject", "company", 3),),
    credits_spent=13,
    credits_left=1,
    credit_account="default",
    provider_charged=12,
    lost_to_rejections=3,
    stopped=None,
    data_docs="LMR007_x/index.html",
    notices=("an automation rule",),
)
LEAD = MinedLead(
    candidate_id=5,
    position=2,
    lead_id=41,
    company="Acme",
    domain="acme.example",
    city="Berlin",
    country="DE",
    industry="Banks",
    employees=1200,
    contacts=2,
    has_note=True,
)
REPORT = RequestReport(REQUEST, DONE, RUN, 0, [LEAD], False, True, None, [])


def listed(*requests: tuple[MinedRequest, State], filters: Filters = Filters(), **more: Any) -> str:  # noqa: B008
    return requests_page(requests, filters, ["Berlin"], UP, **({"older": False, "newer": False} | more))


def shown(report: RequestReport = REPORT, *, sees_people: bool = True, may_retry: bool = True) -> str:
    return request_page(report, UP, sees_people=sees_people, may_retry=may_retry)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def links_in(page: str) -> list[str]:
    return re.findall(r'(?:href|src|action)="([^"]*)"', page)


@pytest.fixture(params=["list", "request", "without people", "unprepared"])
def hostile_page(request: pytest.FixtureRequest) -> str:
    asked = ASKED | {"saved_search": HOSTILE, "tags": [HOSTILE], "team": HOSTILE}
    one = replace(
        REQUEST, run_key=f"lead_mining/{HOSTILE}", request=asked, request_number=HOSTILE, saved_search=HOSTILE
    )
    lead = replace(LEAD, company=HOSTILE, domain=HOSTILE, city=HOSTILE, country=HOSTILE, industry=HOSTILE)
    run = replace(RUN, credit_account=HOSTILE, notices=(HOSTILE,), data_docs=HOSTILE,
                  rejections=(RejectionCount("validate", HOSTILE, "reject", "company", 1),))  # fmt: skip
    report = replace(REPORT, request=one, run=run, leads=[lead], retries=[one])
    conf = replace(one, id=None, request={"countries": [HOSTILE], "industries": [HOSTILE]})
    return {
        "list": requests_page(
            [(one, State("done", HOSTILE))], Filters(HOSTILE, HOSTILE, HOSTILE, HOSTILE), [HOSTILE], UP,
            older=True, newer=True, before=3,
        ),
        "request": shown(report),
        "without people": shown(report, sees_people=False),
        "unprepared": unprepared_page(conf, RUNNING, UP),
    }[request.param]  # fmt: skip


def test_hostile_text_does_nothing(hostile_page: str) -> None:
    assert not re.search(r"<script(?! src=\"\.\./)", hostile_page)
    assert not re.search(r"""<[^>]*=["'][^"'>]*<script""", hostile_page)
    assert "alert(1)" in hostile_page  # it is there, as text
    assert not [link for link in links_in(hostile_page) if not link.startswith(("../", "?", "#"))]
    assert not re.search(r'hx-get="[^?]', hostile_page)


def test_a_request_is_listed_with_all_that_came_of_it() -> None:
    page = text_of(listed((replace(REQUEST, held=2, saved_search="Berlin"), DONE)))
    assert "LMR007 12 companies in DE Berlin 2026-11-01 02:00 done: 9 leads 9 loaded of 12 3 rejected 9 2 held" in page


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (REQUEST, "LMR007"),
        (replace(REQUEST, request_number=None, dry_run=True), "trial run"),
        (replace(REQUEST, request_number=None, id=None), "no number"),
    ],
)
def test_a_request_leads_to_its_page_and_its_run(request_: MinedRequest, name: str) -> None:
    page = listed((request_, DONE))
    assert f'href="../../../lead-mining/requests/lead_mining/manual__1%2B00%3A00">{name}<' in page
    assert 'href="../../../dags/lead_mining/runs/manual__1%2B00%3A00"' in page


def test_the_list_follows_for_as_long_as_something_moves() -> None:
    filters = Filters(search="a&b", state="running", crm_of="lead_mining/1")
    moving = listed((REQUEST, RUNNING), filters=filters, before=9)
    seen = fingerprint([(REQUEST, RUNNING)])
    assert f"?search=a%26b&amp;state=running&amp;crm_of=lead_mining%2F1&amp;before=9&amp;seen={seen}" in moving
    assert "1 of these is running or waiting" in text_of(moving)
    assert "hx-get" not in listed((REQUEST, DONE))


@pytest.mark.parametrize(
    "changed",
    [
        (replace(REQUEST, spent=10), RUNNING),
        (replace(REQUEST, held=1), RUNNING),
        (replace(REQUEST, steps=REQUEST.steps | {"deduplicate": {}}), RUNNING),
        (REQUEST, DONE),
    ],
)
def test_whatever_changes_is_seen(changed: tuple[MinedRequest, State]) -> None:
    assert fingerprint([(REQUEST, RUNNING)]) != fingerprint([changed])
    assert fingerprint([(REQUEST, RUNNING)]) == fingerprint([(replace(REQUEST), RUNNING)])


def test_older_and_newer_pages_keep_what_is_asked_for() -> None:
    page = listed((REQUEST, DONE), (replace(REQUEST, id=4), DONE), filters=Filters(number="x"), older=True, newer=True)
    assert [link for link in links_in(page) if "=" in link] == [
        "?number=x",
        "?number=x&amp;after=7",
        "?number=x&amp;before=4",
    ]


def test_an_empty_list_says_what_to_do() -> None:
    assert "Nothing has been mined into this CRM yet" in text_of(listed())
    assert "No request is so" in text_of(listed(filters=Filters(number="LMR9")))


def test_a_request_shows_its_cost_leads_rejections_and_what_to_do() -> None:
    page = shown(replace(REPORT, refunded=2, retries=[replace(REQUEST, run_key="retry_rejections/2", is_retry=True)]))
    text = text_of(page)
    for words in (
        "Request LMR007",
        "At most 12",
        "Spent 9",
        "Refunded for bad leads 2",
        "Charged by the provider 12 of that for what was not loaded 3",
        "41 Acme acme.example Berlin, DE Banks 1,200 2",
        "domain_is_known The company has a website. validate reject (company) 3",
        "12 rejected companies once more , 9 loaded",
        "Notice an automation rule",
    ):
        assert words in text
    assert 'href="../../../lead-mining/quality/lead_mining/manual__1%2B00%3A00?rule=domain_is_known"' in page
    assert 'src="../../../lead-mining/requests/lead_mining/manual__1%2B00%3A00/notes/5"' in page
    assert "hx-get" not in page


def test_who_may_not_see_people_sees_no_note_and_no_log_in_and_is_told_why() -> None:
    page = shown(sees_people=False)
    assert "<iframe" not in page
    assert "@example.com" not in page
    assert "shown to who may trigger the DAG privacy_export" in text_of(page)
    assert "vera@example.com" in shown()  # else the test above says nothing


def test_leads_lead_into_the_crm_where_it_has_pages() -> None:
    page = shown(replace(REPORT, lead_address="https://crm.example/mail/view?res_id="))
    assert 'href="https://crm.example/mail/view?res_id=41" target="_blank" rel="noopener noreferrer"' in page


@pytest.mark.parametrize(
    ("state", "request_", "run", "said"),
    [
        (State("waiting", ""), REQUEST, RUN, "It can cost up to 12 credits: approve or reject it"),
        (State("failed", ""), replace(REQUEST, short_of_credits=True), replace(RUN, loaded=0), "12 credits are needed and 1 left"),
        (State("failed", ""), replace(REQUEST, answer_lost=True), RUN, "credits_settle"),
        (State("failed", ""), replace(REQUEST, charge_doubted=True, steps={}), RUN, "The provider's charge is in doubt"),
        (State("failed", ""), REQUEST, RUN, "what was bought is not bought again"),
        (DONE, replace(REQUEST, dry_run=True), RUN, "Nothing was charged or loaded"),
        (State("nothing", ""), replace(REQUEST, steps={}), replace(RUN, loaded=0), "Ask more widely"),
        (RUNNING, REQUEST, replace(RUN, loaded=0), "Wait: its figures come as each step ends"),
    ],
)  # fmt: skip
def test_each_state_says_what_to_do_next(state: State, request_: MinedRequest, run: RunSummary, said: str) -> None:
    page = shown(replace(REPORT, state=state, request=request_, run=run, leads=[]))
    assert said in text_of(page)
    assert ("hx-get" in page) == (state.kind in ("running", "waiting"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "None was loaded."),
        ({"state": RUNNING}, "None is loaded yet."),
        ({"request": replace(REQUEST, dry_run=True)}, "A trial run loads none."),
        ({"first_leads": False}, "There are no more."),
    ],
)
def test_a_request_without_leads_says_why(changes: dict[str, Any], said: str) -> None:
    assert said in text_of(shown(replace(REPORT, leads=[], **changes)))


def test_a_retry_leads_to_the_request_that_turned_them_down_and_has_lost_nothing() -> None:
    request = replace(REQUEST, is_retry=True, first_run_key="lead_mining/first+1")
    page = shown(replace(REPORT, request=request, run=replace(RUN, provider_charged=0, lost_to_rejections=0)))
    assert 'href="../../../lead-mining/requests/lead_mining/first%2B1"' in page
    assert "not loaded" not in text_of(page)


def test_it_leads_to_a_form_with_the_same_values_but_for_a_retry() -> None:
    assert f"{UP}lead-mining/generate/?of=lead_mining/manual__1%2B00%3A00" in links_in(shown())
    retry = replace(REPORT, request=replace(REQUEST, is_retry=True))
    assert not [link for link in links_in(shown(retry)) if "?of=" in link]


def test_leads_come_a_page_at_a_time() -> None:
    page = shown(replace(REPORT, more_leads=True, first_leads=False))
    assert 'href="?after=2#leads"' in page
    assert "First leads" in page


@pytest.mark.parametrize(
    ("key", "state", "said", "moves"),
    [
        ("lead_mining/x", RUNNING, "This page follows it", True),
        ("lead_mining/x", State("failed", "failed"), "/tasks/prepare_request", False),
        ("retry_rejections/x", State("failed", "failed"), "/tasks/prepare_retry", False),
    ],
)
def test_a_request_that_is_not_prepared_follows_or_says_where_to_look(
    key: str, state: State, said: str, moves: bool
) -> None:
    page = unprepared_page(replace(REQUEST, run_key=key, id=None), state, UP)
    assert said in page
    assert ("hx-get" in page) == moves


def test_a_note_stands_in_its_page_as_it_is() -> None:
    assert "<b>Acme</b>" in note_page("<b>Acme</b>")
