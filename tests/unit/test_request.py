"""MiningRequest: every param, every rule between params, and errors that say what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.exceptions import InvalidRequest
from lead_mining.request import Cost, MiningRequest, dag_params

PEOPLE = {"countries": ["US"], "search_type": "people", "preferred_role": "CEO"}


def problems(params: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        MiningRequest.parse(params)
    return {p.field: p.allowed for p in raised.value.problems}


def test_only_countries_are_required() -> None:
    request = MiningRequest.parse({"countries": ["US"]})
    assert (request.search_type, request.lead_number, request.acting_user) == ("companies", 3, "admin")
    assert request.provider_conn_id == "lead_mining_provider"


@pytest.mark.parametrize(
    ("params", "field", "hint"),
    [
        ({}, "countries", "required"),
        ({"countries": []}, "countries", "at least 1"),
        ({"countries": "US"}, "countries", "list"),
        ({"countries": ["USA"]}, "countries.0", "'US'"),
        ({"countries": [False]}, "countries.0", "string"),
        ({"countries": ["US"], "states": ["US-ZZ"]}, "states.0", "did you mean"),
        ({"countries": ["DE"], "states": ["DE-BE"]}, "states.0", "AE, AR, AU, BR, CA, IN, MX, MY, NZ, US"),
        ({"countries": ["US"], "states": ["CA-ON"]}, "states", "not in countries (US)"),
        ({"countries": ["US"], "industries": ["Software"]}, "industries.0", "industry"),
        ({"countries": ["US"], "industries": ["Software & Service"]}, "industries.0", "'Software & Services'"),
        ({"countries": ["US"], "lead_number": 0}, "lead_number", "greater than or equal to 1"),
        ({"countries": ["US"], "lead_number": 10**30}, "lead_number", "less than or equal to 1000000"),
        ({"countries": ["US"], "lead_number": True}, "lead_number", "integer"),
        ({"countries": ["US"], "lead_number": "3"}, "lead_number", "integer"),
        ({"countries": ["US"], "lead_number": float("nan")}, "lead_number", "integer"),
        ({"countries": ["US"], "leadnumber": 3}, "leadnumber", "'lead_number'"),
        ({"countries": ["US"], "contact_number": 6}, "contact_number", "5"),
        ({"countries": ["US"], "company_size_min": 5}, "filter_on_size", "true"),
        (
            {"countries": ["US"], "filter_on_size": True, "company_size_min": 9, "company_size_max": 2},
            "company_size_min",
            "at most company_size_max (2)",
        ),
        ({"countries": ["US"], "then_provider_conn_ids": ["a b"]}, "then_provider_conn_ids.0", "Airflow connection"),
        ({"countries": ["US"], "then_provider_conn_ids": list("abcde")}, "then_provider_conn_ids", "at most 4"),
        (
            {"countries": ["US"], "then_provider_conn_ids": ["a", "lead_mining_provider"]},
            "then_provider_conn_ids",
            "asked first",
        ),
        ({"countries": ["US"], "search_type": "people"}, "preferred_role", "CEO"),
        (
            {"countries": ["US"], "search_type": "people", "contact_filter_type": "seniority"},
            "seniority",
            "director, executive, manager",
        ),
        (PEOPLE | {"seniority": "manager"}, "seniority", "leave it empty"),
        (PEOPLE | {"contact_filter_type": "seniority", "seniority": "manager"}, "preferred_role", "leave it empty"),
        ({"countries": ["US"], "preferred_role": "CEO"}, "preferred_role", "search for people"),
        ({"countries": ["US"], "team": " "}, "team", "printable text on one line"),
        ({"countries": ["US"], "team": "\x00"}, "team", "printable text on one line"),
        ({"countries": ["US"], "tags": ["x" * 201]}, "tags.0", "200"),
        ({"countries": ["US"], "provider_conn_id": "a b; drop"}, "provider_conn_id", "Airflow connection"),
        ({"countries": ["US"], "max_credits": 0}, "max_credits", "1"),
        (
            {"countries": ["US"], "notify": ["boss"]},
            "notify.0",
            "sales@example.com, or a Slack channel, such as #sales",
        ),
        ({"countries": ["US"], "notify": ["#sales", "a@b@c.example"]}, "notify.1", "an e-mail address"),
        ({"countries": ["US"], "notify": ["boss@example.com\nBcc: x@example.com"]}, "notify.0", "an e-mail address"),
        ({"countries": ["US"], "notify": ["Böss@example.com"]}, "notify.0", "an e-mail address"),
        ({"countries": ["US"], "notify": ["# sales"]}, "notify.0", "a Slack channel"),
        ({"countries": ["US"], "notify": ["#" + "x" * 81]}, "notify.0", "a Slack channel"),
        ({"countries": ["US"], "notify": ["x" * 255]}, "notify.0", "254"),
        ({"countries": ["US"], "notify": "boss@example.com"}, "notify", "list"),
        ({"countries": ["US"], "notify": [f"{n}@example.com" for n in range(21)]}, "notify", "20"),
    ],
)
def test_an_error_names_field_and_what_is_allowed(params: dict[str, Any], field: str, hint: str) -> None:
    found = problems(params)
    assert field in found, found
    assert hint in found[field]


def test_all_wrong_fields_are_named_at_once_and_long_values_are_cut() -> None:
    with pytest.raises(InvalidRequest) as raised:
        MiningRequest.parse({"countries": ["x" * 10_000], "lead_number": -1, "nonsense": {"a": ["b"] * 9999}})
    assert {p.field for p in raised.value.problems} == {"countries.0", "lead_number", "nonsense"}
    assert len(str(raised.value)) < 2_000


@given(
    st.dictionaries(
        st.sampled_from([*MiningRequest.model_fields, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_whatever_comes_is_a_request_or_a_clear_error(params: dict[str, Any]) -> None:
    try:
        request = MiningRequest.parse(params)
    except InvalidRequest as error:
        assert error.problems  # noqa: PT017  either outcome is right
    else:
        assert request.countries


def test_duplicates_in_lists_count_once() -> None:
    assert MiningRequest.parse({"countries": ["US", "DE", "US"]}).countries == ["US", "DE"]


def test_nothing_chosen_in_the_form_is_no_filter() -> None:
    request = MiningRequest.parse({"countries": ["US"], "industries": None, "states": None, "tags": None})
    assert (request.industries, request.states, request.tags) == ([], [], [])
    assert dag_params()["industries"]["type"] == ["array", "null"]
    assert dag_params()["countries"]["type"] == "array"


def test_cost_is_the_most_as_odoos_tooltip_says_it() -> None:
    assert MiningRequest.parse({"countries": ["US"]}).cost_of(10) == Cost(leads=10, contacts=0)
    people = MiningRequest.parse(PEOPLE | {"contact_number": 2}).cost_of(10)
    assert (people.leads, people.contacts, people.total) == (10, 20, 30)
    assert str(people) == "up to 10 credits for companies and up to 20 for their contacts: at most 30 credits"


def test_query_says_only_what_was_chosen() -> None:
    query = MiningRequest.parse({"countries": ["US"]}).query()
    assert (query.contact_number, query.company_size_min, query.company_size_max) == (0, None, None)
    sized = MiningRequest.parse({"countries": ["US"], "filter_on_size": True, "company_size_min": 5}).query()
    assert (sized.company_size_min, sized.company_size_max) == (5, 1000)
    assert MiningRequest.parse(PEOPLE).query().contact_number == 3


def test_whom_to_tell_is_addresses_and_channels_each_once() -> None:
    told = ["boss@EXAMPLE.com", "#sales", "boss@example.com", "#vertrieb-süd_1"]
    assert MiningRequest.parse({"countries": ["US"], "notify": told}).notify == [
        "boss@example.com",
        "#sales",
        "#vertrieb-süd_1",
    ]
    assert MiningRequest.parse({"countries": ["US"], "notify": None}).notify == []


def test_survives_json() -> None:
    request = MiningRequest.parse(PEOPLE | {"tags": ["Zoë & <b>"], "lead_type": "lead"})
    assert MiningRequest.parse(request.model_dump(mode="json")) == request


def test_every_field_is_in_the_form_with_title_and_all_but_countries_with_a_default() -> None:
    schemas = dag_params()
    assert list(schemas) == list(MiningRequest.model_fields)
    assert [name for name, schema in schemas.items() if "default" not in schema] == ["countries"]
    assert [name for name, schema in schemas.items() if not schema.get("title")] == []


def test_the_form_offers_the_vocabulary_with_labels() -> None:
    schemas = dag_params()
    assert schemas["countries"]["values_display"]["DE"] == "Germany"
    assert schemas["states"]["values_display"]["US-CA"] == "US-CA California"
    assert len(schemas["industries"]["examples"]) == 23
    assert None in schemas["preferred_role"]["enum"]
    assert "section" not in schemas["countries"], "main fields stand outside the closed sections"
