"""Records as no provider should send them, and some do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**301)
    | st.floats()
    | st.text()
    | st.sampled_from(["\x00", "\ud800", "1e999", "12.0", "[", "[[]]", "a;b", "US-CA", "<script>", "www.x.com"])
)
ANY_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def spoilt(records: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of the records, with any part of it replaced by anything."""
    return st.sampled_from(records).flatmap(
        lambda record: st.builds(_replaced, st.just(record), st.sampled_from(list(_paths(record))), ANY_JSON)
    )


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Collection[tuple[Any, ...]]:
    """Where something can be replaced, in nested JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, inner in items for below in _paths(inner, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], by)
    return copy
