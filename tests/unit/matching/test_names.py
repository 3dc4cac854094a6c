"""Names of companies: their words, what these weigh, and how alike two names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.matching.names import COMMON, DISTINCTIVE, LEGAL_FORM, NOTHING_ALIKE, blocks, compare, weight, words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ACME Corp.", ("acme", "corp")),
        ("Müller & Söhne A.G.", ("muller", "and", "sohne", "ag")),
        ("Acme S.p.A.", ("acme", "spa")),
        ("Società Àcme s.r.l.", ("societa", "acme", "srl")),
        ("O'Example's", ("oexamples",)),
        ("株式会社アクメ", None),
        ("АО «Пример»", None),
        ("", ()),
        ("  -- !! ", ()),
        ("\x00\ud800", None),
    ],
)
def test_words(name: str, expected: tuple[str, ...] | None) -> None:
    found = words(name)
    assert all(word.isascii() and word.isalnum() and word == word.lower() for word in found)
    if expected is not None:
        assert found == expected


@given(st.text())
def test_any_text_has_words_in_plain_letters(text: str) -> None:
    found = words(text)
    assert len(found) <= 12
    assert all(word.isascii() and word.isalnum() for word in found)
    assert len(blocks(found)) == (2 if found else 0)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gmbh", LEGAL_FORM), ("ltd", LEGAL_FORM), ("oyj", LEGAL_FORM), ("kft", LEGAL_FORM), ("spa", LEGAL_FORM),
        ("international", COMMON), ("china", COMMON), ("x", COMMON), ("acme", DISTINCTIVE), ("zyx", DISTINCTIVE),
    ],
)  # fmt: skip
def test_what_a_word_says(word: str, expected: float) -> None:
    assert weight(word) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme Corporation", "ACME CORP"),
        ("Exemplar International Ltd", "Exemplar Intl"),
        ("Exemplarische Druckmaschinen AG", "Exemplarisch. Druckmasch."),
        ("The Zenox Company", "Zenox Co"),
        ("Zenoxx Ltd", "Zenox Ltd"),
    ],
)
def test_names_of_one_company_share_a_block_and_are_alike(one: str, other: str) -> None:
    assert set(blocks(words(one))) & set(blocks(words(other)))
    assert compare(words(one), words(other)).greater > 0.8


def test_common_words_and_legal_forms_make_no_likeness() -> None:
    alike = compare(words("Acme International Holdings Ltd"), words("Zenox International Holdings Ltd"))
    assert alike.lesser < 0.6
    assert alike.stranger == DISTINCTIVE


@given(st.lists(st.sampled_from(["acme", "zenox", "ltd", "bank", "intl", "a"]), max_size=6), st.data())
def test_likeness_is_the_same_both_ways_and_within_its_bounds(one: list[str], data: st.DataObject) -> None:
    other = data.draw(st.permutations(one))
    forth, back = compare(tuple(one), tuple(other)), compare(tuple(other), tuple(one))
    assert forth.agreed == pytest.approx(back.agreed)
    assert all(0 <= value <= 1 for value in forth._replace(agreed=0))
    assert 0 <= forth.agreed <= 3
    if one:
        assert forth.lesser == pytest.approx(1)  # the same words in another order


def test_no_name_is_like_nothing() -> None:
    assert compare((), words("Acme")) == NOTHING_ALIKE == compare(words("Acme"), ())
