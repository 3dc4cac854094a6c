"""What all pages have in common: templates that escape everything, without scripts and without asking another host."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("lead_mining.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """The page that the template makes of the values."""
    return _environment().get_template(template).render(**values)


def up(folder: str, below: int = 0) -> str:
    """From a page in a folder, or so many levels below it, to Airflow's base."""
    return "../" * (folder.count("/") + 1 + below)


def problem(what: str) -> str:
    """Why there is nothing to show, and what to do."""
    return render("problem.html.j2", what=what)
