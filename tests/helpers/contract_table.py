"""The tables that the providers' tests print: provider by case, and what the same leads cost at each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import StringIO

import pytest
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

SHOWN = {"passed": "yes", "failed": "NO", "skipped": "-"}


def note_case(request: pytest.FixtureRequest, provider: str) -> None:
    """Let the report of this test say of which provider and case it is."""
    node = request.node
    others = [str(value) for name, value in node.callspec.params.items() if name != "stage"]
    case = " ".join([node.originalname.removeprefix("test_").replace("_", " "), *others])
    node.user_properties.append(("contract", json.dumps([provider, case])))


def render(found: Iterable[tuple[str, str, str]]) -> str:
    """`found`: provider, case and outcome, as pytest calls it."""
    cells = {(case, provider): SHOWN[outcome] for provider, case, outcome in found}
    providers = sorted({provider for _, provider in cells})
    table = Table("case", *providers, box=SIMPLE)
    for case in dict.fromkeys(case for case, _ in cells):
        table.add_row(case, *(cells.get((case, provider), "") for provider in providers))
    return _printed(table)


def render_same_leads(lines: Iterable[list[object]]) -> str:
    """`lines`: what was asked for, provider, leads, contacts, our credits, its credits, paid calls."""
    table = Table("asked for", "provider", box=SIMPLE)
    for title in ("leads", "contacts", "our credits", "charged by it", "paid calls"):
        table.add_column(title, justify="right")
    for line in sorted(lines, key=lambda line: line[:2]):
        table.add_row(*map(str, line))
    return _printed(table)


def _printed(table: Table) -> str:
    text = StringIO()
    Console(file=text, width=140, color_system=None, markup=False, highlight=False).print(table)
    return text.getvalue()
