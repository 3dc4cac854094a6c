"""Companies that can be one are looked up where the other is filed: all combinations that there are, and random ones."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from lead_mining.matching.likeness import Profile, probability
from lead_mining.matching.names import words
from lead_mining.matching.near import Placed, filed_under, looks_under

NAME = words("Acme Tools GmbH")
VERDICTS = ("same", "other", "unknown to me", "unknown to it")


def pair(country: str | None, *verdicts: str) -> tuple[Placed, Placed]:
    """Two companies of one name, with the verdicts on city, zip, domain and phone."""
    mine = [None if verdict == "unknown to me" else 1 for verdict in verdicts]
    its = [None if verdict == "unknown to it" else 2 if verdict == "other" else 1 for verdict in verdicts]
    return tuple(Placed(Profile(NAME, country, *values), (7, 8), (9, 10)) for values in (mine, its))


def meet(one: Placed, other: Placed) -> bool:
    return not set(looks_under(one)).isdisjoint(filed_under(other))


def test_whoever_can_be_one_meets_whatever_is_known_of_their_places() -> None:
    met = missed = 0
    for country, *verdicts in product(("DE", None), *[VERDICTS] * 4):
        one, other = pair(country, *verdicts)
        if probability(one.profile, other.profile) > 0:
            assert meet(one, other), (country, verdicts)
            met += 1
        else:
            missed += not meet(one, other)
    assert met > 100
    assert missed > 50  # of those that cannot, many are never compared


values = st.one_of(st.none(), st.integers(1, 3))
profiles = st.builds(Profile, st.just(NAME), st.just("DE"), values, values, values, values)


@given(profiles, profiles)
def test_to_meet_does_not_depend_on_who_looks(one: Profile, other: Profile) -> None:
    placed = [Placed(profile, (7, 8), (9, 10)) for profile in (one, other)]
    if probability(one, other) > 0:
        assert meet(*placed)
        assert meet(*reversed(placed))


def test_the_same_words_in_other_places_do_not_meet() -> None:
    assert not meet(*pair("DE", "other", "other", "unknown to me", "unknown to me"))
    assert not meet(*pair("DE", "same", "same", "other", "unknown to it"))


def test_names_without_a_block_in_common_do_not_meet() -> None:
    one, other = pair("DE", "same", "same", "same", "same")
    assert not meet(one, other._replace(blocks=(1, 2)))
    assert not meet(one._replace(blocks=()), other)
