"""The installation's policy, for who writes it: `make policy`."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lead_mining.exceptions import PolicyError
from lead_mining.policy import folder, read


def print_policy(console: Console | None = None) -> int:
    """Print what it allows, or that there is none; how much is wrong with it: 0 or 1."""
    console = console or Console()
    try:
        policy = read()
    except PolicyError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    if policy is None:
        text = (
            f"No policy in {folder()}: who may trigger the DAGs chooses freely. README.md there shows how to write one."
        )
        console.print(text, markup=False, soft_wrap=True)
        return 0
    table = Table("CRM connection", "providers", "credit accounts", "a person approves above", "a run costs at most")
    for name, crm in policy.crms.items():
        limits = ("" if credits is None else f"{credits:,}" for credits in (crm.approval_threshold, crm.max_credits))
        table.add_row(*map(escape, (name, "\n".join(crm.providers), "\n".join(crm.credit_accounts), *limits)))
    console.print(table)
    return 0
