"""What all pages have in common: templates that escape everything, and ask no other host for anything.

`up` is the way from a page to Airflow's base: `../../`, say.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

from lead_mining import links

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lead_mining.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"links": links, "utc": dt.UTC}
    return environment


def render(template: str, **values: Any) -> str:
    """The page that the template makes of the values."""
    return _environment().get_template(template).render(**values)


def problem(what: str, up: str) -> str:
    """Why there is nothing to show, and what to do."""
    return render("problem.html.j2", what=what, up=up)
