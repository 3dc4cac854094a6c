"""People Data Labs' company and person search, version 5: a credit a record, told in headers; pages by scroll token."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict, Field

from provider_simulator import EMPTY_200, HIDDEN_CONTACTS, pdl_records
from provider_simulator.counter import JSON, Counter
from provider_simulator.elasticsearch import Document, compile_query
from provider_simulator.errors import (
    AccessError,
    InsufficientCreditError,
    NothingFoundError,
    ServiceError,
    TooManyCallsError,
    UserError,
)
from provider_simulator.faults import Fault, Shape, disfigure, twice
from provider_simulator.store import Sale, Till

_BIGGEST_ANSWER = 1_000_000  # bytes
_ERRORS: dict[type[ServiceError], tuple[int, str]] = {
    UserError: (400, "invalid_request_error"),
    AccessError: (401, "authentication_error"),
    InsufficientCreditError: (402, "payment_required"),
    NothingFoundError: (404, "not_found"),
    TooManyCallsError: (429, "rate_limit_error"),
}
_COMPANY_SHAPE = Shape(
    left_out=(("website",), ("display_name",), ("id",)),
    wrong=lambda company: {"employee_count": "many", "name": {}, "founded": {}},
    kept=frozenset({"id", "country"}),
)
_PERSON_SHAPE = Shape(
    left_out=(("mobile_phone",), ("full_name",), ("id",)),
    wrong=lambda person: {"work_email": {}, "full_name": 7, "job_title_levels": "many"},
    kept=frozenset({"id", "job_company_id", "job_title_role", "job_title_sub_role", "job_title_levels"}),
)
Kind = Literal["company", "person"]
Key = Annotated[str | None, Depends(APIKeyHeader(name="X-Api-Key", auto_error=False))]


class Search(BaseModel):
    """The body of a search."""

    model_config = ConfigDict(extra="forbid")

    query: dict[str, Any] = Field(description="Elasticsearch: bool, term, terms, range, match, match_phrase, exists")
    size: int = Field(default=1, ge=1, le=100, strict=True)
    scroll_token: str | None = None
    data_include: str | None = Field(default=None, description="a,b: these keys alone; -a,b: without these")
    dataset: Literal["resume", "all"] | None = None
    titlecase: Literal[False] = False
    pretty: bool = False


class Found(BaseModel):
    """Records, one credit each."""

    status: Literal[200]
    data: list[dict[str, Any]]
    total: int
    scroll_token: str | None = Field(description="For the next page of the same query; null on the last")


class Problem(BaseModel):
    type: str
    message: str


class Refused(BaseModel):
    """Why there are no records; nothing was charged."""

    status: int
    error: Problem


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Found},
    **{status: {"model": Refused} for status, _ in _ERRORS.values()},
}


class PeopleDataLabs:
    """The contract: how it says things."""

    name = "people_data_labs"

    def delivery(self, sale: Sale, call_id: Any) -> Response:
        return Response(sale.answer, headers={"x-call-credits-spent": str(sale.price)}, media_type=JSON)

    def refusal(self, error: ServiceError, call_id: Any) -> Response:
        status, kind = _ERRORS[type(error)]
        body = {"status": status, "error": {"type": kind, "message": str(error)}}
        headers = {"x-call-credits-spent": "0"}
        if isinstance(error, TooManyCallsError):
            headers |= _rate_headers(0, 0, time.time() + error.seconds)
        return Response(json.dumps(body), status_code=status, headers=headers, media_type=JSON)


class _Desk:
    """What is sold, and for how much."""

    def __init__(self, counter: Counter, quirks: frozenset[str]) -> None:
        self.counter = counter
        self.quirks = quirks
        self.places = lru_cache(maxsize=256)(self._places)

    @property
    def shelves(self) -> pdl_records.Shelves:
        return pdl_records.shelves_of(self.counter.catalogue)

    def can_sell(self, kind: Kind, search: Search) -> bool:
        """False where nothing matches; a query that is not understood is refused later."""
        try:
            return bool(self.places(kind, json.dumps(search.query, sort_keys=True)))
        except UserError:
            return True

    def companies(self, till: Till, fault: Fault | None, asked: dict[str, Any]) -> Sale:
        def records(places: list[int]) -> list[dict[str, Any]]:
            return [pdl_records.company_record(row) for row in self.counter.catalogue.rows(places)]

        answer, number = self._sell(till, fault, "company", asked, records, _COMPANY_SHAPE)
        return Sale(answer, companies=number, price=number)

    def people(self, till: Till, fault: Fault | None, asked: dict[str, Any]) -> Sale:
        hidden = HIDDEN_CONTACTS in self.quirks

        def records(places: list[int]) -> list[dict[str, Any]]:
            of = [self.shelves.people_places[place] for place in places]
            rows = self.counter.catalogue.rows([company for company, _ in of])
            return [
                pdl_records.person_record(row, index, hidden=hidden) for row, (_, index) in zip(rows, of, strict=True)
            ]

        answer, number = self._sell(till, fault, "person", asked, records, _PERSON_SHAPE)
        return Sale(answer, contacts=number, price=number)

    def _sell(
        self,
        till: Till,
        fault: Fault | None,
        kind: Kind,
        asked: dict[str, Any],
        records: Callable[[list[int]], list[dict[str, Any]]],
        shape: Shape,
    ) -> tuple[bytes, int]:
        search = Search.model_validate(self.counter.asked_again(till, kind, asked, fault))
        query = json.dumps(search.query, sort_keys=True)
        places = self.places(kind, query)
        start = _offset_of(search.scroll_token, query)
        end = start + search.size
        found = records(places[start:end])
        if not found and EMPTY_200 not in self.quirks:
            raise NothingFoundError("No records were found matching your request")
        if fault is Fault.DUPLICATE_COMPANIES:
            found = twice(found)
        sold = [_chosen(record, search.data_include) for record in disfigure(fault, found, shape)]
        token = _token_of(end, query) if end < len(places) else None
        answer = json.dumps({"status": 200, "data": sold, "total": len(places), "scroll_token": token}).encode()
        # what makes it hostile is not what made it big
        return answer if fault is Fault.HOSTILE else answer[:_BIGGEST_ANSWER], len(found)

    def _places(self, kind: Kind, query: str) -> list[int]:
        """Where the matches stand, in the order in which they are sold."""
        if kind == "company":
            matches = compile_query(json.loads(query), pdl_records.COMPANY_FIELDS)
            return [place for place, document in enumerate(self.shelves.companies) if matches(document)]
        asked = json.loads(query)
        matches = compile_query(asked, pdl_records.PERSON_FIELDS)
        people = self.shelves.people
        return [place for place in self._people_to_look_at(asked) if matches(people[place])]

    def _people_to_look_at(self, query: dict[str, Any]) -> list[int] | range:
        """Those of the companies that a filter names; else all."""
        clauses = query.get("bool", {}).get("filter", [])
        for clause in clauses if isinstance(clauses, list) else []:
            for field, wanted in (clause.get("term") or clause.get("terms") or {}).items():
                if field in ("job_company_id", "job_company_website"):
                    value = wanted.get("value") if isinstance(wanted, dict) else wanted
                    keys = map(str, value if isinstance(value, list) else [value])
                    return sorted({place for key in keys for place in self.shelves.people_by_company.get(key, [])})
        return range(len(self.shelves.people))


def add_routes(app: FastAPI, counter: Counter, quirks: frozenset[str]) -> None:
    contract, desk = PeopleDataLabs(), _Desk(counter, quirks)

    async def answer(request: Request, search: Search, key: str | None, kind: Kind) -> Response:
        asked = search.model_dump(exclude_defaults=True)

        def sell(till: Till, fault: Fault | None) -> Sale:
            return desk.companies(till, fault, asked) if kind == "company" else desk.people(till, fault, asked)

        struck = await run_in_threadpool(desk.can_sell, kind, search)
        response = await counter.serve(contract, "search", key, request, asked, sell, struck=struck)
        return await run_in_threadpool(_with_headers, response, counter, key, kind)

    @app.post("/v5/company/search", tags=["People Data Labs"], responses=_RESPONSES)
    async def company_search(request: Request, search: Search, key: Key) -> Response:
        """Companies, a credit each."""
        return await answer(request, search, key, "company")

    @app.post("/v5/person/search", tags=["People Data Labs"], responses=_RESPONSES)
    async def person_search(request: Request, search: Search, key: Key) -> Response:
        """People at companies, a credit each."""
        return await answer(request, search, key, "person")


def _with_headers(response: Response, counter: Counter, key: str | None, kind: Kind) -> Response:
    """What every answer of the service tells; its gateway's errors tell nothing."""
    if "x-call-credits-spent" not in response.headers or response.status_code == _ERRORS[AccessError][0]:
        return response
    assert key is not None  # it was admitted
    balance = str(counter.store.balance(key))
    response.headers["x-call-credits-type"] = "search_company" if kind == "company" else "search"
    response.headers["x-totallimit-remaining"] = balance
    response.headers["x-totallimit-purchased-remaining"] = balance
    response.headers["x-totallimit-overages-remaining"] = "0"
    response.headers["x-lifetime-used"] = str(counter.store.spent(key))
    if "x-ratelimit-reset" not in response.headers:
        for window in counter.limits.windows(PeopleDataLabs.name, "search", key):
            limit = window.limit.calls
            response.headers.update(_rate_headers(limit, limit - window.used, window.ends))
            break
    return response


def _rate_headers(limit: int, left: int, ends: float) -> dict[str, str]:
    """As the service writes them: Python's dictionaries, and a moment in whole seconds."""
    return {
        "x-ratelimit-limit": str({"minute": limit, "day": None}),
        "x-ratelimit-remaining": str({"minute": left, "day": None}),
        "x-ratelimit-reset": datetime.fromtimestamp(math.ceil(ends), UTC).isoformat(),
    }


def _token_of(offset: int, query: str) -> str:
    return f"{offset}${hashlib.sha256(f'{offset}/{query}'.encode()).hexdigest()[:12]}"


def _offset_of(token: str | None, query: str) -> int:
    """Raises ``UserError`` for a token of another query."""
    if token is None:
        return 0
    offset = token.partition("$")[0]
    if not (offset.isascii() and offset.isdecimal() and len(offset) < 10) or token != _token_of(int(offset), query):
        raise UserError("scroll_token: it belongs to another query")
    return int(offset)


def _chosen(record: Document, data_include: str | None) -> Document:
    """With ``data_include``: "a,b" keeps these keys alone, "-a,b" leaves them out, "" keeps none."""
    if data_include is None:
        return record
    keys = {key.strip().partition(".")[0] for key in data_include.removeprefix("-").split(",")}
    return {key: value for key, value in record.items() if (key in keys) != data_include.startswith("-")}
