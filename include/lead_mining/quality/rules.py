"""The quality suites as data: ours, `suites/*.yaml`, and an installation's own rules, made into Great Expectations'.

Own rules stand in files of the folder LEAD_MINING_EXPECTATIONS, by default `include/expectations`: a suite's name and
expectations as ours have them. One that has the name of one of ours takes its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import yaml

from lead_mining.exceptions import QualityError
from lead_mining.input_files import read_text

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

Severity = Literal["reject", "warn"]
SuiteName = Literal["company", "contact", "lead"]
SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)

# Great Expectations' severities in our words. `info` is a finding too.
_SEVERITIES: Mapping[str, Severity] = {"critical": "reject", "warning": "warn", "info": "warn"}
CONDITIONS = frozenset({"states", "industries", "filter_on_size", "people", "roles", "seniority"})
_COLUMNS = ("column", "column_A", "column_B", "column_list")
_FORMAT = "see README.md in the folder of own rules"


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite. `config` is Great Expectations' own; `only_if` one of CONDITIONS or None.

    `columns`: those that it judges, the first of which is shown where it fails. `condition`: the words of its
    row_condition, columns among them. `where`: its file and place in it.
    """

    name: str
    columns: tuple[str, ...]
    field: str
    severity: Severity
    reason: str
    only_if: str | None
    config: Mapping[str, Any]
    where: str
    condition: frozenset[str] = frozenset()

    @property
    def verdict(self) -> tuple[Severity, str]:
        """What a failure means: its severity and the reason."""
        return self.severity, self.reason

    def for_every_row(self) -> Rule:
        """The rule without its row_condition."""
        conditions = ("row_condition", "condition_parser")
        kwargs = {key: value for key, value in self.config["kwargs"].items() if key not in conditions}
        return replace(self, config={**self.config, "kwargs": kwargs}, condition=frozenset())


@dataclass(frozen=True)
class Suite:
    """The rules for companies, contacts or leads, by name, in their order.

    `version`: of ours, and, where there are own rules, a digest of these: `1+3fa9c2`.
    """

    name: SuiteName
    version: str
    rules: Mapping[str, Rule]

    def for_every_row(self) -> Suite:
        """The suite with its rules' row_conditions left out."""
        return replace(self, rules={name: rule.for_every_row() for name, rule in self.rules.items()})

    def applied(self, conditions: Collection[str]) -> list[Rule]:
        """The rules that hold for a request: those without `only_if`, and those whose `only_if` is in `conditions`."""
        return [rule for rule in self.rules.values() if rule.only_if is None or rule.only_if in conditions]


def own_folder() -> Path:
    """Where own rules stand: LEAD_MINING_EXPECTATIONS, by default `expectations` beside the package."""
    return Path(os.environ.get("LEAD_MINING_EXPECTATIONS") or Path(__file__).parents[2] / "expectations")


def own_files() -> list[Path]:
    """The files of own rules, in the order of their names."""
    return sorted(path for path in own_folder().glob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def suites_that_hold() -> Mapping[SuiteName, Suite]:
    """The suites that hold, own rules included. Raises QualityError, which names file and place, where one is wrong."""
    own: dict[SuiteName, dict[str, Rule]] = {name: {} for name in SUITES}
    for path in own_files():
        name, _, found = _read(_text(path), path.name)
        if again := sorted(set(found) & set(own[name])):
            raise QualityError(
                f"{found[again[0]].where}: {own[name][again[0]].where} names its rule so too; rename one"
            )
        own[name] |= found
    return {name: _with_own(_packaged(name), own[name]) for name in SUITES}


def rule_reasons() -> dict[str, str]:
    """By rule, the sentence that says what holds where it is kept. Raises QualityError."""
    return {name: rule.reason for suite in suites_that_hold().values() for name, rule in suite.rules.items()}


def _with_own(suite: Suite, own: Mapping[str, Rule]) -> Suite:
    if not own:
        return suite
    configs = json.dumps([rule.config for rule in own.values()], sort_keys=True, default=str)
    digest = hashlib.sha256(configs.encode()).hexdigest()[:6]
    return Suite(suite.name, f"{suite.version}+{digest}", {**suite.rules, **own})


@cache
def _packaged(name: SuiteName) -> Suite:
    text = files(__package__).joinpath(f"suites/{name}.yaml").read_text(encoding="utf-8")
    _, version, found = _read(text, f"suites/{name}.yaml")
    return Suite(name, version, found)


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise QualityError(f"{path.name} cannot be read: {error}") from None


def _read(text: str, where: str) -> tuple[SuiteName, str, dict[str, Rule]]:
    """The suite that a file is of, its version, and its rules by name."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise QualityError(f"{where} is not YAML: {error}") from None
    if not isinstance(content, dict) or content.get("suite") not in SUITES:
        raise QualityError(f"{where}: `suite` must be one of {', '.join(SUITES)}; {_FORMAT}")
    if not isinstance(content.get("expectations"), list):
        raise QualityError(f"{where}: `expectations` must be a list; {_FORMAT}")
    if unknown := sorted(set(content) - {"suite", "version", "expectations"}, key=str):
        raise QualityError(f"{where}: {unknown[0]!r} is unknown; {_FORMAT}")
    found: dict[str, Rule] = {}
    for number, config in enumerate(content["expectations"], start=1):
        rule = _rule(config, f"{where}, expectation {number}")
        if rule.name in found:
            raise QualityError(f"{where}: two rules are named {rule.name!r}; give each its own meta.name")
        found[rule.name] = rule
    return content["suite"], str(content.get("version", "")), found


def _rule(config: Mapping[str, Any], where: str) -> Rule:
    try:
        meta, kwargs, severity = config["meta"], config["kwargs"], config["severity"]
        name, reason = meta["name"], config["description"]
        str(config["type"])
        judged = tuple(_columns(kwargs))
    except (KeyError, TypeError, AttributeError) as error:
        raise QualityError(f"{where}: {error} is missing or no such thing; {_FORMAT}") from None
    where = f"{where} ({name})"
    if not isinstance(name, str) or not (name.isidentifier() and name.isascii() and len(name) <= 100):
        raise QualityError(f"{where}: meta.name is made of at most 100 letters, digits and _: zip_has_five_digits")
    if not judged:
        raise QualityError(f"{where}: kwargs.column is missing: rules judge row by row, so name the column")
    if severity not in _SEVERITIES:
        raise QualityError(f"{where}: severity {severity!r}; use one of {', '.join(_SEVERITIES)}")
    only_if = meta.get("only_if")
    if only_if is not None and only_if not in CONDITIONS:
        raise QualityError(f"{where}: only_if {only_if!r}; use one of {', '.join(sorted(CONDITIONS))}")
    return Rule(
        name,
        judged,
        meta.get("field", judged[0]),
        _SEVERITIES[severity],
        str(reason),
        only_if,
        config,
        where,
        frozenset(re.findall(r"\w+", str(kwargs.get("row_condition", "")))),
    )


def _columns(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for key in _COLUMNS:
        named = kwargs.get(key, ())
        yield from [named] if isinstance(named, str) else named


def expectation_suite(suite: Suite, applied: Collection[Rule]) -> ExpectationSuite:
    """The rules as a suite of Great Expectations. Raises QualityError for an expectation that it cannot make of one."""
    from great_expectations import ExpectationSuite

    return ExpectationSuite(
        name=suite.name, expectations=[_expectation(rule) for rule in applied], meta={"version": suite.version}
    )


def _expectation(rule: Rule) -> Expectation:
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations import expectation as kinds
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        made = ExpectationConfiguration(**rule.config).to_domain_obj()
    except ExpectationNotFoundError:
        raise QualityError(f"{rule.where}: Great Expectations has no expectation {rule.config['type']!r}") from None
    except (TypeError, ValueError) as error:
        raise QualityError(f"{rule.where}: {' '.join(str(error).split())[:300]}") from None
    judges_rows = kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation
    if not isinstance(made, judges_rows):
        raise QualityError(
            f"{rule.where}: {rule.config['type']} judges a column or a table as a whole, and names no row that fails;"
            " use one that judges values, such as expect_column_values_to_match_regex"
        )
    return made
