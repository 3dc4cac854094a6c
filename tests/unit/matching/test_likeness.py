"""How likely two companies are the same."""

from __future__ import annotations

import pytest

from lead_mining.matching.likeness import Profile, describe, features, model, normalised_place, normalised_zip
from lead_mining.matching.names import words

ACME = Profile(words("Acme Tools GmbH"), "DE", "berlin", "10115")


def likely(one: Profile, other: Profile) -> bool:
    return model().probability(features(one, other)) >= model().likely


@pytest.mark.parametrize(
    "other",
    [
        Profile(words("ACME TOOLS G.m.b.H."), "DE", "berlin", "10115"),
        Profile(words("Acme Tools"), "DE"),
        Profile(words("Acme Tools AG"), "DE", "berlin", None, "acme.example"),
    ],
)
def test_the_same_company_written_otherwise(other: Profile) -> None:
    assert likely(ACME, other)
    assert likely(other, ACME)


@pytest.mark.parametrize(
    "other",
    [
        Profile(words("Zenox Tools GmbH"), "DE", "berlin", "10115"),
        Profile(words("Acme Tools GmbH"), "DE", "munchen", "80331", "acme.example"),
        Profile(words("Tools GmbH"), "DE"),
        Profile((), "DE", "berlin", "10115"),
    ],
)
def test_another_company(other: Profile) -> None:
    assert not likely(ACME._replace(domain="zenox.example"), other)


def test_what_agrees_never_speaks_against_and_what_differs_never_for() -> None:
    weights = model().weights
    one = ACME._replace(domain="a", phone="1")
    agreeing = features(one, one)
    differing = features(one, Profile((), "FR", "paris", "1", "b", "2"))
    assert all(w >= 0 for w, f in zip(weights[8:], agreeing[8:], strict=True) if f)
    assert all(w <= 0 for w, f in zip(weights[8:], differing[8:], strict=True) if f)


def test_what_one_of_the_two_lacks_counts_nothing() -> None:
    assert set(features(ACME, Profile(ACME.name))[8:]) == {0.0}


def test_the_reason_in_words() -> None:
    other = Profile(words("Acme Tools GmbH"), "DE", "munchen")
    assert describe(ACME, other) == "same name, same country, other city"


def test_places() -> None:
    assert normalised_place("São Paulo") == "sao paulo"
    assert normalised_zip("60064-6400") == normalised_zip("60064") == "60064"
    assert normalised_zip("M5J 2S1") == "m5j2s1"
    assert normalised_place(None) is normalised_place("") is normalised_zip("") is normalised_zip(" - ") is None
