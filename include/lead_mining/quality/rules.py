"""The quality suites as data: read from `suites/*.yaml`, checked, and made into Great Expectations' suites."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import yaml

from lead_mining.exceptions import QualityError

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

Severity = Literal["reject", "warn"]
SuiteName = Literal["company", "contact"]

# Great Expectations' severities in our words. `info` is a finding too.
_SEVERITIES: Mapping[str, Severity] = {"critical": "reject", "warning": "warn", "info": "warn"}
CONDITIONS = frozenset({"states", "industries", "filter_on_size", "roles", "seniority"})


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite. `config` is Great Expectations' own; `only_if` one of CONDITIONS or None."""

    name: str
    column: str
    field: str
    severity: Severity
    reason: str
    only_if: str | None
    config: Mapping[str, Any]

    @property
    def verdict(self) -> tuple[Severity, str]:
        """What a failure means: its severity and the reason."""
        return self.severity, self.reason


@cache
def rules(suite: SuiteName) -> Mapping[str, Rule]:
    """The rules of a suite by name, in its order. Raises QualityError for a suite file that is wrong."""
    where = f"quality/suites/{suite}.yaml"
    found: dict[str, Rule] = {}
    text = files(__package__).joinpath(f"suites/{suite}.yaml").read_text(encoding="utf-8")
    for number, config in enumerate(yaml.safe_load(text)["expectations"], start=1):
        rule = _rule(config, f"{where}, expectation {number}")
        if rule.name in found:
            raise QualityError(f"{where}: two rules are named {rule.name!r}; give each its own meta.name")
        found[rule.name] = rule
    return found


def _rule(config: Mapping[str, Any], where: str) -> Rule:
    try:
        meta, column, severity = config["meta"], config["kwargs"]["column"], config["severity"]
        name, reason = meta["name"], config["description"]
    except (KeyError, TypeError) as error:
        raise QualityError(f"{where}: {error} is missing; see the comment at the top of the file") from None
    if severity not in _SEVERITIES:
        raise QualityError(f"{where} ({name}): severity {severity!r}; use one of {', '.join(_SEVERITIES)}")
    only_if = meta.get("only_if")
    if only_if is not None and only_if not in CONDITIONS:
        raise QualityError(f"{where} ({name}): only_if {only_if!r}; use one of {', '.join(sorted(CONDITIONS))}")
    return Rule(name, column, meta.get("field", column), _SEVERITIES[severity], reason, only_if, config)


def applied(suite: SuiteName, conditions: Collection[str]) -> list[Rule]:
    """The rules that hold for a request: those without `only_if`, and those whose `only_if` is in `conditions`."""
    return [rule for rule in rules(suite).values() if rule.only_if is None or rule.only_if in conditions]


def expectation_suite(name: SuiteName, applied_rules: Collection[Rule]) -> ExpectationSuite:
    """The rules as a suite of Great Expectations."""
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name=name, expectations=[dict(rule.config) for rule in applied_rules])
