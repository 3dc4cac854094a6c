"""Numbers of things in plain words."""

from __future__ import annotations


def many(count: int, what: str, none: str = "0") -> str:
    """`1 lead`, `2,000 leads`; `none` is the word for 0."""
    return f"{none if count == 0 else f'{count:,}'} {what if count == 1 else plural(what)}"


def plural(what: str) -> str:
    """Of a regular noun."""
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
