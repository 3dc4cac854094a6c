"""Runs the quality suites with Great Expectations over candidates, and over what survived deduplication."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lead_mining import vocabulary
from lead_mining.exceptions import QualityError
from lead_mining.providers.base import Company, Query
from lead_mining.quality.data_docs import Site, name_of, new_context
from lead_mining.quality.frames import companies_frame, contacts_frame
from lead_mining.quality.rules import Rule, Severity, SuiteName, applied, expectation_suite
from lead_mining.request import MiningRequest

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

_MAX_VALUE = 500
_SUITES: tuple[SuiteName, ...] = ("company", "contact")


@dataclass(frozen=True)
class Failure:
    """A rule that a company, or one of its contacts, breaks.

    `contact_index`: which contact, from 0; None for the company. `value`: at most 500 characters; None: missing.
    """

    candidate_id: int
    contact_index: int | None
    rule: str
    field: str
    value: str | None
    severity: Severity
    reason: str


@dataclass(frozen=True)
class QualityReport:
    """What the suites found: failures in the order of the candidates, failures by rule, and the run's Data Docs."""

    failures: list[Failure]
    counts: Mapping[str, int]
    companies: int
    contacts: int
    docs_index: Path


def check_candidates(
    candidates: Sequence[tuple[int, Company]], request: MiningRequest, docs: Path, run_name: str
) -> QualityReport:
    """Judge candidates, given as (id, company), by the suites `company` and `contact`.

    Data Docs are written to a folder of `docs` named after `run_name`, in place of what an earlier check wrote there.
    Raises QualityError where a suite cannot be read or an expectation cannot be evaluated.
    """
    site = Site(docs, run_name)
    try:
        failures, rules, rows = _judge(site.context, candidates, request)
        index = site.publish({rule.name: rule for name in _SUITES for rule in rules[name]})
    finally:
        site.discard()
    counts = Counter(failure.rule for failure in failures)
    return QualityReport(failures, counts, rows["company"], rows["contact"], index)


def find_failures(candidates: Sequence[tuple[int, Company]], request: MiningRequest) -> list[Failure]:
    """As `check_candidates`, without Data Docs."""
    return _judge(new_context(), candidates, request)[0]


def _judge(
    context: AbstractDataContext, candidates: Sequence[tuple[int, Company]], request: MiningRequest
) -> tuple[list[Failure], Mapping[SuiteName, Sequence[Rule]], Mapping[SuiteName, int]]:
    """Failures in the order of the candidates; the rules that held; and how many rows each suite judged."""
    query = request.query()
    conditions, parameters = _conditions(query), _parameters(query)
    rules = {name: applied(name, conditions) for name in _SUITES}
    frames = {"company": companies_frame(candidates, query), "contact": contacts_frame(candidates)}
    failures: list[Failure] = []
    for name in _SUITES:
        if len(frames[name]):
            failures += _validate(context, name, frames[name], rules[name], parameters)
    order = {candidate_id: place for place, (candidate_id, _) in enumerate(candidates)}
    failures.sort(key=lambda f: (order[f.candidate_id], -1 if f.contact_index is None else f.contact_index))
    return failures, rules, {name: len(frames[name]) for name in _SUITES}


def _conditions(query: Query) -> set[str]:
    """Which of rules.CONDITIONS hold for the request."""
    by_role = query.contact_number and query.contact_filter_type == "role"
    by_seniority = query.contact_number and query.contact_filter_type == "seniority"
    holds = {
        "states": query.states,
        "industries": query.industries,
        "filter_on_size": query.company_size_min is not None or query.company_size_max is not None,
        "roles": by_role and (query.preferred_role or query.other_roles),
        "seniority": by_seniority and query.seniority,
    }
    return {name for name, value in holds.items() if value}


def _parameters(query: Query) -> dict[str, Any]:
    """The values of the suites' `$PARAMETER`s."""
    roles, seniorities = vocabulary.roles(), vocabulary.seniorities()
    return {
        "countries": list(query.countries),
        "free_mail_domains": sorted(vocabulary.free_mail_domains()),
        "company_size_min": query.company_size_min,
        "company_size_max": query.company_size_max,
        "contact_number": query.contact_number,
        "roles": [roles[name] for name in (query.preferred_role, *query.other_roles) if name],
        "seniorities": [seniorities[query.seniority]] if query.seniority else [],
        "next_year": dt.datetime.now(dt.UTC).year + 1,
    }


def _validate(
    context: AbstractDataContext,
    name: SuiteName,
    frame: pd.DataFrame,
    rules: Sequence[Rule],
    parameters: Mapping[str, Any],
) -> list[Failure]:
    """Run one suite over one frame, once."""
    judged = frame[list(dict.fromkeys(rule.column for rule in rules))]  # every further column costs time
    result = _run(context, name, judged, expectation_suite(name, rules), parameters)
    by_name = {rule.name: rule for rule in rules}
    ids = frame["candidate_id"].tolist()
    contact_indexes = frame["contact_index"].tolist() if name == "contact" else [None] * len(frame)
    failures = []
    for one in result.results:
        rule = by_name[name_of(one)]
        values = frame[rule.column].tolist()
        failures += [
            Failure(ids[row], contact_indexes[row], rule.name, rule.field, _shortened(values[row]), *rule.verdict)
            for row in _failed_rows(one, rule.name)
        ]
    return failures


def _shortened(value: object) -> str | None:
    return None if value in (None, "") else str(value)[:_MAX_VALUE]


def _run(
    context: AbstractDataContext, name: str, frame: pd.DataFrame, suite: ExpectationSuite, parameters: Mapping[str, Any]
) -> ExpectationSuiteValidationResult:
    """One ValidationDefinition over one frame, with every failing row in the result, by its place in the frame."""
    from great_expectations import ValidationDefinition

    asset = context.data_sources.add_pandas(f"{name}_rows").add_dataframe_asset(name)
    definition = ValidationDefinition(
        name=name, data=asset.add_batch_definition_whole_dataframe("all"), suite=context.suites.add(suite)
    )
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        expectation_parameters=dict(parameters),
        result_format="COMPLETE",  # naming index columns in it would make 10,000 failing rows cost 5 s more
    )


def _failed_rows(result: ExpectationValidationResult, rule: str) -> list[int]:
    """Places of the failing rows. Raises QualityError if the expectation failed to run: that is no finding."""
    if "unexpected_index_list" not in result.result:
        raise QualityError(f"Rule {rule!r} could not be evaluated: {str(result.exception_info)[-1000:]}")
    rows: list[int] = result.result["unexpected_index_list"] or []
    return rows


def check_survivors(rows: Sequence[tuple[int, str, str]]) -> None:
    """Check that no two survivors of deduplication share a key. `rows`: (candidate id, kind of key, value).

    Raises QualityError naming the keys that are shared; e-mails and phones only by kind, as errors end in logs.
    """
    if not rows:
        return
    import pandas as pd

    context = new_context()
    from great_expectations import ExpectationSuite

    keys = sorted(set(rows))
    frame = pd.DataFrame([key[1:] for key in keys], columns=["kind", "value"], dtype=object)
    expectation = {
        "type": "expect_compound_columns_to_be_unique",
        "kwargs": {"column_list": ["kind", "value"]},
        "description": "No two leads are recognised by the same key.",
    }
    suite = ExpectationSuite(name="survivors", expectations=[expectation])
    result = _run(context, "survivors", frame, suite, {})
    shared: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in _failed_rows(result.results[0], "keys_are_unique"):
        candidate_id, kind, value = keys[row]
        shared[kind, value].append(candidate_id)
    if shared:
        named = [_named(kind, value, ids) for (kind, value), ids in sorted(shared.items())]
        more = f" and {len(named) - 10} more" if len(named) > 10 else ""
        raise QualityError(f"Candidates that survived deduplication share keys: {'; '.join(named[:10])}{more}")


def _named(kind: str, value: str, ids: Sequence[int]) -> str:
    key = f"{kind} {value!r}" if kind in ("reveal_id", "domain") else kind
    return f"{key} (candidates {', '.join(map(str, ids))})"
