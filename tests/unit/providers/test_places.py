"""States by name, as providers write them, and back to the CRM's codes."""

from __future__ import annotations

import pytest

from lead_mining import vocabulary
from lead_mining.providers.places import state_code, state_names


def test_every_state_of_the_filter_is_found_by_each_of_its_names() -> None:
    missed = [
        (state, name)
        for state in vocabulary.states()
        for name in state_names(state)
        if state_code(state.split("-")[0], name.lower()) != vocabulary.crm_state_code(state)
    ]
    assert missed == []


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("US-CA", ("California",)),
        ("BR-SP", ("São Paulo", "Sao Paulo")),
        ("AE-AZ", ("Abū Z̧aby", "Abu Zaby", "Abu Dhabi")),
    ],
)
def test_names_with_and_without_accents(state: str, names: tuple[str, ...]) -> None:
    assert state_names(state) == names


@pytest.mark.parametrize(
    ("country", "name", "code"),
    [
        ("US", "new york", "NY"),
        ("FR", "ile-de-france", "IDF"),
        ("CA", "California", None),
        ("US", "Californa", None),
        ("ZZ", "California", None),
        (None, "California", None),
        ("US", None, None),
        ("US", "", None),
    ],
)
def test_a_near_miss_is_no_state(country: str | None, name: str | None, code: str | None) -> None:
    assert state_code(country, name) == code
