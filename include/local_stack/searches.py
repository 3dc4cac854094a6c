"""The saved searches and when they are due, for who writes some: `make searches`."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lead_mining.plain import safe_lines
from lead_mining.searches import SavedSearch, folder, read_all


def print_searches(console: Console | None = None) -> int:
    """Print them all, and what is wrong with which; how many are wrong."""
    console = console or Console()
    found = read_all()
    searches = [search for search in found if isinstance(search, SavedSearch)]
    table = Table("saved search", "due", "next", "credits: a run", "a month", show_lines=True)
    for search in searches:
        schedule, request = search.schedule, search.request
        cells = (
            f"{search.name}\n{search.key}.yaml",
            f"{schedule.cron}\n{schedule.timezone}",
            f"{schedule.next_after(datetime.now(UTC)):%Y-%m-%d\n%a %H:%M %Z}",
            f"{request.most_it_can_cost:,}",
            "" if request.search_budget is None else f"{request.search_budget:,}",
        )
        table.add_row(*(escape(safe_lines(cell)) for cell in cells))
    if searches:
        console.print(table)
    elif not found:
        text = f"No saved search in {folder()} yet: README.md there shows how to write one."
        console.print(text, markup=False, soft_wrap=True)
    wrong = [str(search) for search in found if not isinstance(search, SavedSearch)]
    for problems in wrong:
        console.print(safe_lines(problems), markup=False, soft_wrap=True)
    return len(wrong)
