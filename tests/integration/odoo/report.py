"""What came of comparisons, as plain data for the table that is printed at the end of the tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .allowed_differences import allowed
from .comparison import Difference, TableComparison


def failing(tables: Iterable[TableComparison]) -> list[Difference]:
    """All differences that nothing allows."""
    return [difference for table in tables for difference in table.differences if not allowed(difference)]


def results(scenario: str, crm: str, tables: Iterable[TableComparison]) -> list[dict[str, Any]]:
    """A line a table; see parity_table.render."""
    return [_result(table) | {"scenario": scenario, "crm": crm} for table in tables]


def _result(table: TableComparison) -> dict[str, Any]:
    reasons: dict[str, list[str]] = {}
    failed: set[str] = set()
    for difference in table.differences:
        if entry := allowed(difference):
            columns = reasons.setdefault(entry.reason, [])
            if difference.column not in columns:
                columns.append(difference.column)
        else:
            failed.add(difference.column)
    differing = {difference.column for difference in table.differences}
    return {
        "table": table.table,
        "recorded_rows": table.recorded_rows,
        "our_rows": table.our_rows,
        "columns": len(table.columns),
        "equal": len(set(table.columns) - differing),
        "allowed": reasons,
        "failing": sorted(failed),
    }
