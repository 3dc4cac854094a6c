"""Odoo 19's lead mining (IAP, Dun & Bradstreet): flat records, industries by SIC group, known companies left out."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response

from provider_simulator import reference, wire
from provider_simulator.catalogue import Row
from provider_simulator.counter import Counter
from provider_simulator.errors import UserError
from provider_simulator.faults import Fault, Shape, disfigure, twice
from provider_simulator.json_rpc import FILTER, RESPONSES, JsonRpc, body_of, call_of, not_json
from provider_simulator.search import is_text, parse_search, texts
from provider_simulator.store import Sale, Till

ENDPOINT = "/api/dnb/1/search_by_criteria"

_CONTRACT = JsonRpc("odoo_dnb")
_SHAPE = Shape(
    left_out=(("phone",), ("name",), ("duns",)),
    wrong=lambda company: {"employees": "many", "unspsc_codes": "none", "name": {}},
    kept=frozenset({"duns", "country_code"}),
)
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_PARAMS: dict[str, Any] = {
    "account_token": _TEXT,
    "db_uuid": _TEXT,
    "query": {"type": "object", "properties": {**FILTER, "sic_groups": _TEXTS}},
    "db_version": _TEXT,
    "db_lang": _TEXT,
    "country_code": {"type": ["string", "null"]},
    "reveal_ids": _TEXTS,
}
_NO_GROUPS = {3, 4, 5, 6, 11, 18, 19, 43, 66, 68, 69, 71, 74, 77, 85, 90}
_SIC_GROUPS = frozenset(f"{number:02}" for number in range(1, 100) if number not in _NO_GROUPS)  # the 83 major groups


class _Desk:
    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    @cached_property
    def sic_groups(self) -> list[str | None]:
        """By place in the catalogue."""
        groups = reference.sic_groups()
        return [groups.get(name) for name in self.counter.catalogue.table["sub_industry"].to_pylist()]

    def sell(self, till: Till, fault: Fault | None, params: dict[str, Any]) -> Sale:
        """The same to the same, but for companies that the caller knows."""
        asked = self.counter.asked_again(till, "odoo_dnb", params, fault)
        if unknown := asked.keys() - _PARAMS.keys():
            raise UserError(f"params: {sorted(unknown)[0]!r} is not known")
        if not is_text(asked.get("db_uuid")):
            raise UserError("db_uuid: a text is needed")
        query, known = asked.get("query"), frozenset(texts(asked.get("reveal_ids", []), "reveal_ids"))
        search = parse_search(query)
        groups = frozenset(texts(query.get("sic_groups", []), "sic_groups"))
        if wrong := sorted(groups - _SIC_GROUPS):
            raise UserError(f"sic_groups: unknown group {wrong[0]!r}")
        if fault is Fault.CREDIT_FLAG:
            return Sale(wire.result([], credit_error=True))
        places = [
            place
            for place in self.counter.catalogue.matching(search)
            if (not groups or self.sic_groups[place] in groups) and duns_of(place) not in known
        ][: search.lead_number]
        rows = self.counter.catalogue.rows(places)
        records = [_record(row, place) for row, place in zip(rows, places, strict=True)]
        if fault is Fault.DUPLICATE_COMPANIES:
            records = twice(records)
        return Sale(wire.result(disfigure(fault, records, _SHAPE)), companies=len(records), price=len(records))


def add_routes(app: FastAPI, counter: Counter) -> None:
    desk = _Desk(counter)

    @app.post(ENDPOINT, tags=["Odoo IAP"], responses=RESPONSES, openapi_extra=body_of(_PARAMS, _EXAMPLE))
    async def search_by_criteria(request: Request) -> Response:
        """JSON-RPC 2.0. Companies alone, a credit each, whatever is asked of people."""
        call = await call_of(request)
        if call is None:
            return not_json()
        call_id, params = call

        def sell(till: Till, fault: Fault | None) -> Sale:
            return desk.sell(till, fault, params)

        token, asked = params.get("account_token"), params.get("query")
        return await counter.serve(_CONTRACT, "search", token, request, asked, sell, call_id=call_id)


def duns_of(place: int) -> str:
    return f"{100_000_000 + place}"


def _record(row: Row, place: int) -> dict[str, Any]:
    domain = row["domain"]
    return {
        "duns": duns_of(place),
        "name": row["name"],
        "domain": domain,
        "website": f"https://{domain}" if domain else None,
        "phone": row["phone"],
        "street": " ".join(filter(None, (row["street_number"], row["street_name"]))) or None,
        "street2": row["sub_premise"],
        "city": row["city"],
        "zip": row["zip"],
        "state_code": row["state_code"],
        "country_code": row["country_code"],
        "employees": row["employees"],
        "estimated_annual_revenue": row["estimated_annual_revenue"],
        "entity_type": row["company_type"],
        "industry_code": reference.sic_groups().get(row["sub_industry"]),
        "unspsc_codes": [[f"{zlib.crc32(tag.encode()) % 10**8:08}", tag] for tag in json.loads(row["tags"])],
        "vat": None,
    }


_EXAMPLE: dict[str, Any] = {
    "account_token": "trial-1",
    "db_uuid": "00000000-0000-0000-0000-000000000000",
    "db_version": "19.0",
    "db_lang": "en_US",
    "country_code": "BE",
    "query": {
        "lead_number": 3,
        "search_type": "companies",
        "countries": [{"code": "US", "states": ["CA", "NY"]}],
        "sic_groups": ["73"],
        "company_size_min": 10,
        "company_size_max": 1000,
    },
    "reveal_ids": ["100000017"],
}
