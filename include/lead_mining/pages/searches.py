"""The saved searches: when each is due, what it may cost, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from lead_mining.pages.rendering import render
from lead_mining.search_history import SearchRun
from lead_mining.searches import BrokenSearch, SavedSearch


def searches_page(
    found: Sequence[SavedSearch | BrokenSearch],
    last_runs: Mapping[str, Sequence[SearchRun]],
    used: Mapping[str, int],
    now: dt.datetime,
    may_mine: bool,
    started: str | None,
    up: str,
) -> str:
    """All saved searches. `last_runs`, `used`: by name; `started`: the key of one that was just asked to be mined."""
    searches = [search for search in found if isinstance(search, SavedSearch)]
    return render(
        "searches.html.j2",
        searches=sorted(searches, key=lambda search: search.schedule.next_after(now)),
        broken=[search for search in found if isinstance(search, BrokenSearch)],
        next_time={search.key: search.schedule.next_after(now) for search in searches},
        last_runs=last_runs,
        used=used,
        may_mine=may_mine,
        started=started,
        up=up,
    )
