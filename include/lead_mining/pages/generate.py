"""The form of a mining request, with what it would cost, and what a trial run has found."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lead_mining import vocabulary
from lead_mining.crm.choices import Choices
from lead_mining.pages.forms import FormField, form_fields, in_sections
from lead_mining.pages.rendering import render
from lead_mining.pricing import Price
from lead_mining.request import NOBODY
from lead_mining.request_form import FIELDS, LOGINS, Filled
from lead_mining.summary import RunSummary


@dataclass(frozen=True)
class Beside:
    """What stands beside a form that is right: its cost, its file as a saved search, what providers do but roughly."""

    price: Price | None = None
    saved_search: str | None = None
    notices: Sequence[str] = ()


def form_page(
    filled: Filled,
    beside: Beside,
    choices: Choices,
    up: str,
    *,
    sees_people: bool,
    of: str | None,
    preview: str | None = None,
    problem: str | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """The form as it was filled in. `of`: the run whose CRM it is of; `preview`: the panel of a trial run, as HTML.

    `problem`: why it could not be sent, where that is no field's; `left_out`: fields whose values are not shown to who
    asks.
    """
    fields = _fields(filled, choices, sees_people)
    return render(
        "generate.html.j2",
        up=up,
        fields=fields,
        sections=in_sections(fields, FIELDS),
        wrong=[field for field in fields.values() if field.problem],
        countries_with_states=sorted(vocabulary.state_filter_countries()),
        country_names=vocabulary.countries(),
        cost=filled.cost,
        **vars(beside),
        of=of,
        token=secrets.token_hex(16),
        preview=preview,
        problem=problem,
        left_out=[FIELDS[name]["title"] for name in left_out],
    )


def checked_parts(filled: Filled, beside: Beside, up: str) -> str:
    """What changes on the page while the form is filled in: what is wrong, what is chosen, what it costs."""
    fields = form_fields(FIELDS, filled.values, filled.messages)
    return render("generate_checked.html.j2", up=up, fields=fields, cost=filled.cost, **vars(beside))


def preview_panel(run_key: str, run: RunSummary | None, state: str, up: str) -> str:
    """What a trial run has found so far. `state`: Airflow's word; `run`: None where it has not begun."""
    return render("generate_preview.html.j2", up=up, run_key=run_key, run=run, state=state)


def no_form_page(up: str) -> str:
    """For who may look, and not mine."""
    return render("generate_forbidden.html.j2", up=up)


def _fields(filled: Filled, choices: Choices, sees_people: bool) -> dict[str, FormField]:
    offered = {"tags": _named(choices.tags), "team": [*_named(choices.teams), (NOBODY, "no team")]}
    if sees_people:
        offered |= {name: _named(choices.logins) for name in LOGINS}
    return form_fields(FIELDS, filled.values, filled.messages, offered)


def _named(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]
