"""What a person reads before a run that costs much is allowed to: all that is asked for, what it costs, what is left.

In Markdown, as Airflow shows it on a task's *Required Actions*; whatever the values hold, it is shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lead_mining.credits.ledger import Spendable
from lead_mining.request import MiningRequest, dag_params
from lead_mining.runs import Run

_SHOWN_ELSEWHERE = {"lead_number", "approval_threshold", "credit_account", "search_budget"}
_NOT_SHOWN = {"notify"}  # people's addresses
_LOGINS = {"salesperson", "acting_user"}  # these may be addresses, too
_ELSEWHERE = "see the request's page in Browse / Lead mining"
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")  # all ASCII punctuation, as CommonMark lets it be escaped


def question(run: Run, left: Sequence[Spendable]) -> str:
    """Two tables. `left`: what the account and each monthly budget have beside what the run holds.

    It goes through an XCom, which Airflow keeps and every viewer reads, so nobody's log-in stands in it.
    """
    request = run.mining_request
    asked = [
        ("Request", run.request_number or ""),
        ("Leads, at most", f"{run.lead_number:,}"),
        *asked_for(request, with_logins=False),
    ]
    credits = [
        ("It can cost", str(run.cost_of(run.lead_number))),
        ("Approval is asked for above", f"{request.approval_threshold:,} credits"),
        *((_of(run, limit), f"{limit.credits:,} credits left beside these") for limit in left),
    ]
    return "\n\n".join(
        [
            _table("Asked for", asked),
            _table("Credits", credits),
            "The credits are set aside until you have answered. *Reject*, or no answer in time, gives them back and"
            " leaves the request as a draft: nothing was bought.",
        ]
    )


def _of(run: Run, limit: Spendable) -> str:
    what = limit.budget or f"credit account {run.credit_account!r}"
    return what[:1].upper() + what[1:].removesuffix(",")


def asked_for(request: MiningRequest, *, with_logins: bool = True) -> Iterator[tuple[str, str]]:
    """Title and value of what was filled in, as the trigger form calls it."""
    always = {"search_type", "countries"} | ({"contact_number"} if request.search_type == "people" else set())
    for name, schema in dag_params().items():
        value = getattr(request, name)
        if name not in _SHOWN_ELSEWHERE | _NOT_SHOWN and (name in always or value != schema.get("default")):
            hidden = name in _LOGINS and not with_logins
            yield schema["title"], _ELSEWHERE if hidden else _words(value, schema.get("values_display", {}))


def _words(value: Any, labels: dict[Any, str]) -> str:
    if isinstance(value, list):
        return ", ".join(_words(each, labels) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else labels.get(value, str(value))


def _table(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = "\n".join(f"| {_escaped(what)} | {_escaped(value)} |" for what, value in rows)
    return f"| {heading} | |\n|---|---|\n{lines}"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
