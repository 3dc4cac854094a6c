"""Runs one suite over one table as a Checkpoint of Great Expectations, and publishes what it found without the values.

Imports Great Expectations, which takes seconds: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal

from great_expectations import Checkpoint, ExpectationSuite, ValidationDefinition
from great_expectations.checkpoint.actions import ActionContext, UpdateDataDocsAction, ValidationAction
from great_expectations.checkpoint.checkpoint import CheckpointResult
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

_SHOWN_CODE = 3  # characters: a country or state code; too short for a name, an address or markup


def run(
    context: AbstractDataContext,
    suite: ExpectationSuite,
    frame: pd.DataFrame,
    parameters: Mapping[str, Any],
    actions: Sequence[ValidationAction] = (),
) -> ExpectationSuiteValidationResult:
    """The result of the suite over the frame, with every failing row, by its place in the frame."""
    asset = context.data_sources.add_pandas(f"{suite.name}_rows").add_dataframe_asset(suite.name)
    definition = ValidationDefinition(
        name=suite.name, data=asset.add_batch_definition_whole_dataframe("all"), suite=context.suites.add(suite)
    )
    checkpoint = Checkpoint(
        name=suite.name,
        validation_definitions=[context.validation_definitions.add(definition)],
        actions=list(actions),
        result_format="COMPLETE",  # naming index columns in it would make 10,000 failing rows cost 5 s more
    )
    found = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": frame}, expectation_parameters=dict(parameters)
    )
    return next(iter(found.run_results.values()))


def name_of(result: ExpectationValidationResult) -> str:
    """The name of the rule that a result is of."""
    assert result.expectation_config
    assert result.expectation_config.meta
    return str(result.expectation_config.meta["name"])


class PublishWithoutValues(UpdateDataDocsAction):
    """Data Docs of counts and percentages: of what failed, only numbers and codes of companies are shown.

    Everything else may be somebody's, and Great Expectations' pages do not escape it. The rejected values stand in the
    table lead_mining.rejection.
    """

    type: Literal["publish_without_values"] = "publish_without_values"  # type: ignore[assignment]

    def run(self, checkpoint_result: CheckpointResult, action_context: ActionContext | None = None) -> dict[Any, Any]:
        store = self._resolve_context().context.validation_results_store
        for key, result in checkpoint_result.run_results.items():
            store.set(key, _without_values(result))
        return super().run(checkpoint_result, action_context)

    def _build_data_docs(
        self, site_names: list[str] | None = None, resource_identifiers: list[Any] | None = None
    ) -> dict[Any, Any]:
        """Without Great Expectations' index, whose place ours takes: it shows nothing without a network."""
        return self._resolve_context().context.build_data_docs(
            site_names=site_names, resource_identifiers=resource_identifiers, build_index=False
        )


def _without_values(suite_result: ExpectationSuiteValidationResult) -> ExpectationSuiteValidationResult:
    redacted = copy(suite_result)
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
