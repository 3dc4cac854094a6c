"""Persons compared with the means by which the package compares companies: words of names, and a logistic model.

Only for measuring: what providers sell of a person has no address or date of birth, so the package itself recognises
people by their e-mail address.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from lead_mining.matching.logistic import Model, read_model
from lead_mining.matching.names import Words, compare

FILE = Path(__file__).with_name("person_model.yaml")
_NEAR = 2  # slips of the keyboard: letters wrong, missing, added or swapped


class Person(NamedTuple):
    """What two persons are compared by; None or () where it is not known. `number`: one that only this person has."""

    name: Words = ()
    street: Words = ()
    city: str | None = None
    zip: str | None = None
    born: str | None = None
    number: str | None = None


_FIELDS: Final = ("city", "zip", "born", "number")
FEATURES: Final = (
    *("name lesser", "name greater", "name first", "name same"),
    *("street lesser", "street greater", "street other"),
    *(f"{verdict} {field}" for field in _FIELDS for verdict in ("same", "near", "other")),
)


def features(one: Person, other: Person) -> tuple[float, ...]:
    """The figures that the model weighs, in the order of FEATURES. What one of the two does not have counts nothing."""
    name = compare(one.name, other.name) if one.name and other.name else None
    street = compare(one.street, other.street) if one.street and other.street else None
    found: list[float] = [name.lesser, name.greater, name.first, name.same] if name else [0.0] * 4
    found += [street.lesser, street.greater, 1 - street.greater] if street else [0.0] * 3
    for field in _FIELDS:
        found += _verdict(getattr(one, field), getattr(other, field))
    return tuple(found)


def _verdict(mine: str | None, theirs: str | None) -> Sequence[float]:
    if not mine or not theirs:
        return 0.0, 0.0, 0.0
    if mine == theirs:
        return 1.0, 0.0, 0.0
    from rapidfuzz.distance import OSA

    near = OSA.distance(mine, theirs, score_cutoff=_NEAR) <= _NEAR
    return 0.0, float(near), float(not near)


def person_blocks(person: Person) -> set[str]:
    """Only persons that share one of these are compared."""
    beginnings = sorted(word[:4] for word in person.name[:3])
    found = {f"name {' '.join(beginnings)}"} if len(beginnings) > 1 else set()
    found |= {f"{field} {value}" for field in ("born", "number") if (value := getattr(person, field))}
    found |= {f"place {word[:4]} {person.zip}" for word in person.name[:3] if person.zip}
    if len(person.street) > 1 and person.zip:
        found.add(f"street {person.street[0]} {person.street[1][:4]} {person.zip}")
    return found


@cache
def model() -> Model:
    """The model of the file beside this one."""
    return read_model(FILE, FEATURES)
