"""The wire of Odoo 19's contract: what is asked, what is understood, and what it says that it cannot do."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining import vocabulary
from lead_mining.exceptions import InvalidRequest, MalformedRecord, ProviderCreditsExhausted
from lead_mining.providers.base import Exclusions, Identity, Page, Query
from lead_mining.providers.connections.base import ConnectionValues
from lead_mining.providers.connections.odoo_iap import PROVIDER
from lead_mining.providers.odoo_dnb import OdooDnb
from lead_mining.providers.odoo_iap import OdooIap

TOKEN = "s3cret-account-token"
EXAMPLE = json.loads((Path(__file__).parent / "documented/odoo_dnb/search_by_criteria.json").read_text())
SOFTWARE = Query(("US", "BE"), states=("US-CA",), industries=("Software & Services",), company_size_min=10)


class Listed(Exclusions):
    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        assert set(countries) == {"US", "BE"}
        return [("000000007", None), (None, "known.example"), ("000000001", "example.com")][:most]


def provider(answer: Any, calls: list[httpx.Request] | None = None) -> OdooDnb:
    def respond(request: httpx.Request) -> httpx.Response:
        if calls is not None:
            calls.append(request)
        return httpx.Response(200, json=answer)

    client = httpx.Client(transport=httpx.MockTransport(respond))
    return OdooDnb("https://iap.test", TOKEN, "db-uuid", client)


def fetch(answer: Any, query: Query = SOFTWARE, limit: int = 2, cursor: str | None = None) -> Page:
    return provider(answer).fetch(query, limit, cursor, Exclusions())


def result(data: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "1", "result": {"data": data, "credit_error": False} | more}


# -- what is asked ---------------------------------------------------------------------------------------------------


def test_the_call_is_as_odoo_19_makes_it_and_tells_who_is_known() -> None:
    calls: list[httpx.Request] = []
    provider(result([]), calls).fetch(SOFTWARE, 3, '["000000009"]', Listed())
    (call,) = calls
    assert str(call.url) == "https://iap.test/api/dnb/1/search_by_criteria"
    body = json.loads(call.content)
    assert (body["jsonrpc"], body["method"]) == ("2.0", "call")
    assert body["params"] == {
        "account_token": TOKEN,
        "db_uuid": "db-uuid",
        "query": {
            "lead_number": 3,
            "search_type": "companies",
            "countries": [{"code": "BE", "states": []}, {"code": "US", "states": ["CA"]}],
            "company_size_min": 10,
            "company_size_max": None,
            "sic_groups": ["73"],
        },
        "db_version": "19.0",
        "db_lang": "en_US",
        "country_code": "US",
        "reveal_ids": ["000000009", "000000007", "000000001"],
    }


def test_without_industries_no_group_is_asked_for() -> None:
    calls: list[httpx.Request] = []
    provider(result([]), calls).fetch(Query(("BE",)), 1, None, Exclusions())
    assert "sic_groups" not in json.loads(calls[0].content)["params"]["query"]


@pytest.mark.parametrize("limit", [0, 201])
def test_a_limit_outside_the_contract_is_never_sent(limit: int) -> None:
    calls: list[httpx.Request] = []
    with pytest.raises(ValueError, match="between 1 and 200"):
        provider(result([]), calls).fetch(SOFTWARE, limit, None, Exclusions())
    assert calls == []


def test_every_industry_has_groups_of_two_digits() -> None:
    for industry in vocabulary.industries():
        calls: list[httpx.Request] = []
        provider(result([]), calls).fetch(Query(("BE",), industries=(industry,)), 1, None, Exclusions())
        groups = json.loads(calls[0].content)["params"]["query"]["sic_groups"]
        assert groups
        assert all(len(group) == 2 and group.isdecimal() for group in groups)


# -- what it cannot do -----------------------------------------------------------------------------------------------


def test_people_are_refused_and_wide_industries_told() -> None:
    people = Query(("BE",), industries=("Software & Services", "Real Estate"), contact_number=2)
    rough, refused = provider({}).misfits(people)
    assert (rough.field, rough.value, rough.roughly) == ("industries", "Software & Services", True)
    assert "all business services" in rough.why
    assert (refused.field, refused.value, refused.roughly) == ("search_type", "people", False)
    assert provider({}).misfits(Query(("BE",), industries=("Real Estate",))) == []


def test_contacts_are_not_reckoned_with() -> None:
    assert provider({}).most(Query(("BE",), contact_number=5), 7, None) == 7


# -- what is understood ----------------------------------------------------------------------------------------------


def test_the_documented_answer() -> None:
    page = fetch(EXAMPLE["body"])
    assert page.raw == EXAMPLE["body"]
    assert page.charged == len(page.records) == 2
    first, second = (provider({}).parse(record) for record in page.records)
    assert first.model_dump(exclude_defaults=True) == {
        "reveal_id": "000000001",
        "name": "Example Widgets",
        "domain": "example.com",
        "company_type": "private",
        "phones": ("+1 415 555 0100",),
        "street": "1 Example Street, Suite 2",
        "city": "San Francisco",
        "zip": "94103",
        "state_code": "CA",
        "country_code": "US",
        "employees": 120,
        "estimated_annual_revenue": "$10M-$50M",
        "industry_group": "Software & Services",
        "industry": "SIC 7372",
        "tags": ("Software", "Computer services"),
    }
    assert second.model_dump(exclude_defaults=True) == {
        "reveal_id": "000000002",
        "name": "Example Services",
        "country_code": "BE",
        "annual_revenue": 1_250_000.0,
    }


def test_the_example_has_every_documented_field() -> None:
    for record in EXAMPLE["body"]["result"]["data"]:
        assert sorted(record) == sorted(EXAMPLE["_fields"])


@pytest.mark.parametrize(
    ("asked", "group"),
    [
        ((), "Commercial & Professional Services"),
        (("Software & Services",), "Software & Services"),
        (("Real Estate", "Software & Services"), "Software & Services"),
        (("Real Estate",), "Commercial & Professional Services"),
    ],
)
def test_a_group_of_several_industries_is_the_one_asked_for(asked: tuple[str, ...], group: str) -> None:
    record = {"duns": "1", "name": "A", "industry_code": "73", "asked": list(asked)}
    assert provider({}).parse(record).industry_group == group


def test_the_cursor_holds_what_came_before_and_fewer_than_asked_is_the_end() -> None:
    page = fetch(result([{"duns": "1"}, {"duns": "2"}]), cursor='["0"]')
    assert json.loads(page.next_cursor or "") == ["0", "1", "2"]
    assert fetch(result([{"duns": "1"}])).next_cursor is None


def test_an_id_that_is_none_or_endless_is_not_sent_back() -> None:
    page = fetch(result([{"duns": None}, {"duns": 7}, {"duns": "x" * 100_000}, "text"]), limit=4)
    assert page.next_cursor == "[]"
    assert page.charged == 4


def test_no_credits_are_not_no_result() -> None:
    with pytest.raises(ProviderCreditsExhausted):
        fetch(result([], credit_error=True))
    assert fetch(result([])).records == []


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("text", "record"),
        ({"duns": 5}, "duns"),
        ({"employees": "many"}, "employees"),
        ({"unspsc_codes": "none"}, "unspsc_codes"),
        ({"unspsc_codes": [["1", "a", "b"]]}, "unspsc_codes"),
        ({"unspsc_codes": [["1", {}]]}, "unspsc_codes"),
        ({"estimated_annual_revenue": True}, "estimated_annual_revenue"),
        ({"estimated_annual_revenue": 10**30}, "estimated_annual_revenue"),
    ],
)
def test_what_is_wrong_is_named(record: Any, field: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        provider({}).parse(record)
    assert [name for name, *_ in caught.value.problems] == [field]


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\x00", "\ud800", "7372"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*EXAMPLE["_fields"], "asked"]), _ANY, max_size=6) | _ANY)
def test_whatever_comes_is_a_company_or_is_refused(record: Any) -> None:
    with suppress(MalformedRecord):
        provider({}).parse(record).model_dump_json()


# -- the connection --------------------------------------------------------------------------------------------------


def connection(**extra: Any) -> ConnectionValues:
    return ConnectionValues("a_provider", host="https://iap.test", password=TOKEN, extra={"dbuuid": "db-uuid", **extra})


@pytest.mark.parametrize(
    ("contract", "made"),
    [(19, OdooDnb), ("19", OdooDnb), (17, OdooIap), ("17", OdooIap), (None, OdooIap), ("", OdooIap)],
)
def test_the_connection_says_which_contract(contract: Any, made: type[OdooIap]) -> None:
    assert type(PROVIDER.make(connection(contract=contract))) is made
    assert type(PROVIDER.make(connection())) is OdooIap


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"contract": 18}, "extra.contract must be 17 or 19"),
        ({"contract": [19]}, "extra.contract must be 17 or 19"),
        ({"contract": 19, "calls_at_once": 2}, "extra.calls_at_once must be 1"),
    ],
)
def test_what_a_connection_cannot_say(extra: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        PROVIDER.make(connection(**extra))
