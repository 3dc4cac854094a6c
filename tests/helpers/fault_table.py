"""The table that the tests of faults print: what was done to a run, at how many points, and what came of it."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Line = tuple[str, int, int, int, int]


def render(lines: list[Line]) -> str:
    """`lines`: fault, points counted, points tried, runs that survived, invariants broken. Equal faults are summed."""
    sums: dict[str, list[int]] = {}
    for fault, *numbers in [*lines, *(("all", *line[1:]) for line in lines)]:
        sums[fault] = [a + b for a, b in zip(sums.get(fault, [0] * 4), numbers, strict=True)]
    table = Table("fault", box=SIMPLE)
    for title in ("points", "tried", "survived", "invariants broken"):
        table.add_column(title, justify="right")
    for fault, numbers in sums.items():
        table.add_row(fault, *(f"{number:,}" for number in numbers))
    text = StringIO()
    Console(file=text, width=140, color_system=None, markup=False, highlight=False).print(table)
    return text.getvalue()
