"""Text as providers send it, made safe to store: PostgreSQL refuses NUL and lone surrogates in text and jsonb."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lead_mining.plain import one_line
from lead_mining.providers.redaction import without

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.\-]*:)?//", re.IGNORECASE)
_SHOWN = 200
_MAX_DEPTH = 100


def storable(value: Any, *secrets: str) -> Any:
    """The same JSON value without what PostgreSQL's jsonb refuses, and without `secrets` should they be echoed in it.

    Raises ValueError where the nesting is deeper than 100.
    """
    if not any(secrets):
        return _storable(value, storable_text, _MAX_DEPTH)
    redacted = without(secrets)
    return _storable(value, lambda text: redacted(storable_text(text)), _MAX_DEPTH)


def _storable(value: Any, clean: Callable[[str], str], depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    if isinstance(value, dict):  # most items are texts: one call each, for a page has tens of thousands
        return {
            clean(key): clean(item) if type(item) is str else _storable(item, clean, depth - 1)
            for key, item in value.items()
        }
    return [_storable(item, clean, depth - 1) for item in value]


def storable_text(text: str) -> str:
    """The text without what PostgreSQL refuses; most have none of it, which is seen at once."""
    if text.isascii() and "\x00" not in text:
        return text
    return _NOT_STORABLE.sub("", text)


def shorten(value: object) -> str:
    """A value as an error may show it: on one line, storable, at most 200 characters."""
    text = value if isinstance(value, str) else _repr(value)
    text = one_line(text[: 2 * _SHOWN])
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an int of more than 4300 digits has no text
        return "a number too large to show"
    except RecursionError:
        return "a value nested too deep to show"


def bare_domain(text: str) -> str:
    """The host of a domain or web address, as `Company.domain` wants it: `https://www.Example.com/en` is `example.com`.

    Not a check: what is no domain comes out as no domain.
    """
    host = re.split(r"[/?#\\]", _SCHEME.sub("", text.strip()), maxsplit=1)[0]
    host = re.sub(r":\d*$", "", host.strip()).rstrip(".").casefold()
    without_www = host.removeprefix("www.")
    return without_www if "." in without_www else host


def profile_path(text: str) -> str:
    """What of a profile's web address comes after the host; empty where there is nothing."""
    return re.split(r"[?#\\]", _SCHEME.sub("", text.strip()), maxsplit=1)[0].partition("/")[2].strip("/")
