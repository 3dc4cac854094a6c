"""The table that the tests of providers which break their contract print: what was stored, charged and shown."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Line = tuple[str, int, str, str]


def render(lines: list[Line]) -> str:
    """`lines`: what the provider did, credits that it took, what is stored, what is said."""
    table = Table("the provider gave", box=SIMPLE)
    table.add_column("charged", justify="right")
    for title in ("stored", "shown"):
        table.add_column(title)
    for gave, charged, stored, shown in lines:
        table.add_row(gave, f"{charged:,}", stored, shown)
    text = StringIO()
    Console(file=text, width=160, color_system=None, markup=False, highlight=False).print(table)
    return text.getvalue()
