"""The pages in the Airflow UI: what they say, that hostile text does nothing there, and that they ask nobody."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Any

import pytest

from lead_mining.pages.chart import lines
from lead_mining.pages.data_docs import runs_page
from lead_mining.pages.quality import over_time_page, rejections_page
from lead_mining.pages.rendering import problem
from lead_mining.quality.results import RunQuality
from lead_mining.rejections import RejectedRow
from lead_mining.summary import RejectionCount, RunSummary

UP = "../../"
HOSTILE = "<script>alert(1)</script>'\"&"
NIGHT = dt.datetime(2026, 11, 1, 2, 0, tzinfo=dt.UTC)
ROW = RejectedRow(
    rejection_id=7,
    candidate_id=3,
    company="Acme",
    domain="acme.example",
    country="DE",
    contact=None,
    rule="domain_is_known",
    step="validate",
    severity="reject",
    field="domain",
    value="x",
    missing=False,
    duplicate_of=None,
    lead_id=None,
    can_be_tried_again=True,
)
RUN = RunSummary(
    run_id=1,
    request_number="LMR001",
    dry_run=False,
    max_cost=10,
    pages=1,
    candidates=1200,
    would_find=None,
    loaded=5,
    contacts=0,
    notes=5,
    rejections=(
        RejectionCount("validate", "phone_is_valid", "warn", "company", 900),
        RejectionCount("validate", "domain_is_known", "reject", "company", 3),
        RejectionCount("deduplicate", "duplicate_domain", "reject", "company", 8),
    ),
    credits_spent=5,
    credits_left=1,
    credit_account="default",
    provider_charged=5,
    lost_to_rejections=0,
    stopped=None,
    data_docs="LMR001_x+y/index.html",
    notices=(),
)


def quality(night: int, **changes: Any) -> RunQuality:
    return replace(
        RunQuality(
            run_key=f"lead_mining/scheduled__{night}+00:00",
            request_number=f"LMR{night:03}",
            provider="apollo",
            saved_search="Berlin",
            checked_at=NIGHT + dt.timedelta(days=night),
            suite="company",
            version="2",
            checked=10,
            passed=night,
            pass_rate=night / 10,
        ),
        **changes,
    )


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


@pytest.fixture(params=["runs", "rejections", "over time", "problem"])
def hostile_page(request: pytest.FixtureRequest) -> str:
    row = replace(
        ROW, company=HOSTILE, domain=HOSTILE, country=HOSTILE, value=HOSTILE, duplicate_of=HOSTILE, rule=HOSTILE
    )
    counts = (RejectionCount("validate", HOSTILE, "reject", "company", 1),)
    run = replace(RUN, request_number=HOSTILE, data_docs=HOSTILE, rejections=counts)
    rate = [
        quality(n, provider=HOSTILE, saved_search=HOSTILE, request_number=HOSTILE, run_key=f"a/{HOSTILE}")
        for n in (2, 1)
    ]
    return {
        "runs": runs_page([(HOSTILE, NIGHT)], UP),
        "rejections": rejections_page(f"lead_mining/{HOSTILE}", run, HOSTILE, [row], 500, UP, may_retry=True),
        "over time": over_time_page(rate, UP),
        "problem": problem(HOSTILE, UP),
    }[request.param]


def test_hostile_text_does_nothing(hostile_page: str) -> None:
    assert not re.search(r"<script(?! src=\"\.\./)", hostile_page)
    assert not re.search(r"""<[^>]*=["'][^"'>]*<script""", hostile_page)
    assert "alert(1)" in hostile_page  # it is there, as text
    links = re.findall(r'href="([^"]*)"', hostile_page)
    assert not [link for link in links if link.lower().startswith(("javascript:", "data:", "http", "//"))]


def test_no_page_asks_another_host(hostile_page: str) -> None:
    asked = re.sub(r'xmlns(:\w+)?="[^"]*"|<!--.*?-->', "", hostile_page, flags=re.DOTALL)
    assert not re.search(r"https?://", asked)
    of_our_own = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]*)"', asked)
    assert of_our_own
    assert all(each.startswith("../../lead-mining/static/") for each in of_our_own)
    assert not re.search(r"<(img|iframe|object)\b|@import|url\(", asked)


def test_rejections_come_worst_first_with_what_is_expected() -> None:
    page = rejections_page("lead_mining/r", RUN, None, [ROW], 500, UP, may_retry=True)
    assert [page.index(f">{rule}<") for rule in ("duplicate_domain", "domain_is_known", "phone_is_valid")] == sorted(
        page.index(f">{rule}<") for rule in ("duplicate_domain", "domain_is_known", "phone_is_valid")
    )
    assert "The company has a website." in text_of(page)
    assert "1,200 companies were extracted, 5 loaded." in text_of(page)
    assert 'href="../../lead-mining/data-docs/LMR001_x%2By/index.html"' in page
    assert 'href="../../dags/retry_rejections"' in page
    assert 'href="../../lead-mining/requests/lead_mining/r"' in page


def test_the_rows_of_a_rule_say_how_many_there_are_in_all() -> None:
    page = text_of(rejections_page("lead_mining/r", RUN, "phone_is_valid", [ROW] * 500, 500, UP, may_retry=True))
    assert "phone_is_valid : 900, the first 500" in page
    assert "the first" not in text_of(
        rejections_page("lead_mining/r", RUN, "domain_is_known", [ROW] * 3, 500, UP, may_retry=True)
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "domain x reject"),
        ({"value": None, "missing": True}, "domain nothing reject"),
        ({"value": None}, "domain not shown: rejection 7 reject"),
        ({"lead_id": 12}, "domain x lead 12"),
        ({"company": None, "domain": None}, "could not be read DE"),
        ({"company": None}, "acme.example DE"),
        ({"contact": 2}, "contact 2"),
        ({"duplicate_of": "crm.lead 4 (lost)"}, "domain x crm.lead 4 (lost)"),
    ],
)
def test_a_row_says_what_was_found_and_what_became_of_it(changes: dict[str, Any], said: str) -> None:
    assert said in text_of(
        rejections_page("lead_mining/r", RUN, None, [replace(ROW, **changes)], 500, UP, may_retry=True)
    )


def test_only_what_can_be_tried_again_is_offered_each_once() -> None:
    rows = [
        ROW,
        replace(ROW, rejection_id=8, rule="name_is_known"),
        replace(ROW, candidate_id=4, rejection_id=10, rule="suppressed_domain", can_be_tried_again=False),
        replace(ROW, candidate_id=5, rejection_id=9, rule="no_more_than_asked", step="debit_credits"),
    ]
    page = rejections_page("lead_mining/r", RUN, "domain_is_known", rows, 500, UP, may_retry=True)
    assert re.findall(r'name="candidate" value="(\d+)" aria-label="Try Acme again"', page) == ["3", "5"]
    offered = re.findall(r'name="overrule" value="(\w+)"( checked)?', page)
    assert offered == [("domain_is_known", " checked"), ("name_is_known", "")]
    assert 'action="?rule=domain_is_known"' in page
    assert "<form" not in rejections_page("lead_mining/r", RUN, None, rows[2:3], 500, UP, may_retry=True)


def test_who_may_not_have_them_tried_again_gets_no_form_and_is_told_who_may() -> None:
    page = rejections_page("lead_mining/r", RUN, None, [ROW], 500, UP, may_retry=False)
    assert "<form" not in page
    assert "<input" not in page
    assert "Who may trigger the DAG retry_rejections" in text_of(page)


def test_what_was_wrong_with_a_form_is_said_to_screen_readers_at_once() -> None:
    page = rejections_page("lead_mining/r", RUN, None, [ROW], 500, UP, may_retry=True, problem=f"Choose {HOSTILE}")
    assert re.search(r'role="alert">Choose &lt;script&gt;', page)


def test_a_run_that_turned_nothing_down_says_so() -> None:
    assert "Nothing was turned down" in text_of(
        rejections_page("a/b", replace(RUN, rejections=()), None, [], 500, UP, may_retry=True)
    )


def test_rates_over_time_are_a_picture_and_a_table() -> None:
    page = over_time_page([quality(9), quality(8, suite="contact"), quality(7, saved_search=None), quality(6)], UP)
    assert page.count("<svg") == 1
    assert "apollo · Berlin" in page
    assert "apollo · by hand" in page
    assert "2026-11-10 02:00 LMR009 apollo Berlin company 10 9 90.0% version 2" in text_of(page)
    assert 'href="../../lead-mining/quality/lead_mining/scheduled__9%2B00%3A00"' in page


@pytest.mark.parametrize("found", [[], [quality(9)], [quality(9, suite="lead"), quality(8, suite="lead")]])
def test_there_is_no_picture_of_less_than_two_points(found: list[RunQuality]) -> None:
    page = over_time_page(found, UP)
    assert "<svg" not in page
    assert ("No mining run has been checked yet" in page) == (not found)


def test_a_picture_of_many_searches_shows_those_that_were_checked_last() -> None:
    found = [quality(night, saved_search=f"Search {night % 9}", pass_rate=0.9) for night in range(27, 9, -1)]
    page = over_time_page(found, UP)
    (picture,) = re.findall(r"<svg.*</svg>", page, flags=re.DOTALL)
    assert sorted(set(re.findall(r"apollo · Search (\d)", picture))) == ["0", "3", "4", "5", "6", "7", "8"]
    assert "2 more are in the table" in text_of(page)
    assert text_of(page.replace(picture, "")).count("Search 1") == 2


def test_a_picture_has_a_dot_a_point_and_a_name_for_who_cannot_see_it() -> None:
    picture = lines({"a": [(NIGHT, 96.0), (NIGHT + dt.timedelta(days=9), 100.0)], "b": [(NIGHT, 88.0)]}, "Rates")
    assert len(re.findall(r"<circle", picture)) == 3
    assert 'role="img"' in picture
    assert "script" not in picture
    assert [label for label in ("70 %", "100 %") if f">{label}<" in picture] == ["70 %", "100 %"]
    assert ">60 %<" not in picture
