"""An answer as it is kept: whatever it holds, PostgreSQL takes it, and a page comes back as it went in."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lead_mining.answers import as_json, checked, from_kept, keepable
from lead_mining.providers.base import Page
from lead_mining.providers.text import storable

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
ANYTHING = (
    PLAIN | st.floats() | st.binary() | st.text() | st.dates() | st.decimals() | st.integers() | st.complex_numbers()
)


def within(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=10)


@given(within(PLAIN, st.text("abc")))
def test_a_kept_answer_is_the_page_that_came(raw: Any) -> None:
    page = Page(raw, [{"a": raw}], 3, "next", {"x": [{"b": raw}]}, unfinished=True)
    assert from_kept(json.loads(json.dumps(keepable(page))), lambda _: None) == page == checked(page)


@given(within(ANYTHING, st.none() | st.text() | st.binary() | st.integers() | st.dates()))
def test_anything_can_be_kept(raw: Any) -> None:
    kept = json.loads(json.dumps(as_json(raw), allow_nan=False))
    assert storable(kept) == kept
