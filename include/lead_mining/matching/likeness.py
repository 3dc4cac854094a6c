"""How likely two companies are one and the same: a logistic model over what can be compared."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from lead_mining.matching.logistic import Model, read_model
from lead_mining.matching.names import MOST_AGREED, Likeness, Words, compare, words


class Profile(NamedTuple):
    """What two companies are compared by; None or () where it is not known.

    All but the name and the country may be any values that are equal for equal ones.
    """

    name: Words
    country: str | None = None
    city: object = None
    zip: object = None
    domain: object = None
    phone: object = None


FEATURES: Final = (
    *Likeness._fields,
    *(f"{verdict} {field}" for field in ("country", "city", "zip", "domain", "phone") for verdict in ("same", "other")),
)


def normalised_place(text: str | None) -> str | None:
    """A city in the form that it is compared in: `São Paulo` is `sao paulo`."""
    return " ".join(words(text)) or None if text else None


def normalised_zip(text: str | None) -> str | None:
    """`60064-6400` is `60064`, `M5J 2S1` is `m5j2s1`: an addition of the United States says nothing."""
    if not text:
        return None
    bare = "".join(c for c in text.partition("-")[0].lower() if c.isalnum())
    return bare[:10] or None


def features(one: Profile, other: Profile) -> tuple[float, ...]:
    """The figures that the model weighs, in the order of FEATURES. What one of the two does not have counts nothing."""
    return *compare(one.name, other.name), *_of_fields(one, other)


def _of_fields(one: Profile, other: Profile) -> list[float]:
    found: list[float] = []
    for mine, theirs in zip(one[1:], other[1:], strict=True):
        known = mine is not None and theirs is not None
        found += (float(known and mine == theirs), float(known and mine != theirs))
    return found


def probability(one: Profile, other: Profile) -> float:
    """How likely the two are one; 0 where what is known of their places rules it out, whatever their names."""
    its, fields = model(), _of_fields(one, other)
    if sum(w * f for w, f in zip(its.weights[len(Likeness._fields) :], fields, strict=True)) < places_must_reach():
        return 0.0
    return its.probability((*compare(one.name, other.name), *fields))


@cache
def places_must_reach() -> float:
    """The evidence of all fields but the name without which not even equal names would make two companies one."""
    weights = dict(zip(FEATURES, model().weights, strict=True))
    best_name = sum(max(weights[f], 0) * (MOST_AGREED if f == "agreed" else 1) for f in Likeness._fields)
    return model().needed - model().base - best_name


@cache
def model() -> Model:
    """The model that the package comes with."""
    return read_model(files(__package__).joinpath("company_model.yaml"), FEATURES)


def describe(one: Profile, other: Profile) -> str:
    """In words, what speaks for and against: `same country, other city`."""
    said = ["same name" if one.name == other.name else "like name"]
    for field, mine, theirs in zip(Profile._fields[1:], one[1:], other[1:], strict=True):
        if mine is not None and theirs is not None:
            said.append(f"{'same' if mine == theirs else 'other'} {field}")
    return ", ".join(said)
