"""Runs the quality suites with Great Expectations over candidates, and over what survived deduplication."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lead_mining import vocabulary
from lead_mining.exceptions import QualityError
from lead_mining.providers.base import Company, Contact
from lead_mining.quality import asked
from lead_mining.quality.data_docs import new_context
from lead_mining.quality.frames import companies_frame, contacts_frame, leads_frame
from lead_mining.quality.results import RuleResult, SuiteResult, in_all
from lead_mining.quality.rules import (
    CONDITIONS,
    Rule,
    Severity,
    Suite,
    SuiteName,
    expectation_suite,
    own_files,
    suites_that_hold,
)
from lead_mining.request import MiningRequest

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

LeadOf = Callable[[Company], Mapping[str, Any]]
"""What a company becomes in the CRM: the columns of its lead, by name."""

_MAX_VALUE = 500


@dataclass(frozen=True)
class Failure:
    """A rule that a company, one of its contacts or its lead breaks.

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
class _Judged:
    """What was found of a chunk: failures in the order of the candidates; of each suite that had any rows the rest."""

    failures: list[Failure]
    figures: list[SuiteResult]
    validated: list[tuple[ExpectationSuite, ExpectationSuiteValidationResult]]


class Checks:
    """The checking of candidates, a chunk after the other, with Data Docs of all in the folder `docs`.

    The rules are read at the start and hold for all of it; raises QualityError where a suite cannot be read.
    """

    def __init__(self, request: MiningRequest, lead_of: LeadOf, docs: Path) -> None:
        self._request, self._lead_of, self._docs = request, lead_of, docs
        self._suites = suites_that_hold()  # once: a file that is changed meanwhile must not judge the rest otherwise
        self._found: list[SuiteResult] = []

    @property
    def results(self) -> list[SuiteResult]:
        """The figures of each suite that had something to judge."""
        return in_all(self._found)

    def judge(self, candidates: Sequence[tuple[int, Company]]) -> list[Failure]:
        """The failures of candidates, given as (id, company), by the suites `company`, `contact` and `lead`.

        In the order of the candidates. Raises QualityError where an expectation cannot be evaluated.
        """
        from lead_mining.quality.validation import write_pages

        judged = _judge(candidates, self._request, self._lead_of, self._suites)
        self._found += judged.figures
        write_pages(self._docs, judged.validated)
        return judged.failures


def find_failures(candidates: Sequence[tuple[int, Company]], request: MiningRequest, lead_of: LeadOf) -> list[Failure]:
    """As `Checks.judge`, without Data Docs."""
    return _judge(candidates, request, lead_of).failures


def check_own_rules(lead_of: LeadOf) -> None:
    """Try the rules of the installation's own, with all of ours, before anything is paid. Nothing where there are none.

    Raises QualityError, which names the file and the place in it.
    """
    if own_files():
        check_rules(lead_of)


def check_rules(lead_of: LeadOf) -> Mapping[SuiteName, Suite]:
    """The suites that hold, each rule of them tried on a company without data and on one with all of it.

    Raises QualityError.
    """
    found = suites_that_hold()
    filters = {"search_type": "people", "preferred_role": next(iter(vocabulary.roles())), "filter_on_size": True}
    request = MiningRequest.parse({"countries": ["US"], **filters})
    full = Company(**_sample(Company), contacts=(Contact(**_sample(Contact)),))
    candidates = [(0, Company(contacts=(Contact(),))), (1, full)]
    # Once more without conditions: else what is said of rows that are not there would not be tried.
    for holding in (found, {name: suite.for_every_row() for name, suite in found.items()}):
        _judge(candidates, request, lead_of, holding, CONDITIONS)
    return found


def _sample(kind: type[Company | Contact]) -> dict[str, Any]:
    """A value for each field but `contacts`: a text, a number, or a text in a list."""
    samples: dict[str, Any] = {}
    for field in kind.model_fields:
        for value in ("x", 1, ("x",)):
            with suppress(ValidationError):
                kind.model_validate({field: value})
                samples.setdefault(field, value)
    return samples


def _judge(
    candidates: Sequence[tuple[int, Company]],
    request: MiningRequest,
    lead_of: LeadOf,
    suites: Mapping[SuiteName, Suite] | None = None,
    conditions: frozenset[str] | None = None,
) -> _Judged:
    """Leads are judged as they would be loaded: without the contacts that were turned down."""
    query, context = request.query(), new_context()
    parameters = asked.parameters(query)
    holding = suites or suites_that_hold()
    conditions = asked.conditions(query) if conditions is None else conditions
    found = _Judged([], [], [])

    def judge(name: SuiteName, frame_of: Callable[[Sequence[str]], pd.DataFrame]) -> None:
        suite = holding[name]
        rules = suite.applied(conditions)
        frame = frame_of([column for rule in rules for column in (*rule.columns, *rule.condition)])
        if len(frame) and rules:
            _run_suite(context, suite, rules, frame, parameters, found)

    judge("company", lambda columns: companies_frame(candidates, query, columns))
    judge("contact", lambda columns: contacts_frame(candidates, columns))
    bad_contacts: dict[int, set[int]] = defaultdict(set)
    for failure in found.failures:
        if failure.contact_index is not None and failure.severity == "reject":
            bad_contacts[failure.candidate_id].add(failure.contact_index)
    judge(
        "lead",
        lambda _: leads_frame(
            (id_, lead_of(company.without_contacts(bad) if (bad := bad_contacts.get(id_)) else company))
            for id_, company in candidates
        ),
    )
    order = {candidate_id: place for place, (candidate_id, _) in enumerate(candidates)}
    found.failures.sort(key=lambda f: (order[f.candidate_id], -1 if f.contact_index is None else f.contact_index))
    return found


def _run_suite(
    context: AbstractDataContext,
    suite: Suite,
    rules: Sequence[Rule],
    frame: pd.DataFrame,
    parameters: Mapping[str, Any],
    found: _Judged,
) -> None:
    """Run one suite over one frame, once, and add to `found` what it found."""
    from lead_mining.quality import validation

    judged = frame[_judged_columns(rules, list(frame.columns))]  # every further column costs time
    made = expectation_suite(suite, rules)
    validated = validation.run(context, made, judged, parameters)
    by_name = {validation.name_of(result): result for result in validated.results}
    ids = frame["candidate_id"].tolist()
    contact_indexes = frame["contact_index"].tolist() if suite.name == "contact" else [None] * len(frame)
    of_rules: list[RuleResult] = []
    turned_down: set[int] = set()
    for rule in rules:
        rows = _failed_rows(by_name[rule.name], rule.where)
        values = frame[rule.columns[0]].take(rows).tolist()
        found.failures.extend(
            Failure(ids[row], contact_indexes[row], rule.name, rule.field, _shortened(value), *rule.verdict)
            for row, value in zip(rows, values, strict=True)
        )
        of_rules.append(RuleResult(rule, by_name[rule.name].result["element_count"], len(rows)))
        if rule.severity == "reject":
            turned_down.update(rows)
    checked = len(frame)
    found.figures.append(SuiteResult(suite.name, suite.version, checked, checked - len(turned_down), of_rules))
    found.validated.append((made, validated))


def _judged_columns(rules: Sequence[Rule], known: Sequence[str]) -> list[str]:
    """The columns that the rules name, those of their conditions included. Raises QualityError for an unknown one."""
    wanted: dict[str, None] = {}
    for rule in rules:
        for column in rule.columns:
            if column not in known:
                alike = get_close_matches(column, known, n=1)
                hint = f"did you mean {alike[0]!r}? " if alike else ""
                raise QualityError(
                    f"{rule.where}: there is no column {column!r}; {hint}Columns are {', '.join(sorted(known))}"
                )
            wanted[column] = None
        wanted |= dict.fromkeys(column for column in known if column in rule.condition)
    return list(wanted)


def _shortened(value: object) -> str | None:
    return None if value in (None, "") else str(value)[:_MAX_VALUE]


def _failed_rows(result: ExpectationValidationResult, where: str) -> list[int]:
    """Places of the failing rows. Raises QualityError if the expectation failed to run: that is no finding."""
    if "unexpected_index_list" not in result.result:
        raise QualityError(f"{where}: the rule could not be evaluated: {str(result.exception_info)[-1000:]}")
    rows: list[int] = result.result["unexpected_index_list"] or []
    return rows


def check_survivors(rows: Sequence[tuple[int, str, str]]) -> None:
    """Check that no two survivors of deduplication share a key. `rows`: (candidate id, kind of key, value).

    Raises QualityError naming the keys that are shared; e-mails and phones only by kind, as errors end in logs.
    """
    if not rows:
        return
    import pandas as pd
    from great_expectations import ExpectationSuite

    from lead_mining.quality import validation

    keys = sorted(set(rows))
    frame = pd.DataFrame([key[1:] for key in keys], columns=["kind", "value"], dtype=object)
    expectation = {
        "type": "expect_compound_columns_to_be_unique",
        "kwargs": {"column_list": ["kind", "value"]},
        "description": "No two leads are recognised by the same key.",
    }
    suite = ExpectationSuite(name="survivors", expectations=[expectation])
    result = validation.run(new_context(), suite, frame, {})
    shared: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in _failed_rows(result.results[0], "survivors"):
        candidate_id, kind, value = keys[row]
        shared[kind, value].append(candidate_id)
    if shared:
        named = [_named(kind, value, ids) for (kind, value), ids in sorted(shared.items())]
        more = f" and {len(named) - 10} more" if len(named) > 10 else ""
        raise QualityError(f"Candidates that survived deduplication share keys: {'; '.join(named[:10])}{more}")


def _named(kind: str, value: str, ids: Sequence[int]) -> str:
    key = f"{kind} {value!r}" if kind in ("reveal_id", "domain") else kind
    return f"{key} (candidates {', '.join(map(str, ids))})"
