"""Quality over time, and what a run turned down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import islice

from lead_mining.pages.chart import MOST_SERIES, lines
from lead_mining.pages.rendering import render
from lead_mining.quality.results import RunQuality
from lead_mining.quality.rules import suites_that_hold
from lead_mining.rejections import RejectedRow, may_be_overruled
from lead_mining.summary import RejectionCount, RunSummary


def over_time_page(found: Sequence[RunQuality], up: str) -> str:
    """Pass rates over time, as a picture and as a table, in the order given: the newest first."""
    all_series: dict[str, list[tuple[dt.datetime, float]]] = {}
    for one in found:
        if one.suite == "company":
            points = all_series.setdefault(f"{one.provider} · {one.saved_search or 'by hand'}", [])
            points.insert(0, (one.checked_at, one.pass_rate * 100))
    series = dict(islice(all_series.items(), MOST_SERIES))
    enough = any(len(points) > 1 for points in series.values())
    picture = lines(series, "Companies that passed, in percent") if enough else None
    return render("quality.html.j2", up=up, found=found, picture=picture, left_out=len(all_series) - len(series))


def rejections_page(
    run_key: str,
    run: RunSummary,
    rule: str | None,
    rows: Sequence[RejectedRow],
    most: int,
    up: str,
    *,
    may_retry: bool,
    problem: str | None = None,
) -> str:
    """A run's rejections: how many by which rule, and rows of one rule, or of all, of which `most` were asked for.

    `may_retry`: whether who asks may have them tried again; `problem`: why that was refused just now.
    """
    again = [row for row in rows if row.can_be_tried_again]
    first_of_each = {row.candidate_id: row.rejection_id for row in reversed(again)}
    return render(
        "rejections.html.j2",
        up=up,
        run_key=run_key,
        run=run,
        rule=rule,
        counts=sorted(run.rejections, key=worst_first),
        reasons=reasons(),
        rows=rows,
        total=sum(count.count for count in run.rejections if rule in (None, count.rule)),
        cut=len(rows) >= most,
        offered=set(first_of_each.values()),
        overrulable=sorted({row.rule for row in again if row.step != "debit_credits" and may_be_overruled(row.rule)}),
        may_retry=may_retry,
        problem=problem,
    )


def reasons() -> dict[str, str]:
    """What each rule expects, by its name."""
    return {name: one.reason for suite in suites_that_hold().values() for name, one in suite.rules.items()}


def worst_first(count: RejectionCount) -> tuple[bool, int, str]:
    return count.severity != "reject", -count.count, count.rule
