"""The quality rules that hold, for who writes some of their own: `make expectations`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from lead_mining.judging import lead_of
from lead_mining.plain import safe_lines
from lead_mining.quality.checks import check_rules
from lead_mining.quality.rules import own_files, own_folder


def print_rules(console: Console | None = None) -> None:
    """Try each rule on made-up companies, and print them all. Raises QualityError for a wrong one."""
    console = console or Console()
    for suite in check_rules(lead_of).values():
        table = Table(
            "rule", "if not", "what is expected", "holds where", title=f"{suite.name}, version {suite.version}"
        )
        for rule in suite.rules.values():
            own = "" if rule.where.startswith("suites/") else f" [{rule.where.partition(',')[0]}]"
            condition = rule.only_if or ("row_condition" if rule.condition else "")
            table.add_row(*(escaped(cell) for cell in (rule.name + own, rule.severity, rule.reason, condition)))
        console.print(table)
    files = ", ".join(path.name for path in own_files()) or "none; README.md there says how to write some"
    console.print(f"own rules in {own_folder()}: {files}", markup=False, soft_wrap=True)


def escaped(text: str) -> str:
    """Whatever brackets it has, shown as they are."""
    from rich.markup import escape

    return escape(safe_lines(text))
