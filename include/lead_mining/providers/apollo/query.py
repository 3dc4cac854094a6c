"""A query as arguments of Apollo's searches: lists are repeated, their names end in `[]`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lead_mining.providers.base import Query
from lead_mining.providers.mapping import Words
from lead_mining.providers.places import state_names

WORDS = Words.of("apollo")
Arguments = list[tuple[str, str]]
_LARGEST_COMPANY = 10_000_000  # ranges have two ends
_LONGEST_PHRASE = 3  # words, of the phrases in the table


def companies(query: Query) -> Arguments:
    """Companies that fit: industries by keyword, for there is no other filter."""
    arguments = [("organization_locations[]", place) for place in _places(query)]
    if query.company_size_min is not None or query.company_size_max is not None:
        ends = f"{query.company_size_min or 0},{query.company_size_max or _LARGEST_COMPANY}"
        arguments.append(("organization_num_employees_ranges[]", ends))
    tags = [word for name in query.industries for word in WORDS.theirs("industry", name)]
    return arguments + [("q_organization_keyword_tags[]", tag) for tag in tags]


def people(query: Query, names: Sequence[str]) -> Arguments:
    """People with one of these roles or seniorities of ours."""
    key = "person_titles[]" if query.contact_filter_type == "role" else "person_seniorities[]"
    return [(key, word) for name in names for word in WORDS.theirs(query.contact_filter_type, name)]


def phrases(title: str) -> list[str]:
    """The words of a job title, and those that stand together, the longest first: a role is known by one of them."""
    words = re.findall(r"[\w&'-]+", title[:1000].casefold())
    lengths = range(_LONGEST_PHRASE, 0, -1)
    return [" ".join(words[at : at + length]) for length in lengths for at in range(len(words) - length + 1)]


def _places(query: Query) -> list[str]:
    """The countries; of one of which states are asked for, these."""
    places: list[str] = []
    for country in query.countries:
        states = [state for state in query.states if state.startswith(f"{country}-")]
        places += [f"{name}, {country}" for state in states for name in state_names(state)]
        places += WORDS.theirs("country", country) if not states else ()
    return places
