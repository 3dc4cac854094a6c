"""The page of saved searches: what it says, in which order, and that hostile text stays text."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from lead_mining.pages.searches import searches_page
from lead_mining.search_history import SearchRun
from lead_mining.searches import BrokenSearch, SavedSearch, Schedule

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
HOSTILE = "<script>alert(1)</script>'\"&"


def search(key: str, name: str, hour: int, **params: object) -> SavedSearch:
    schedule = Schedule(cron=f"0 {hour} * * *", timezone="Europe/Berlin")
    return SavedSearch(key, name, "Sales", schedule, {"countries": ["DE"], "saved_search": name, **params})


def page(*found: SavedSearch | BrokenSearch, **more: object) -> str:
    names = [one.name for one in found if isinstance(one, SavedSearch)]
    values = {"last_runs": {name: [] for name in names}, "used": {}, "may_mine": False, "started": None} | more
    return searches_page(found, now=NOW, up="../../", **values)  # type: ignore[arg-type]


def test_the_one_that_is_due_next_comes_first_with_what_it_may_cost() -> None:
    shown = page(
        search("late", "Late", 12),
        search("soon", "Soon", 14, search_budget=1500, lead_number=1200),
        used={"Soon": 1400},
    )
    assert shown.index("Soon") < shown.index("Late")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))
    assert "Wed 25 Nov 14:00 Europe/Berlin 1,200 credits 1,400 of 1,500 credits" in text
    assert "Thu 26 Nov 12:00 Europe/Berlin 3 credits 0 credits none yet" in text


def test_last_runs_lead_to_their_requests() -> None:
    runs = [
        SearchRun("A", "lead_mining/saved_search__a__2026-11-25", "LMR002", NOW, None),
        SearchRun("A", "lead_mining/saved_search__a__2026-11-24", "LMR001", NOW, 1234),
    ]
    shown = page(search("a", "A", 3), last_runs={"A": runs})
    assert re.findall(r'href="\.\./\.\./lead-mining/requests/lead_mining/(\S+)" title="(\S+),[^>]*>([^<]*)</a>', shown) == [
        ("saved_search__a__2026-11-25", "LMR002", "not loaded"),
        ("saved_search__a__2026-11-24", "LMR001", "1,234"),
    ]  # fmt: skip


def test_only_who_may_mine_sees_the_button() -> None:
    assert "<form" not in page(search("a", "A", 3))
    assert 'aria-label="Mine A now"' in page(search("a", "A", 3), may_mine=True)


def test_a_broken_file_is_named_with_all_that_is_wrong() -> None:
    shown = page(BrokenSearch("x", ("x.yaml, line 1, name: 3 is not allowed", "x.yaml, line 2, <b>")))
    assert "x.yaml, line 1, name: 3 is not allowed" in shown
    assert "&lt;b&gt;" in shown
    assert "No mining request is saved" not in shown


def test_without_searches_it_says_how_to_write_one() -> None:
    assert "<code>include/searches</code>" in page()


@pytest.mark.parametrize("started", [None, HOSTILE])
def test_hostile_text_stays_text(started: str | None) -> None:
    shown = page(search("a", HOSTILE, 3), may_mine=True, started=started)
    assert not re.search(r"<script(?! src=\"\.\./)", shown)
    assert "alert(1)" in shown
