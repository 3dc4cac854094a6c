"""The table that the tests of copied and restored CRMs print: what was said there, and what the provider's books say."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Line = tuple[str, str, int, int]


def render(lines: list[Line]) -> str:
    """`lines`: what was done to the CRM, what was said there, credits that the provider took before and after."""
    table = Table("the CRM", "what it said", box=SIMPLE)
    for title in ("charged before", "after"):
        table.add_column(title, justify="right")
    for crm, said, before, after in lines:
        table.add_row(crm, said, f"{before:,}", f"{after:,}")
    text = StringIO()
    Console(file=text, width=160, color_system=None, markup=False, highlight=False).print(table)
    return text.getvalue()
