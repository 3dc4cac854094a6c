"""What a provider answered, as it can be kept and read once more, whatever somebody's own provider made of it.

What is wrong with an answer is told by place and type, never by content: errors are logged.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from lead_mining.exceptions import MalformedAnswer
from lead_mining.providers.base import JsonObject, Page
from lead_mining.providers.text import storable_text

_FIELDS = tuple(field.name for field in fields(Page))
_MOST_CREDITS = 2**31 - 1
_LONGEST_NUMBER = 3000  # bits
_DEEPEST = 100


def keepable(answer: object) -> JsonObject:
    """What `fetch` returned as JSON that PostgreSQL takes; what JSON has no form for is kept as text."""
    if isinstance(answer, Page):
        return {name: as_json(getattr(answer, name)) for name in _FIELDS}
    return {"raw": as_json(answer)}


def keepable_of_failure(heard: object) -> JsonObject:
    """What the provider said, of which `fetch` made no page but an error."""
    return {"heard": as_json(heard)}


def is_of_failure(kept: JsonObject) -> bool:
    """Whether `fetch` raised an error over it: its price may not be known by anybody, and can be nothing."""
    return "heard" in kept


def from_kept(kept: JsonObject, page_of: Callable[[Any], Page | None], charged: int | None = None) -> Page:
    """The page of an answer that was kept: as `fetch` gave it or, where that is none, as `page_of` reads its `raw` now.

    `charged`: what it cost, where a person knows better than the answer. Raises MalformedAnswer where it is no page.
    """
    try:
        if set(kept) != set(_FIELDS):
            raise MalformedAnswer("fetch made no Page of it")
        return checked(_costing(Page(**kept), charged))
    except MalformedAnswer:
        page = page_of(kept["raw"] if "raw" in kept else kept.get("heard"))
        if page is None:
            raise
        return checked(_costing(page, charged))


def _costing(page: Page, charged: int | None) -> Page:
    return page if charged is None else replace(page, charged=charged)


def checked(answer: object) -> Page:
    """What `fetch` returned as a page that can be stored. Raises MalformedAnswer, naming what is of a wrong type."""
    if not isinstance(answer, Page):
        raise MalformedAnswer(f"fetch returned {type(answer).__name__} and no Page")
    wrong = [
        f"{name} is {_kind(getattr(answer, name))} and not {right}"
        for name, right, is_right in (
            ("charged", "a whole number of credits from 0 on", _is_credits(answer.charged)),
            ("records", "a list", _is_list(answer.records)),
            ("next_cursor", "a text without NUL, or None", _is_cursor(answer.next_cursor)),
            ("contacts", "lists by reveal id", _is_lists_by_text(answer.contacts)),
            ("unfinished", "True or False", isinstance(answer.unfinished, bool)),
        )
        if not is_right
    ]
    if wrong:
        raise MalformedAnswer("; ".join(wrong))
    return replace(answer, raw=as_json(answer.raw), records=list(answer.records))


def _kind(value: object) -> str:
    """A value by its type alone, but for numbers: these are nobody's."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
    return f"{value}" if plain else f"of type {type(value).__name__}"


def _is_credits(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_CREDITS


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_cursor(value: object) -> bool:
    return value is None or (isinstance(value, str) and storable_text(value) == value)


def _is_lists_by_text(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(isinstance(key, str) and storable_text(key) == key and _is_list(value[key]) for key in value)


def as_json(value: object, depth: int = _DEEPEST) -> Any:
    """The value as JSON that PostgreSQL takes, whatever it is."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, int):
        return value if value.bit_length() <= _LONGEST_NUMBER else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if not depth:
        return f"({type(value).__name__}, nested too deep)"
    if isinstance(value, Mapping):
        return {_text(key): as_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item, depth - 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    try:
        return storable_text(str(value))
    except Exception:  # somebody's own class
        return f"({type(value).__name__})"
