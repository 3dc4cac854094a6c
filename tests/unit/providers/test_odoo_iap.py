"""The wire of Odoo IAP: what is asked, what is understood, and every way an answer can be wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    MalformedRecord,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.base import Contact, Exclusions, Gate, Page, Query
from lead_mining.providers.odoo_iap import OdooIap, request_data

TOKEN = "s3cret-account-token"
BELGIUM = Query(countries=("BE",))


def provider(answer: Any, calls: list[httpx.Request] | None = None) -> OdooIap:
    """`answer`: an httpx.Response, an exception to raise, or a JSON body."""

    def respond(request: httpx.Request) -> httpx.Response:
        if calls is not None:
            calls.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    client = httpx.Client(transport=httpx.MockTransport(respond))
    return OdooIap("https://iap.test", TOKEN, "db-uuid", client)


def fetch(answer: Any, query: Query = BELGIUM, limit: int = 3) -> Page:
    return provider(answer).fetch(query, limit, None, Exclusions())


def result(data: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "1", "result": {"data": data, "credit_error": False} | more}


def company(**values: Any) -> dict[str, Any]:
    return {"company_data": {"name": "Acme", "domain": "acme.test", "clearbit_id": "c1"} | values}


# -- what is asked ---------------------------------------------------------------------------------------------------


def test_the_call_is_json_rpc_as_odoo_makes_it() -> None:
    calls: list[httpx.Request] = []
    provider(result([]), calls).fetch(BELGIUM, 3, None, Exclusions())
    (call,) = calls
    body = json.loads(call.content)
    assert call.method == "POST"
    assert str(call.url) == "https://iap.test/iap/clearbit/2/lead_mining_request"
    assert body.pop("id")
    assert body == {
        "jsonrpc": "2.0",
        "method": "call",
        "params": {
            "account_token": TOKEN,
            "dbuuid": "db-uuid",
            "data": {"lead_number": 3, "search_type": "companies", "countries": [{"code": "BE", "states": []}]},
        },
    }


def test_states_are_nested_in_their_country_with_the_crms_codes() -> None:
    query = Query(countries=("US", "MY", "DE"), states=("US-NY", "MY-01", "US-CA"))
    assert request_data(query, 1)["countries"] == [
        {"code": "DE", "states": []},
        {"code": "MY", "states": ["JHR"]},
        {"code": "US", "states": ["CA", "NY"]},
    ]


def test_each_provider_id_of_an_industry_is_its_own_text() -> None:
    query = Query(countries=("BE",), industries=("Consumer Services", "Banks & Insurance"))
    assert request_data(query, 1)["industry_ids"] == ["69", "157", "150", "151"]


def test_people_are_asked_by_role_or_by_seniority_never_both() -> None:
    by_role = Query(
        ("BE",), contact_number=2, preferred_role="CEO", other_roles=("Human Resources",), seniority="manager"
    )
    assert request_data(by_role, 1) == {
        "lead_number": 1,
        "search_type": "people",
        "countries": [{"code": "BE", "states": []}],
        "contact_number": 2,
        "contact_filter_type": "role",
        "preferred_role": "CEO",
        "other_roles": ["human_resources"],
    }
    by_seniority = Query(("BE",), contact_number=2, contact_filter_type="seniority", seniority="manager")
    data = request_data(by_seniority, 1)
    assert data["seniority"] == "manager"
    assert not {"preferred_role", "other_roles"} & set(data)


def test_preview_costs_nothing() -> None:
    calls: list[httpx.Request] = []
    preview = provider(result([company()]), calls).preview(BELGIUM, 3, Exclusions())
    assert (preview.count, preview.records, calls) == (None, [], [])


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_limit_outside_the_contract_is_never_sent(limit: int) -> None:
    calls: list[httpx.Request] = []
    with pytest.raises(ValueError, match="between 1 and 200"):
        provider(result([]), calls).fetch(BELGIUM, limit, None, Exclusions())
    assert calls == []


# -- what is understood ----------------------------------------------------------------------------------------------


def test_a_page_costs_one_credit_a_company_and_one_a_contact() -> None:
    page = fetch(result([company() | {"people_data": [{}, {}]}, company(), company() | {"people_data": None}]))
    assert page.charged == 5
    assert len(page.records) == 3
    assert page.next_cursor is not None  # as many as asked: more may come


@pytest.mark.parametrize("data", [[], None, [company()]])
def test_fewer_than_asked_is_the_end(data: Any) -> None:
    assert fetch(result(data)).next_cursor is None


@pytest.mark.parametrize("answer", [{"result": {}}, {"result": None}, {"result": {"credit_error": False}}])
def test_no_result_is_an_empty_page(answer: Any) -> None:
    page = fetch(answer)
    assert (page.records, page.charged, page.next_cursor) == ([], 0, None)


def test_a_record_that_is_no_object_stays_in_the_page_and_is_refused_alone() -> None:
    page = fetch(result([company(), None, "text"]))
    assert len(page.records) == page.charged == 3
    with pytest.raises(MalformedRecord, match="record: must be an object"):
        provider({}).parse(page.records[1])


def test_parse_reads_a_company_and_its_contacts() -> None:
    people = [{"full_name": "Ada", "email": "ada@acme.test", "phone": None, "role": "CEO", "seniority": "executive"}]
    record = company(
        location="1 Main St, Springfield",
        postal_code="01234",
        phone="+1 2",
        phone_numbers=["+1 3", "+1 2", None, ""],
        email=["a@acme.test"],
        tech=["shopify"],
        tag=["B2B"],
        employees=12.0,
        founded_year="1990",
        annual_revenue=5,
        description=" trimmed ",
        unknown_key=[1],
    )
    parsed = provider({}).parse(record | {"people_data": people})
    assert (parsed.reveal_id, parsed.name, parsed.domain) == ("c1", "Acme", "acme.test")
    assert (parsed.street, parsed.zip) == ("1 Main St, Springfield", "01234")
    assert parsed.phones == ("+1 2", "+1 3")
    assert (parsed.emails, parsed.technologies, parsed.tags) == (("a@acme.test",), ("shopify",), ("B2B",))
    assert (parsed.employees, parsed.founded_year, parsed.annual_revenue) == (12, 1990, 5.0)
    assert parsed.description == "trimmed"
    assert parsed.contacts == (Contact(full_name="Ada", email="ada@acme.test", role="CEO", seniority="executive"),)


@pytest.mark.parametrize(("given", "shown"), [(7.5, 8), (6.5, 6), (12.0, 12), ("12", 12), (-0.4, 0)])
def test_employees_are_rounded_as_odoo_shows_them(given: Any, shown: int) -> None:
    assert provider({}).parse(company(employees=given)).employees == shown == int(f"{float(given):.0f}")


def test_an_empty_company_is_read_as_one_that_nothing_is_known_of() -> None:
    assert provider({}).parse({"company_data": {}}).model_dump(exclude_defaults=True) == {}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": 5}, "company_data.name"),
        ({"name": {"a": 1}}, "company_data.name"),
        ({"name": False}, "company_data.name"),
        ({"employees": "many"}, "company_data.employees"),
        ({"employees": True}, "company_data.employees"),
        ({"employees": 1e10}, "company_data.employees"),
        ({"founded_year": 1990.5}, "company_data.founded_year"),
        ({"employees": 2**31}, "company_data.employees"),
        ({"founded_year": 10**5000}, "company_data.founded_year"),
        ({"annual_revenue": 10**400}, "company_data.annual_revenue"),
        ({"market_cap": "NaN"}, "company_data.market_cap"),
        ({"email": [{"x": 1}]}, "company_data.email"),
        ({"phone_numbers": [5]}, "company_data.phone_numbers"),
        ({"tag": {"a": "b"}}, "company_data.tag"),
    ],
)
def test_a_wrong_type_names_the_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        provider({}).parse(company(**values))
    assert [problem[0] for problem in caught.value.problems] == [field]


def test_every_wrong_field_is_named_and_values_are_shortened() -> None:
    record = company(name=1, employees="x" * 10_000) | {"people_data": ["nobody", {"email": 3}]}
    with pytest.raises(MalformedRecord) as caught:
        provider({}).parse(record)
    assert {problem[0] for problem in caught.value.problems} == {
        "company_data.name",
        "company_data.employees",
        "people_data[0]",
        "people_data[1].email",
    }
    assert all(len(value) <= 200 for _, value, _ in caught.value.problems)


@pytest.mark.parametrize("record", [{}, {"company_data": None}, {"company_data": []}, {"company_data": "x"}])
def test_a_record_without_a_company_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecord, match="company_data: must be an object"):
        provider({}).parse(record)


# -- what goes wrong -------------------------------------------------------------------------------------------------


def rpc_error(name: Any, message: str = "no") -> dict[str, Any]:
    return {"error": {"code": 200, "message": "Odoo Server Error", "data": {"name": name, "message": message}}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (rpc_error("odoo.addons.iap.tools.iap_tools.InsufficientCreditError"), ProviderCreditsExhausted),
        (result([], credit_error=True), ProviderCreditsExhausted),
        ({"result": {"credit_error": True}}, ProviderCreditsExhausted),
        (rpc_error("odoo.exceptions.UserError"), ProviderRejected),
        (rpc_error("odoo.exceptions.ValidationError"), ProviderRejected),
        (rpc_error("builtins.ValueError"), ProviderRejected),
        (rpc_error("odoo.exceptions.AccessError"), ProviderAccessDenied),
        (rpc_error("odoo.exceptions.AccessDenied"), ProviderAccessDenied),
        (rpc_error("psycopg2.OperationalError"), ProviderUnavailable),
        (rpc_error(None), ProviderRejected),
        ({"error": "text"}, ProviderRejected),
        ({"error": {"code": -32602, "message": "Invalid params"}}, ProviderRejected),
        ({"jsonrpc": "2.0"}, MalformedAnswer),
        ([], MalformedAnswer),
        ("text", MalformedAnswer),
        (httpx.Response(200, content=b"null"), MalformedAnswer),
        ({"result": "text"}, MalformedAnswer),
        ({"result": [1]}, MalformedAnswer),
        (result({"a": 1}), MalformedAnswer),
        (result("text"), MalformedAnswer),
    ],
)
def test_errors_inside_the_answer_are_told_apart(answer: Any, expected: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as caught:
        fetch(answer)
    assert type(caught.value) is expected


def test_companies_that_came_are_kept_even_with_the_credit_flag() -> None:
    assert len(fetch(result([company()], credit_error=True)).records) == 1


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.ReadTimeout("slow"), result([company()])])
def test_a_paid_call_is_made_once_whatever_happens(answer: Any) -> None:
    calls: list[httpx.Request] = []
    with suppress(ProviderUnavailable):
        provider(answer, calls).fetch(BELGIUM, 1, None, Exclusions())
    assert len(calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        rpc_error("odoo.exceptions.UserError", f"token {TOKEN} is bad"),
        rpc_error(TOKEN, TOKEN),
        {"error": {"message": TOKEN}},
        {"result": TOKEN},
        {"no_result": TOKEN},
        httpx.Response(200, text=f"<html>{TOKEN}</html>"),
        httpx.Response(403, text=TOKEN),
        httpx.ConnectError(f"cannot send {TOKEN}"),
    ],
)
def test_the_token_is_in_no_error_repr_or_log(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(ProviderError) as caught:
        fetch(answer)
    assert TOKEN not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r} {provider({})!r} {caplog.text}"


def test_an_echoed_token_is_not_stored() -> None:
    page = fetch(result([company(description=f"echo {TOKEN}", **{TOKEN: 1})]))
    assert TOKEN not in json.dumps(page.raw) + json.dumps(page.records)


@pytest.mark.parametrize(
    "url", ["", "iap.test", "ftp://iap.test", "https://", "https://user:pw@iap.test", "http://a?b=c"]
)
def test_a_base_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ProviderRejected, match="must look like https://host") as caught:
        OdooIap(url, TOKEN, "db-uuid")
    assert "pw" not in str(caught.value)


def test_hostile_text_passes_unchanged_but_for_what_postgresql_refuses() -> None:
    nasty = "<script>alert(1)</script>'; DROP TABLE crm_lead; -- \U0001f600 \u202e"
    raw = json.dumps(result([company(name=nasty + "\x00\ud800")]))
    page = fetch(httpx.Response(200, content=raw.encode()))
    assert "\\u0000" not in json.dumps(page.raw)
    assert provider({}).parse(page.records[0]).name == nasty


# -- the balance


def test_the_balance_is_asked_for_as_odoo_does() -> None:
    calls: list[httpx.Request] = []
    assert provider({"jsonrpc": "2.0", "id": "1", "result": 41.9}, calls).balance() == 41, "a part buys nothing"
    (call,) = calls
    assert str(call.url) == "https://iap.test/iap/1/balance"
    assert json.loads(call.content)["params"] == {
        "dbuuid": "db-uuid",
        "account_token": TOKEN,
        "service_name": "reveal",
    }


def test_odoos_own_service_tells_the_balance_at_another_host() -> None:
    calls: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(200, json={"result": 1})

    client = httpx.Client(transport=httpx.MockTransport(respond))
    OdooIap("https://iap-services.odoo.com/", TOKEN, "db-uuid", client).balance()
    assert str(calls[0].url) == "https://iap.odoo.com/iap/1/balance"


@pytest.mark.parametrize(
    "told",
    [
        [],
        {},
        {"result": None},
        {"result": "12"},
        {"result": True},
        {"result": -1},
        {"result": {"balance": 1}},
        httpx.Response(200, content=b'{"result": Infinity}'),
        httpx.Response(200, content=b'{"result": NaN}'),
        httpx.Response(200, content=b'{"result": 1e999}'),
        httpx.Response(200, text="<html>"),
        httpx.Response(404),
        httpx.Response(500),
        httpx.ReadTimeout("slow"),
        {"error": {"message": "no", "data": {"name": "odoo.exceptions.AccessError", "message": "unknown token"}}},
        {"error": "no"},
        {"error": 0},
    ],
)
def test_what_is_no_balance_is_an_error(told: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        provider(told).balance()
    assert TOKEN not in str(caught.value)


# -- the gate --------------------------------------------------------------------------------------------------------


class _Spy(Gate):
    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def enter(self, bucket: str) -> None:
        self.seen.append(("enter", bucket))

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.seen.append(("tell", bucket, failed, wait))


def test_every_call_passes_the_gate_which_is_told_what_came_of_it() -> None:
    spy = _Spy()
    odoo = provider(httpx.Response(429, headers={"Retry-After": "7"}))
    odoo.gate = spy
    for call in (lambda: odoo.fetch(BELGIUM, 1, None, Exclusions()), odoo.balance):
        with pytest.raises(ProviderUnavailable):
            call()
    assert spy.seen == [
        ("enter", "search"),
        ("tell", "search", False, 7.0),
        ("enter", "balance"),
        ("tell", "balance", False, 7.0),
    ]
