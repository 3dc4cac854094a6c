"""Storable text, shortened values, bare domains."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.providers.text import bare_domain, profile_path, shorten, storable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_storable_encodes_as_utf8_and_has_no_nul(value: object) -> None:
    text = json.dumps(storable(value), ensure_ascii=False)
    text.encode("utf-8")
    assert "\\u0000" not in text


@given(JSON)
def test_storable_twice_is_storable_once(value: object) -> None:
    assert storable(storable(value)) == storable(value)


def test_a_secret_is_blanked_out_in_keys_and_values() -> None:
    assert storable({"long-secret": ["a long-secret b"]}, "long-secret") == {"***": ["a *** b"]}
    assert storable({"a": "a test b", "b": 1}, "", "test") == {"a": "a *** b", "b": 1}


@pytest.mark.parametrize("value", ["x" * 10_000, ["y"] * 10_000, [10**6000], "\x00" * 300, {"k": "\ud800"}])
def test_a_shown_value_is_short_and_storable(value: object) -> None:
    shown = shorten(value)
    assert len(shown) <= 200
    assert storable(shown) == shown


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("acme.com", "acme.com"),
        ("  Www.ACME.com/ ", "acme.com"),
        ("https://www.acme.com/en?x=1#y", "acme.com"),
        ("http://acme.com:8080", "acme.com"),
        ("//acme.com.", "acme.com"),
        ("www.com", "www.com"),
        ("shop.acme.co.uk", "shop.acme.co.uk"),
        ("bücher.de", "bücher.de"),
        ("http://[not an address", "[not an address"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("", ""),
    ],
)
def test_bare_domain(text: str, domain: str) -> None:
    assert bare_domain(text) == domain


@given(st.text())
def test_a_bare_domain_of_anything_has_no_path_and_no_capitals(text: str) -> None:
    domain = bare_domain(text)
    assert not set(domain) & set("/?#\\")
    assert domain == domain.casefold()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://www.linkedin.com/company/acme/?x=1", "company/acme"),
        ("linkedin.com/company/acme", "company/acme"),
        ("//facebook.com/acme#about", "acme"),
        ("acme", ""),
        ("https://facebook.com/", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_profile_path(text: str, path: str) -> None:
    assert profile_path(text) == path
