"""The form of a mining request: that it has every field, what it means, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lead_mining import request_form, searches
from lead_mining.request import MiningRequest
from lead_mining.request_form import FIELDS, Filled


def read(**sent: Any) -> Filled:
    """What the form of a browser sends that fills in nothing but this."""
    form = {
        name: [str(value)]
        for name, value in request_form.defaults().items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    } | {name: value if isinstance(value, list) else [value] for name, value in sent.items()}
    return request_form.read(lambda name: form.get(name, []))


def test_it_asks_for_everything_but_the_connection_of_the_crm_and_whether_it_is_a_trial() -> None:
    assert set(FIELDS) == set(MiningRequest.model_fields) - {"crm_conn_id", "dry_run"}


def test_nothing_but_countries_is_needed() -> None:
    filled = read(countries=["DE", "US"])
    assert filled.request == MiningRequest(countries=["DE", "US"])
    assert filled.problems == ()


def test_everything_that_is_sent_counts() -> None:
    sent = {
        "search_type": "people", "lead_number": "20", "countries": ["US", "CA"], "states": ["US-CA"],
        "industries": ["Media"], "filter_on_size": "yes", "company_size_min": "5", "company_size_max": "50",
        "contact_number": "2", "contact_filter_type": "role", "preferred_role": "CEO", "other_roles": ["Legal"],
        "lawful_basis": "consent", "lead_type": "opportunity", "team": "Europe", "salesperson": "none",
        "acting_user": "marc", "tags": ["Spring", "A\r\nB"], "on_possible_duplicate": "load",
        "on_insufficient_credits": "trim", "max_credits": "99", "approval_threshold": "0", "saved_search": "S",
        "search_budget": "500", "credit_account": "sales", "provider_conn_id": "other",
    }  # fmt: skip
    request = read(**sent).request
    assert request is not None
    given = request.model_dump(include=set(sent))
    assert given == {
        name: int(value) if isinstance(value, str) and value.isdigit() else value
        for name, value in (sent | {"filter_on_size": True, "tags": ["Spring", "A", "B"]}).items()
    }


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ({"preferred_role": "CEO", "other_roles": ["Legal"], "contact_number": "9"}, {}),
        ({"seniority": "director"}, {"search_type": "people", "preferred_role": "CEO"}),
        (
            {"preferred_role": "x"},
            {"search_type": "people", "contact_filter_type": "seniority", "seniority": "director"},
        ),
        ({"company_size_min": "7", "company_size_max": "3"}, {}),
        ({"states": ["US-CA", "BR-SP"]}, {}),
    ],
)
def test_what_the_form_hides_does_not_count_and_is_not_lost(hidden: dict[str, Any], shown: dict[str, Any]) -> None:
    filled = read(countries=["DE"], **shown, **hidden)
    assert filled.request == read(countries=["DE"], **shown).request is not None
    for name, value in hidden.items():
        assert str(filled.values[name]) == str(value)


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({}, "countries", "Choose at least one"),
        ({"countries": ["XX"]}, "countries", "'XX' is not allowed"),
        ({"lead_number": "0"}, "lead_number", "0 is not allowed: input should be greater than or equal to 1"),
        ({"lead_number": "9" * 5000}, "lead_number", "is not allowed: input should be a valid integer"),
        ({"lead_number": "ten"}, "lead_number", "'ten' is not allowed"),
        ({"lead_number": ""}, "lead_number", "Input should be a valid integer"),
        ({"countries": ["US"], "states": ["US-XX"]}, "states", "did you mean"),
        ({"search_type": "people", "countries": ["DE"]}, "preferred_role", "Choose one of CEO"),
        ({"search_type": "both"}, "search_type", "'both' is not allowed"),
        ({"team": "a\x00b"}, "team", "printable"),
        ({"tags": ["x" * 201]}, "tags", "200"),
        ({"industries": ["Medja", "<script>"]}, "industries", "did you mean 'Media'"),
        ({"credit_account": ""}, "credit_account", "printable"),
        ({"max_credits": "-1"}, "max_credits", "-1 is not allowed"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(sent: dict[str, Any], field: str, said: str) -> None:
    filled = read(**sent)
    assert filled.request is None
    assert said in filled.messages[field]


def test_all_wrong_values_of_a_field_are_named_beside_it() -> None:
    messages = read(countries=["DE"], industries=["Medja", "<script>"]).messages
    assert set(messages) == {"industries"}
    assert "Medja" in messages["industries"]
    assert "<script>" in messages["industries"]


def test_fields_that_are_not_filled_in_yet_are_only_told_on_sending() -> None:
    filled = read(search_type="people", lead_number="0")
    assert set(filled.messages) == {"countries", "lead_number"}
    assert set(filled.without_gaps().messages) == {"lead_number"}
    assert read(search_type="people", countries=["DE"]).without_gaps().messages == {}


@pytest.mark.parametrize(
    ("sent", "cost"),
    [
        ({"lead_number": "5"}, (5, 0)),
        ({"lead_number": "5", "search_type": "people", "contact_number": "2"}, (5, 10)),
        ({"lead_number": "5", "contact_number": "2", "countries": ["DE"]}, (5, 0)),
    ],
)
def test_the_cost_follows_the_numbers_whatever_else_is_wrong(sent: dict[str, Any], cost: tuple[int, int]) -> None:
    found = read(**sent).cost
    assert found
    assert (found.leads, found.contacts) == cost


@pytest.mark.parametrize(
    "sent", [{"lead_number": "x"}, {"search_type": "people", "contact_number": "6"}, {"lead_number": ""}]
)
def test_there_is_no_cost_of_wrong_numbers(sent: dict[str, Any]) -> None:
    assert read(countries=["DE"], **sent).cost is None


def test_a_form_like_an_earlier_request_has_its_values_and_ignores_what_it_does_not_know() -> None:
    params = {"countries": ["DE"], "lead_number": 7, "dry_run": True, "crm_conn_id": "x", "rejections": [1]}
    assert request_form.of_params(params) == request_form.defaults() | {"countries": ["DE"], "lead_number": 7}


@pytest.mark.parametrize("value", [None, 5, "DE", {"a": 1}, [1], [["DE"]]])
def test_params_of_another_shape_are_left_out(value: Any) -> None:
    assert request_form.of_params({"countries": value})["countries"] == []
    assert request_form.filled(request_form.of_params({"countries": value, "team": {"a": 1}})).request is None


def test_the_params_of_the_dag_are_what_differs_from_its_own_and_the_crm() -> None:
    request = read(countries=["DE"], lead_number="7").request
    assert request
    assert request_form.conf_of(request, "lead_mining_crm") == {"countries": ["DE"], "lead_number": 7}
    assert request_form.conf_of(request, "other")["crm_conn_id"] == "other"


@pytest.mark.parametrize(
    "sent",
    [{}, {"saved_search": "Süd: <b>", "search_budget": "40", "tags": "- a: {b}", "team": "NO", "lead_type": "lead"}],
)
def test_as_a_saved_search_it_is_a_file_that_mines_the_same(sent: dict[str, Any], tmp_path: Path) -> None:
    request = read(countries=["NO", "US"], **sent).request
    assert request
    conf = request_form.conf_of(request, "lead_mining_crm")
    file = tmp_path / "search.yaml"
    file.write_text(searches.as_file(conf))
    assert searches.read(file).conf == {"saved_search": "Name of the search"} | conf
