"""What the suites found in a run, rule by rule, and over time: rows of our own schema, without anybody's data."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.quality.rules import Rule, Suite, SuiteName


@dataclass(frozen=True)
class RuleResult:
    """How many rows a rule was asked of, and how many broke it."""

    rule: Rule
    checked: int
    failed: int


@dataclass(frozen=True)
class SuiteResult:
    """What a suite found: rows checked, how many passed (none of its `reject` rules turned them down), each rule."""

    suite: SuiteName
    version: str
    checked: int
    passed: int
    rules: Sequence[RuleResult]


def in_all(results: Iterable[SuiteResult]) -> list[SuiteResult]:
    """The figures of several chunks as one, by suite, in the order in which suites and rules first come."""
    sums: dict[SuiteName, SuiteResult] = {}
    for one in results:
        known = sums.setdefault(one.suite, SuiteResult(one.suite, one.version, 0, 0, []))
        rules = {each.rule.name: each for each in known.rules}
        for each in one.rules:
            before = rules.get(each.rule.name, RuleResult(each.rule, 0, 0))
            added = RuleResult(each.rule, before.checked + each.checked, before.failed + each.failed)
            rules[each.rule.name] = added
        sums[one.suite] = SuiteResult(
            one.suite, one.version, known.checked + one.checked, known.passed + one.passed, list(rules.values())
        )
    return list(sums.values())


@dataclass(frozen=True)
class RunQuality:
    """A row of the view lead_mining.quality_over_time: a suite's figures in one run. `pass_rate`: 0 to 1."""

    run_key: str
    request_number: str | None
    provider: str
    saved_search: str | None
    checked_at: dt.datetime
    suite: SuiteName
    version: str
    checked: int
    passed: int
    pass_rate: float


def add(conn: Connection, run_id: int, results: Sequence[SuiteResult]) -> None:
    """Add a part's figures to the run's. To be called last in the transaction that judges the part: others wait."""
    conn.execute(
        "INSERT INTO lead_mining.quality_suite_result AS run (run_id, suite, version, checked, passed)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[])"
        " ON CONFLICT (run_id, suite) DO UPDATE SET checked = run.checked + excluded.checked,"
        " passed = run.passed + excluded.passed,"
        " version = CASE run.version WHEN excluded.version THEN run.version ELSE 'several' END",
        [
            run_id,
            [result.suite for result in results],
            [result.version for result in results],
            [result.checked for result in results],
            [result.passed for result in results],
        ],
    )
    of_rules = [(result.suite, one) for result in results for one in result.rules]
    conn.execute(
        "INSERT INTO lead_mining.quality_rule_result AS run (run_id, suite, rule, severity, checked, failed)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::int[])"
        " ON CONFLICT (run_id, suite, rule) DO UPDATE SET checked = run.checked + excluded.checked,"
        " failed = run.failed + excluded.failed",
        [
            run_id,
            [suite for suite, _ in of_rules],
            [one.rule.name for _, one in of_rules],
            [one.rule.severity for _, one in of_rules],
            [one.checked for _, one in of_rules],
            [one.failed for _, one in of_rules],
        ],
    )


def of_run(conn: Connection, run_id: int, suites: Mapping[SuiteName, Suite]) -> list[SuiteResult]:
    """The figures of all of a run's parts, in the order of the suites; without rules that these have no more."""
    rules: dict[str, list[RuleResult]] = defaultdict(list)
    counts = {
        (suite, rule): (checked, failed)
        for suite, rule, checked, failed in conn.execute(
            "SELECT suite, rule, checked, failed FROM lead_mining.quality_rule_result WHERE run_id = %s", [run_id]
        )
    }
    for suite in suites.values():
        for name, rule in suite.rules.items():
            if found := counts.get((suite.name, name)):
                rules[suite.name].append(RuleResult(rule, *found))
    rows = conn.execute(
        "SELECT suite, version, checked, passed FROM lead_mining.quality_suite_result WHERE run_id = %s", [run_id]
    )
    judged = [SuiteResult(suite, version, checked, passed, rules[suite]) for suite, version, checked, passed in rows]
    return sorted(judged, key=lambda result: list(suites).index(result.suite))


def over_time(conn: Connection, most: int) -> list[RunQuality]:
    """Figures of the latest runs, the newest first, at most so many rows."""
    with conn.cursor(row_factory=class_row(RunQuality)) as cur:
        return cur.execute(
            "SELECT run_key, request_number, provider, saved_search, checked_at, suite, version, checked, passed,"
            " pass_rate FROM lead_mining.quality_over_time ORDER BY checked_at DESC, run_key, suite LIMIT %s",
            [most],
        ).fetchall()
