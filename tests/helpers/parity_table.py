"""The table that the parity tests print: what was compared with the recordings, what differs and why it may."""

from __future__ import annotations

from io import StringIO
from itertools import groupby
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Result = dict[str, Any]

WIDTH = 190


def render(results: list[Result]) -> str:
    """`results`: a line a scenario, kind of CRM and table. Lines that are equal for all kinds of CRM become one."""
    lines = _merged(results)
    numbers = {
        reason: n for n, reason in enumerate(dict.fromkeys(r for line in lines for r in line["allowed"]), start=1)
    }
    table = Table(
        "scenario", "CRM", "table", "rows", "equal columns", r"allowed to differ \[why]", "failing", box=SIMPLE
    )
    for scenario, of_scenario in groupby(lines, key=lambda line: line["scenario"]):
        for first, line in enumerate(of_scenario):
            table.add_row("" if first else scenario, line["crm"], *(escape(cell) for cell in _cells(line, numbers)))
        table.add_section()
    text = StringIO()
    console = Console(file=text, width=WIDTH, color_system=None, markup=True, highlight=False)
    console.print(table)
    for reason, number in numbers.items():
        console.print(f"[{number}] {reason}", markup=False)
    console.print(_total(results), markup=False)
    return text.getvalue()


def _merged(results: list[Result]) -> list[Result]:
    """One line where all kinds of CRM gave the same."""
    kinds = {line["crm"] for line in results}
    found: dict[str, tuple[Result, set[str]]] = {}
    for line in results:
        same = {key: value for key, value in line.items() if key != "crm"}
        found.setdefault(repr(same), (same, set()))[1].add(line["crm"])
    merged = [line | {"crm": "all" if crms == kinds else ", ".join(sorted(crms))} for line, crms in found.values()]
    return sorted(merged, key=lambda line: (line["scenario"], line["table"], line["crm"]))


def _cells(line: Result, numbers: dict[str, int]) -> tuple[str, ...]:
    recorded, ours = line["recorded_rows"], line["our_rows"]
    allowed = "; ".join(f"{', '.join(columns)} [{numbers[reason]}]" for reason, columns in line["allowed"].items())
    return (
        line["table"],
        str(ours) if recorded == ours else f"Odoo {recorded}, we {ours}",
        f"{line['equal']} of {line['columns']}" if line["columns"] else "no pair",
        allowed,
        ", ".join(line["failing"]),
    )


def _total(results: list[Result]) -> str:
    columns, equal = (sum(line[key] for line in results) for key in ("columns", "equal"))
    failing = sum(len(line["failing"]) for line in results)
    runs = len({(line["scenario"], line["crm"]) for line in results})
    allowed = sum(len(names) for line in results for names in line["allowed"].values())
    return f"{runs} runs: {columns} columns compared, {equal} equal; {allowed} allowed to differ, {failing} failing"
