"""Where Great Expectations' pages are found: the list of runs, and the index of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from lead_mining.pages.rendering import render
from lead_mining.quality.results import SuiteResult
from lead_mining.quality.rules import SuiteName


def runs_page(runs: Sequence[tuple[str, dt.datetime]], up: str) -> str:
    """The runs that have Data Docs: folder and when they were written, in the order given."""
    return render("data_docs.html.j2", up=up, runs=runs)


def run_page(
    name: str, results: Sequence[SuiteResult], pages: Mapping[SuiteName, Sequence[str]], rejected_rows: str | None
) -> str:
    """The index of a run's Data Docs, rule by rule. `pages`: Great Expectations' own of each suite, relative to it;
    `rejected_rows`: a link that ends where the name of a rule belongs.
    """
    return render(
        "data_docs_of_a_run.html.j2", run_name=name, results=results, pages=pages, rejected_rows=rejected_rows
    )
