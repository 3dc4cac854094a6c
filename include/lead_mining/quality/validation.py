"""Runs one suite over one table with Great Expectations, and renders what it found as Data Docs without the values.

Imports Great Expectations, which takes seconds: import it where it is used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import great_expectations
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.render.renderer.page_renderer import (
    ExpectationSuitePageRenderer,
    ValidationResultsPageRenderer,
)
from great_expectations.render.view.view import DefaultJinjaPageView
from great_expectations.validator.v1_validator import Validator

from lead_mining.plain import logger

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

log = logger(__name__)

_FAVICON = Path(great_expectations.__file__).parent / "render/view/static/images/favicon.ico"
_SHOWN_CODE = 3  # characters: a country or state code; too short for a name, an address or markup


def run(
    context: AbstractDataContext, suite: ExpectationSuite, frame: pd.DataFrame, parameters: Mapping[str, Any]
) -> ExpectationSuiteValidationResult:
    """The result of the suite over the frame, with every failing row, by its place in the frame.

    As a ValidationDefinition does it, without the copies that this and a Checkpoint make of it all in the context.
    """
    asset = context.data_sources.pandas_default.add_dataframe_asset(suite.name)
    validator = Validator(
        batch_definition=asset.add_batch_definition_whole_dataframe("all"),
        batch_parameters={"dataframe": frame},
        result_format="COMPLETE",  # naming index columns in it would make 10,000 failing rows cost 5 s more
    )
    return validator.validate_expectation_suite(suite, dict(parameters))


def name_of(result: ExpectationValidationResult) -> str:
    """The name of the rule that a result is of."""
    assert result.expectation_config
    assert result.expectation_config.meta
    return str(result.expectation_config.meta["name"])


def write_pages(site: Path, validated: Iterable[tuple[ExpectationSuite, ExpectationSuiteValidationResult]]) -> None:
    """Data Docs: a page for each suite and one for its result, of counts, percentages and few values.

    Of what failed, only numbers and codes of companies are shown: everything else may be somebody's, and Great
    Expectations' pages do not escape it. The rejected values stand in the table lead_mining.rejection.
    """
    _write(site / "static/images/favicon.ico", _FAVICON.read_bytes())
    now = dt.datetime.now(dt.UTC)
    for suite, result in validated:
        renderings: tuple[tuple[str, Any, Any], ...] = (
            (f"expectations/{suite.name}.html", ExpectationSuitePageRenderer(), suite),
            (
                f"validations/{suite.name}/{now:%Y%m%dT%H%M%S.%fZ}/{suite.name}.html",
                ValidationResultsPageRenderer(),
                _without_values(result, now),
            ),
        )
        for place, renderer, content in renderings:
            try:
                page = _page_view().render(renderer.render(content), show_how_to_buttons=False)
            except Exception as error:  # candidates are judged all the same
                log.warning("The page %s of the Data Docs cannot be rendered: %s", place, type(error).__name__)
            else:
                _write(site / place, page.encode())


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


@cache
def _page_view() -> Any:
    """One for all pages: each that is made compiles all templates anew, which takes longer than the judging."""
    return DefaultJinjaPageView()


def _without_values(
    suite_result: ExpectationSuiteValidationResult, now: dt.datetime
) -> ExpectationSuiteValidationResult:
    redacted = copy(suite_result)
    of_run: Any = {"run_id": {"run_time": now.isoformat()}, "batch_parameters": {"dataframe": "<DATAFRAME>"}}
    redacted.meta = suite_result.meta | of_run
    redacted.results = []
    for result in suite_result.results:
        counts = result.result.get("partial_unexpected_counts") or []
        shown = [c for c in counts if suite_result.suite_name == "company" and _is_shown(c)]
        one = copy(result)
        one.result = {
            name: value
            for name, value in result.result.items()
            if not name.startswith(("partial_", "unexpected_index", "unexpected_list"))
        }
        if shown:
            one.result["partial_unexpected_counts"] = shown
            one.result["partial_unexpected_list"] = [c["value"] for c in shown]
        redacted.results.append(one)
    return redacted


def _is_shown(count: object) -> bool:
    value = count.get("value") if isinstance(count, dict) else None
    if isinstance(value, str):
        return len(value) <= _SHOWN_CODE and value.isascii() and value.isalnum()
    return isinstance(value, (int, float))
