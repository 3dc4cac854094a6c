"""The words that a request is made of: types that accept no other value, and whose errors say which they do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lead_mining import vocabulary
from lead_mining.identifiers import smtp_address

MAX_INT4 = 2**31 - 1
"""The largest number in Odoo's columns."""


def _known(words: Collection[str], what: str) -> AfterValidator:
    """Accepts only a word of a vocabulary; the error offers the nearest ones."""

    def check(value: str) -> str:
        if value in words:
            return value
        near = difflib.get_close_matches(value[:200], words, n=3, cutoff=0.6)
        allowed = f"did you mean {', '.join(map(repr, near))}?" if near else _listed(words, what)
        raise PydanticCustomError("unknown_word", "{allowed}", {"allowed": allowed})

    return AfterValidator(check)


def _printable(value: str) -> str:
    if not value or not value.isprintable() or value != value.strip():
        raise PydanticCustomError("wrong_form", "use printable text on one line, with no space at its ends")
    return value


def recipient(value: str) -> str:
    """The Slack channel, or the e-mail address as SMTP takes it. Raises PydanticCustomError, a ValueError."""
    if re.fullmatch(r"#[\w-]{1,80}", value):
        return value
    try:
        return smtp_address(value)
    except ValueError:
        how = "use an e-mail address, such as sales@example.com, or a Slack channel, such as #sales"
        raise PydanticCustomError("wrong_form", how) from None


def _connection_id(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+", value):
        raise PydanticCustomError("wrong_form", "use the id of an Airflow connection")
    return value


def _listed(words: Collection[str], what: str) -> str:
    shown = sorted(words)
    return f"use {what}" + (f": {', '.join(shown)}" if len(shown) <= 30 else f", such as {shown[0]} or {shown[-1]}")


def unique(values: list[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(values))


def empty_if_none(values: Any) -> Any:
    """A list, for what may be none."""
    return [] if values is None else values  # the trigger form sends null for nothing chosen


Country = Annotated[str, _known(vocabulary.countries(), "an ISO 3166-1 code")]
State = Annotated[
    str,
    _known(
        vocabulary.states(),
        "an ISO 3166-2 code of a country with a state filter ("
        + ", ".join(sorted(vocabulary.state_filter_countries()))
        + ")",
    ),
]
Industry = Annotated[str, _known(vocabulary.industries(), "an industry")]
Role = Annotated[str, _known(vocabulary.roles(), "a role")]
Seniority = Annotated[str, _known(vocabulary.seniorities(), "a seniority")]
Text = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Recipient = Annotated[str, Field(max_length=254), AfterValidator(recipient)]
ConnectionId = Annotated[str, Field(max_length=200), AfterValidator(_connection_id)]
Size = Annotated[int, Field(ge=1, le=MAX_INT4)]
