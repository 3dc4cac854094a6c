"""Apollo's company search, free people search and bulk enrichment: prices, pages and rate windows of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader

from provider_simulator import apollo_records
from provider_simulator.apollo_models import (
    Balance,
    Companies,
    CompanySearch,
    Domains,
    Enriched,
    Matched,
    People,
    PeopleSearch,
    PeopleToMatch,
    Refused,
    TooMany,
)
from provider_simulator.apollo_search import companies_found, people_found
from provider_simulator.catalogue import Row
from provider_simulator.counter import JSON, Counter
from provider_simulator.errors import AccessError, InsufficientCreditError, ServiceError, TooManyCallsError, UserError
from provider_simulator.faults import Fault, Shape, disfigure, twice
from provider_simulator.limits import Window
from provider_simulator.store import Sale, Till

LAST_PAGE = 500
_EACH_ACCOUNT = 10  # of so many companies one is the team's account already, and comes in another list

_FOUND = Shape(
    left_out=(("phone",), ("name",), ("id",)),
    wrong=lambda organization: {"name": {}, "founded_year": "long ago"},
    kept=frozenset({"id", "primary_domain"}),
)
_ENRICHED = Shape(
    left_out=(("phone",), ("name",), ("id",)),
    wrong=lambda organization: {"estimated_num_employees": "many", "name": {}, "founded_year": {}},
    kept=frozenset({"id", "country"}),
)
_MATCHED = Shape(
    left_out=(("title",), ("name",), ("id",)),
    wrong=lambda person: {"email": {}, "name": 7},
    kept=frozenset({"id", "organization_id", "email_status", "seniority"}),
)
_WINDOWS = {3600.0: "hourly", 86_400.0: "24-hour"}  # any other counts as the minute
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The key is not known"},
    422: {"model": Refused},
    429: {"model": TooMany},
}
Key = Annotated[str | None, Depends(APIKeyHeader(name="x-api-key", auto_error=False))]


class Apollo:
    """The contract: how it says things."""

    name = "apollo"

    def delivery(self, sale: Sale, call_id: Any) -> Response:
        return Response(json.dumps(sale.answer), media_type=JSON)

    def refusal(self, error: ServiceError, call_id: Any) -> Response:
        if isinstance(error, AccessError):
            return Response("Invalid API key. Please provide a valid API key.", 401, media_type="text/plain")
        if isinstance(error, TooManyCallsError):
            after = {"Retry-After": str(math.ceil(error.seconds))}
            message = "The maximum number of api calls allowed for this endpoint is reached. Please upgrade your plan."
            return Response(json.dumps({"message": message}), 429, headers=after, media_type=JSON)
        text = "You have insufficient credits" if isinstance(error, InsufficientCreditError) else str(error)
        return Response(json.dumps({"error": text}), HTTPStatus.UNPROCESSABLE_ENTITY, media_type=JSON)


class _Desk:
    """What is sold, and for how much."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    @property
    def cards(self) -> apollo_records.Cards:
        return apollo_records.cards_of(self.counter.catalogue)

    def companies(self, till: Till, fault: Fault | None, asked: dict[str, Any]) -> Sale:
        """A credit a page that has anything, whatever its size."""
        search = CompanySearch.model_validate(self.counter.asked_again(till, "companies", asked, fault))
        if search.page > LAST_PAGE:
            raise UserError(f"page: the last one that is shown is {LAST_PAGE}")
        places = companies_found(self.cards, search)
        rows = self.counter.catalogue.rows(places[search.places])
        found = [apollo_records.found_organization(row) for row in rows]
        if fault is Fault.DUPLICATE_COMPANIES:
            found = twice(found)
        found = disfigure(fault, found, _FOUND)
        accounts = found[_EACH_ACCOUNT - 1 :: _EACH_ACCOUNT]
        organizations = [one for turn, one in enumerate(found, 1) if turn % _EACH_ACCOUNT]
        pages = {
            "page": search.page,
            "per_page": search.per_page,
            "total_entries": len(places),
            "total_pages": math.ceil(len(places) / search.per_page),
        }
        answer = {
            "breadcrumbs": [],
            "partial_results_only": False,
            "has_join": False,
            "disable_eu_prospecting": False,
            "partial_results_limit": 10_000,
            "pagination": pages,
            "accounts": [apollo_records.account_of(one) for one in accounts],
            "organizations": organizations,
            "model_ids": [row["reveal_id"] for row in rows],
            "num_fetch_result": None,
            "derived_params": None,
        }
        return Sale(answer, companies=len(found), price=1 if found else 0)

    def people(self, search: PeopleSearch) -> dict[str, Any]:
        """Free."""
        found = people_found(self.cards, search)
        shown = found[search.places]
        rows = self.counter.catalogue.rows([place for place, _ in shown])
        people = [apollo_records.found_person(row, index) for row, (_, index) in zip(rows, shown, strict=True)]
        return {"total_entries": len(found), "people": people}

    def enriched(self, till: Till, fault: Fault | None, asked: dict[str, Any]) -> Sale:
        """A credit an organization that is known."""
        domains = self.counter.asked_again(till, "enriched", asked, fault)["domains"]
        places = [self.cards.place_of_domain.get(domain.strip().casefold()) for domain in domains]
        of_company = [None if place is None else (place, 0) for place in places]
        found = self._found(of_company, lambda row, _: apollo_records.enriched_organization(row), _ENRICHED, fault)
        number = len(found) - found.count(None)
        answer = {
            **_counts("total_requested_domains", len(domains), number),
            "unique_domains": len(set(domains)),
            "organizations": found,
        }
        return Sale(answer, companies=number, price=number)

    def matched(self, till: Till, fault: Fault | None, asked: dict[str, Any]) -> Sale:
        """A credit a person who is known: all have demographics."""
        details = self.counter.asked_again(till, "matched", asked, fault)["details"]
        places = [self.cards.people.get(detail["id"]) for detail in details]
        found = self._found(places, apollo_records.matched_person, _MATCHED, fault)
        number = len(found) - found.count(None)
        answer = {
            **_counts("total_requested_enrichments", len(details), number),
            "credits_consumed": number,
            "matches": found,
        }
        return Sale(answer, contacts=number, price=number)

    def _found(
        self,
        places: list[apollo_records.PersonPlace | None],
        record: Callable[[Row, int], dict[str, Any]],
        shape: Shape,
        fault: Fault | None,
    ) -> list[dict[str, Any] | None]:
        """A record a place, in this order; null where there is none."""
        known = [place for place in places if place is not None]
        rows = self.counter.catalogue.rows([place for place, _ in known])
        records = [record(row, index) for row, (_, index) in zip(rows, known, strict=True)]
        sent = iter(disfigure(fault, records, shape))
        found: list[dict[str, Any] | None] = [None if place is None else next(sent) for place in places]
        return twice(found) if fault is Fault.DUPLICATE_COMPANIES else found


def add_routes(app: FastAPI, counter: Counter) -> None:
    contract, desk = Apollo(), _Desk(counter)

    async def paid(request: Request, key: str | None, bucket: str, asked: dict[str, Any], sell: _Sell) -> Response:
        response = await counter.serve(
            contract, bucket, key, request, asked, lambda till, fault: sell(till, fault, asked)
        )
        return _with_headers(response, counter, bucket, key)

    @app.post("/api/v1/mixed_companies/search", tags=["Apollo"], responses={200: {"model": Companies}, **_REFUSALS})
    async def company_search(request: Request, search: Annotated[CompanySearch, Query()], key: Key) -> Response:
        """Companies without employees, industry and address. A credit a page."""
        return await paid(request, key, "companies", search.model_dump(by_alias=True), desk.companies)

    @app.post("/api/v1/mixed_people/api_search", tags=["Apollo"], responses={200: {"model": People}, **_REFUSALS})
    async def people_search(search: Annotated[PeopleSearch, Query()], key: Key) -> Response:
        """People without e-mail, their last names obfuscated. Free, and not struck by faults."""
        try:
            counter.enter(contract, "people", key)
            response = Response(json.dumps(await run_in_threadpool(desk.people, search)), media_type=JSON)
        except ServiceError as error:
            response = contract.refusal(error, None)
        return _with_headers(response, counter, "people", key)

    @app.post("/api/v1/organizations/bulk_enrich", tags=["Apollo"], responses={200: {"model": Enriched}, **_REFUSALS})
    async def bulk_enrich(request: Request, domains: Annotated[Domains, Query()], key: Key) -> Response:
        """Organizations by domain. A credit each."""
        return await paid(request, key, "enrich", domains.model_dump(), desk.enriched)

    @app.post("/api/v1/people/bulk_match", tags=["Apollo"], responses={200: {"model": Matched}, **_REFUSALS})
    async def bulk_match(request: Request, people: PeopleToMatch, key: Key) -> Response:
        """People by id. A credit each."""
        return await paid(request, key, "enrich", people.model_dump(), desk.matched)

    @app.post(
        "/api/v1/usage_stats/credit_usage_stats", tags=["Apollo"], responses={200: {"model": Balance}, **_REFUSALS}
    )
    async def credit_usage_stats(key: Key) -> Response:
        """What is left. Free, without a limit, and not struck by faults."""
        try:
            account = counter.admit(key)
        except AccessError as error:
            return contract.refusal(error, None)
        left = await run_in_threadpool(counter.store.balance, account)
        consumed = await run_in_threadpool(counter.store.spent, account)
        credits = {"limit": left + consumed, "consumed": consumed, "left_over": left}
        return Response(json.dumps({"credit_usage_stats": {"lead_credit": credits}}), media_type=JSON)


_Sell = Callable[[Till, Fault | None, dict[str, Any]], Sale]


def _counts(requested: str, number: int, found: int) -> dict[str, Any]:
    return {
        "status": "success",
        "error_code": None,
        "error_message": None,
        requested: number,
        "unique_enriched_records": found,
        "missing_records": number - found,
    }


def _with_headers(response: Response, counter: Counter, bucket: str, key: str | None) -> Response:
    """The windows; where the key is not known, none."""
    if key is not None and response.status_code != HTTPStatus.UNAUTHORIZED:
        for window in counter.limits.windows(Apollo.name, bucket, key):
            response.headers.update(_window_headers(window))
    return response


def _window_headers(window: Window) -> dict[str, str]:
    name = _WINDOWS.get(window.limit.seconds, "minute")
    return {
        f"x-rate-limit-{name}": str(window.limit.calls),
        f"x-{name}-usage": str(window.used),
        f"x-{name}-requests-left": str(window.limit.calls - window.used),
    }
