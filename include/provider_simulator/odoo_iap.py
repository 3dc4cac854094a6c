"""Odoo 17's lead mining (IAP, Clearbit), and the balance of its accounts."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from provider_simulator import wire
from provider_simulator.counter import JSON, Counter
from provider_simulator.errors import ServiceError, UserError
from provider_simulator.faults import Fault, Shape, disfigure
from provider_simulator.json_rpc import FILTER, RESPONSES, JsonRpc, body_of, call_of, not_json
from provider_simulator.search import Search, is_text, parse_search
from provider_simulator.store import Sale, Till

ENDPOINT = "/iap/clearbit/2/lead_mining_request"
BALANCE_ENDPOINT = "/iap/1/balance"

_CONTRACT = JsonRpc("odoo_iap")
SHAPE = Shape(
    left_out=(("company_data", "phone"), ("company_data", "name"), ("company_data",)),
    wrong=lambda company: {"employees": "many", "email": "".join(company["email"][:1]), "founded_year": {}},
    kept=frozenset({"clearbit_id", "country_code", "role", "seniority"}),
    inner="company_data",
)


def add_routes(app: FastAPI, counter: Counter) -> None:
    @app.post(ENDPOINT, tags=["Odoo IAP"], responses=RESPONSES, openapi_extra=body_of(_PARAMS, _EXAMPLE))
    async def lead_mining_request(request: Request) -> Response:
        """JSON-RPC 2.0. Errors of the service come with HTTP status 200, as from Odoo."""
        call = await call_of(request)
        if call is None:
            return not_json()
        call_id, params = call

        def sell(till: Till, fault: Fault | None) -> Sale:
            if not is_text(params.get("dbuuid")):
                raise UserError("dbuuid: a text is needed")
            search = parse_search(params.get("data"))
            if fault is Fault.CREDIT_FLAG:
                return Sale(wire.result([], credit_error=True))
            leads = _pick(counter, till, params["data"], search, fault)
            contacts = wire.contacts_in(leads)
            answer = wire.result(disfigure(fault, leads, SHAPE))
            return Sale(answer, len(leads), contacts, price=len(leads) + contacts)

        token, asked = params.get("account_token"), params.get("data")
        return await counter.serve(_CONTRACT, "search", token, request, asked, sell, call_id=call_id)

    @app.post(BALANCE_ENDPOINT, tags=["Odoo IAP"], responses=RESPONSES, openapi_extra=body_of(_OF_ACCOUNT, _ACCOUNT))
    async def balance(request: Request) -> Response:
        """JSON-RPC 2.0: the credits left in the account. Free, and not struck by faults."""
        call = await call_of(request)
        if call is None:
            return not_json()
        call_id, params = call
        try:
            account = counter.admit(params.get("account_token"))
            content: int | ServiceError = await run_in_threadpool(counter.store.balance, account)
        except ServiceError as error:
            content = error
        return Response(wire.answer(call_id, content), media_type=JSON)


def _pick(counter: Counter, till: Till, data: Any, search: Search, fault: Fault | None) -> list[dict[str, Any]]:
    if fault is Fault.REPEATED_PAGE and (last := till.last_sale()):
        return _leads(counter, last[1], parse_search(last[0]))
    again = fault is Fault.DUPLICATE_COMPANIES
    number = max(1, search.lead_number - 1) if again else search.lead_number
    taken = till.take(search.key, counter.catalogue.matching(search), number)
    if taken:
        till.remember(data, taken + taken[:1] if again else taken)
    leads = _leads(counter, taken, search)
    return leads + leads[:1] if again else leads


def _leads(counter: Counter, positions: list[int], search: Search) -> list[dict[str, Any]]:
    return [wire.lead(row, search) for row in counter.catalogue.rows(positions)]


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_OF_ACCOUNT: dict[str, Any] = {"account_token": _TEXT, "dbuuid": _TEXT, "service_name": _TEXT}
_ACCOUNT: dict[str, Any] = {
    "account_token": "trial-1",
    "dbuuid": "00000000-0000-0000-0000-000000000000",
    "service_name": "reveal",
}
_PARAMS: dict[str, Any] = {
    "account_token": _TEXT,
    "dbuuid": _TEXT,
    "data": {"type": "object", "properties": {**FILTER, "industry_ids": _TEXTS}},
}
_EXAMPLE: dict[str, Any] = {
    "account_token": "trial-1",
    "dbuuid": "00000000-0000-0000-0000-000000000000",
    "data": {
        "lead_number": 3,
        "search_type": "people",
        "countries": [{"code": "US", "states": ["CA", "NY"]}],
        "industry_ids": ["165"],
        "company_size_min": 10,
        "company_size_max": 1000,
        "contact_number": 2,
        "contact_filter_type": "role",
        "preferred_role": "CEO",
        "other_roles": ["marketing", "sale"],
    },
}
