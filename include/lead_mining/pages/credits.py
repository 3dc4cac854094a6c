"""Credit accounts, what they spend on, their statement, and the form to top them up."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lead_mining.credits.overview import AccountOverview, OpenHold, Spending, StatementLine
from lead_mining.form_fields import TOP_UP
from lead_mining.pages.chart import bars
from lead_mining.pages.forms import form_fields
from lead_mining.pages.rendering import render
from lead_mining.provider_calls import Call

_IN_THE_PICTURE = 5
_IN_THE_TABLE = 20

KINDS = {
    "top_up": "Bought",
    "hold": "Set aside",
    "capture": "Spent",
    "release": "Given back",
    "refund": "Refunded",
    "charge": "Taken by the provider",
}


@dataclass(frozen=True)
class Statement:
    """A page of it. `account`: whose, None: all; `before`: where it begins, None: at the newest line."""

    lines: Sequence[StatementLine]
    account: str | None
    before: int | None
    older: bool
    """Whether there are older lines."""


@dataclass(frozen=True)
class TopUp:
    """The form to top up, as it was filled in, with what is wrong by field, and why else it was not sent."""

    values: Mapping[str, Any]
    problems: Mapping[str, str]
    problem: str | None = None


def credits_page(
    accounts: Sequence[AccountOverview],
    holds: Sequence[OpenHold],
    calls: Sequence[Call],
    run_keys: Mapping[int, str],
    spending: Spending,
    statement: Statement,
    up: str,
    *,
    top_up: TopUp | None,
    booking: tuple[str, str] | None = None,
) -> str:
    """`calls`: those whose answer is not known; `run_keys`: of their runs, by id; `top_up`: None for who may not.

    `booking`: id and state of the run that books what was sent.
    """
    rows = _rows(spending)
    return render(
        "credits.html.j2",
        up=up,
        accounts=accounts,
        holds=holds,
        calls=calls,
        run_keys=run_keys,
        months=spending.months,
        rows=_most(rows, _IN_THE_TABLE),
        picture=None if statement.before else _picture(rows, spending.months),  # it takes longest
        statement=statement,
        kinds=KINDS,
        top_up=top_up,
        fields=top_up and form_fields(TOP_UP, top_up.values, top_up.problems, _offered(accounts)),
        booking=booking,
        token=secrets.token_hex(16),
    )


def _offered(accounts: Sequence[AccountOverview]) -> dict[str, list[tuple[str, str]]]:
    return {"credit_account": [(account.name, f"{account.available:,} credits") for account in accounts]}


def _rows(spending: Spending) -> dict[str, tuple[int, ...]]:
    return {"by hand" if name is None else name: credits for name, credits in spending.by_search.items()}


def _picture(rows: Mapping[str, tuple[int, ...]], months: Sequence[dt.date]) -> str | None:
    """None where there is too little to see."""
    if sum(any(month) for month in zip(*rows.values(), strict=True)) < 2:
        return None
    return bars(_most(rows, _IN_THE_PICTURE), [f"{month:%b %Y}" for month in months], "Credits a month")


def _most(rows: Mapping[str, tuple[int, ...]], number: int) -> dict[str, tuple[int, ...]]:
    """The first rows, and the sum of the others."""
    names = list(rows)
    found = {name: rows[name] for name in names[:number]}
    if others := names[number:]:
        found[f"{len(others)} others"] = tuple(map(sum, zip(*(rows[name] for name in others), strict=True)))
    return found
