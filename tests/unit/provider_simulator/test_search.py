"""Checking what is asked, and finding what matches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_simulator import reference
from provider_simulator.catalogue import Catalogue, Row
from provider_simulator.errors import UserError
from provider_simulator.generate import generate
from provider_simulator.search import MAX_CONTACTS, Search, parse_search

ROWS = generate(900, 4)
CATALOGUE = Catalogue.of(ROWS)
COMPANIES: dict[str, Any] = {"lead_number": 3, "search_type": "companies", "countries": []}
PEOPLE: dict[str, Any] = {**COMPANIES, "search_type": "people", "contact_number": 2, "contact_filter_type": "role"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (None, "data"),
        ([], "data"),
        ({}, "lead_number"),
        ({**COMPANIES, "lead_number": 0}, "lead_number"),
        ({**COMPANIES, "lead_number": 201}, "lead_number"),
        ({**COMPANIES, "lead_number": "3"}, "lead_number"),
        ({**COMPANIES, "lead_number": True}, "lead_number"),
        ({**COMPANIES, "lead_number": 3.0}, "lead_number"),
        ({**COMPANIES, "search_type": "everything"}, "search_type"),
        ({**COMPANIES, "search_type": None}, "search_type"),
        ({**COMPANIES, "countries": "US"}, "countries"),
        ({**COMPANIES, "countries": ["US"]}, "countries"),
        ({**COMPANIES, "countries": [{"code": "XX"}]}, "countries"),
        ({**COMPANIES, "countries": [{"code": "us"}]}, "countries"),
        ({**COMPANIES, "countries": [{"code": "\ud800A"}]}, "countries"),
        ({**COMPANIES, "countries": [{"code": "US", "states": "CA"}]}, "states"),
        ({**COMPANIES, "countries": [{"code": "US", "states": ["\ud800"]}]}, "states"),
        ({**COMPANIES, "industry_ids": ["999"]}, "industry_ids"),
        ({**COMPANIES, "industry_ids": [165]}, "industry_ids"),
        ({**COMPANIES, "industry_ids": "165"}, "industry_ids"),
        ({**COMPANIES, "company_size_min": -1}, "company_size_min"),
        ({**COMPANIES, "company_size_max": 10**30}, "company_size_max"),
        ({**PEOPLE, "contact_number": 0}, "contact_number"),
        ({**PEOPLE, "contact_number": None}, "contact_number"),
        ({**PEOPLE, "contact_filter_type": "name"}, "contact_filter_type"),
        ({**PEOPLE, "preferred_role": "wizard"}, "preferred_role"),
        ({**PEOPLE, "preferred_role": {}, "other_roles": [{}]}, "other_roles"),
        ({**PEOPLE, "other_roles": ["sale", "wizard"]}, "other_roles"),
        ({**PEOPLE, "contact_filter_type": "seniority", "seniority": "janitor"}, "seniority"),
        ({**PEOPLE, "contact_filter_type": "seniority", "seniority": ["manager"]}, "seniority"),
    ],
)
def test_malformed_data_is_refused_with_the_field(data: Any, field: str) -> None:
    with pytest.raises(UserError, match=field):
        parse_search(data)


def test_what_odoo_leaves_empty_is_accepted() -> None:
    search = parse_search({**PEOPLE, "contact_number": 10, "preferred_role": False, "other_roles": []})
    assert (search.contact_number, search.roles, search.size_min) == (MAX_CONTACTS, (), None)
    assert parse_search({**PEOPLE, "contact_filter_type": "seniority", "seniority": False}).seniority is None


def test_preferred_role_comes_first_and_once() -> None:
    search = parse_search({**PEOPLE, "preferred_role": "CEO", "other_roles": ["sale", "CEO"]})
    assert search.roles == ("CEO", "sale")


def test_the_key_is_the_company_filter_however_it_is_written() -> None:
    one = {
        **COMPANIES,
        "countries": [{"code": "US", "states": ["NY", "CA"]}, {"code": "DE"}],
        "industry_ids": ["69", "30"],
    }
    two = {
        **PEOPLE,
        "lead_number": 9,
        "countries": [{"code": "DE", "states": []}, {"code": "US", "states": ["CA"]}, {"code": "US", "states": ["NY"]}],
        "industry_ids": ["30", "69", "30"],
    }
    assert parse_search(one).key == parse_search(two).key
    assert parse_search(one).key != parse_search({**one, "company_size_min": 1}).key


def test_a_country_asked_for_with_and_without_states_is_meant_whole() -> None:
    for order in (1, -1):
        countries = [{"code": "US", "states": ["CA"]}, {"code": "US", "states": []}, {"code": "US", "states": ["NY"]}]
        assert parse_search({**COMPANIES, "countries": countries[::order]}).countries == (("US", ()),)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    field=st.sampled_from([*PEOPLE, "preferred_role", "other_roles", "seniority", "industry_ids"]), value=JSON_VALUES
)
def test_any_value_in_any_field_is_checked_or_refused(field: str, value: Any) -> None:
    for data in ({**PEOPLE, field: value}, {**PEOPLE, "contact_filter_type": "seniority", field: value}):
        try:
            search = parse_search(data)
        except UserError:
            continue
        assert isinstance(search, Search)
        CATALOGUE.matching(search)


def _matches(row: Row, search: Search) -> bool:
    place = not search.countries or any(
        row["country_code"] == code and (not states or row["state_code"] in states) for code, states in search.countries
    )
    industry = not search.industry_ids or row["industry_id"] in search.industry_ids
    size = row["employees"]
    if search.size_min is None and search.size_max is None:
        return place and industry
    fits = size is not None and (search.size_min or 0) <= size <= (search.size_max or 10**9)
    return place and industry and fits


SEARCHES = st.builds(
    lambda places, industries, low, high: parse_search(
        {
            **COMPANIES,
            "countries": [{"code": code, "states": states} for code, states in places],
            "industry_ids": industries,
            "company_size_min": low,
            "company_size_max": high,
        }
    ),
    st.lists(
        st.tuples(st.sampled_from(["US", "CA", "DE", "MY", "ZW"]), st.lists(st.sampled_from(["CA", "NY", "ON", "??"]))),
        max_size=3,
    ),
    st.lists(st.sampled_from(sorted(reference.industry_ids())), max_size=4),
    st.none() | st.integers(0, 500),
    st.none() | st.integers(1, 5000),
)


@settings(max_examples=150, deadline=None)
@given(SEARCHES)
def test_what_matches_is_what_a_plain_filter_finds(search: Search) -> None:
    positions = CATALOGUE.matching(search)
    assert sorted(positions) == [position for position, row in enumerate(ROWS) if _matches(row, search)]


def test_the_order_is_shuffled_and_always_the_same() -> None:
    everywhere, germany = parse_search(COMPANIES), parse_search({**COMPANIES, "countries": [{"code": "DE"}]})
    order = CATALOGUE.matching(everywhere)
    assert order != sorted(order)
    assert order == Catalogue.of(ROWS).matching(everywhere)
    in_germany = set(CATALOGUE.matching(germany))
    assert CATALOGUE.matching(germany) != [position for position in order if position in in_germany]


def test_a_file_without_the_columns_is_refused_with_their_names() -> None:
    with pytest.raises(ValueError, match="no column contacts"):
        Catalogue(CATALOGUE.table.drop_columns(["contacts"]))
