"""The HTTP service: four providers' contracts, and /simulator/... to watch them and to break them. See README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from provider_simulator import apollo, odoo_dnb, odoo_iap, people_data_labs
from provider_simulator.catalogue import Catalogue
from provider_simulator.counter import JSON, Contract, Counter
from provider_simulator.errors import UserError
from provider_simulator.faults import FaultPlan, Replay
from provider_simulator.limits import Arrival, Limit
from provider_simulator.store import Store

_NO_JSON: dict[str, Any] = {"description": "The body is no JSON"}


class Purchase(BaseModel):
    """Credits bought from the provider."""

    credits: int = Field(ge=1, le=1_000_000_000)


def create_app(
    catalogue: Catalogue,
    state: Path,
    *,
    credits: int = 10_000,
    tokens: frozenset[str] = frozenset(),
    quirks: frozenset[str] = frozenset(),
) -> FastAPI:
    """``state``: the SQLite file of the books. ``credits``: of a new account. ``tokens``: empty accepts any.

    ``quirks``: ways in which a provider's documentation leaves open how it answers; see README.md.
    """
    counter = Counter(catalogue, Store(state, credits), tokens)
    app = FastAPI(title="Lead provider simulator", description=(__doc__ or ""), version="2")
    odoo_iap.add_routes(app, counter)
    odoo_dnb.add_routes(app, counter)
    people_data_labs.add_routes(app, counter, quirks)
    apollo.add_routes(app, counter)
    _add_controls(app, counter)

    _refuse_malformed(app, {"/v5/": people_data_labs.PeopleDataLabs(), "/api/v1/": apollo.Apollo()})
    return app


def _refuse_malformed(app: FastAPI, contracts: Mapping[str, Contract]) -> None:
    """Each contract, by the beginning of its paths, refuses what cannot be read in its own words."""

    def refusal(request: Request, why: str) -> Response | None:
        of_path = (contract for prefix, contract in contracts.items() if request.url.path.startswith(prefix))
        return next((contract.refusal(UserError(why), None) for contract in of_path), None)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        why = f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        return refusal(request, why) or await request_validation_exception_handler(request, error)

    @app.exception_handler(HTTPStatus.BAD_REQUEST)
    async def unreadable(request: Request, error: HTTPException) -> Response:
        return refusal(request, error.detail) or await http_exception_handler(request, error)


def _add_controls(app: FastAPI, counter: Counter) -> None:
    @app.get("/health", tags=["simulator"])
    def health() -> dict[str, Any]:
        return {"status": "ok", "companies": len(counter.catalogue)}

    @app.get(
        "/simulator/account/{token}",
        tags=["simulator"],
        responses={404: {"description": "No call was made with this token yet"}},
    )
    def account(token: str) -> Response:
        """Balance, credits charged in all, and every call: number, time, filter, delivered, charged, outcome."""
        found = counter.store.account(token)
        if found is None:
            raise HTTPException(404, "No call was made with this token yet")
        # a filter may hold half a surrogate pair, which only escaped can be sent
        return Response(json.dumps(found), media_type=JSON)

    @app.post("/simulator/account/{token}/credits", tags=["simulator"], responses={400: _NO_JSON})
    def buy_credits(token: str, purchase: Purchase) -> dict[str, int]:
        """Adds to the balance; opens the account at first sight."""
        counter.store.add_credits(token, purchase.credits)
        return {"balance": counter.store.balance(token)}

    @app.get("/simulator/account/{token}/arrivals", tags=["simulator"])
    def arrivals(token: str, contract: str, bucket: str) -> list[Arrival]:
        """When the account called, also where it was refused for calling too often."""
        return counter.limits.arrivals(contract, bucket, token)

    @app.get("/simulator/limits", tags=["simulator"])
    def limits() -> list[Limit]:
        return counter.limits.limits

    @app.post("/simulator/limits", tags=["simulator"], responses={400: _NO_JSON})
    def set_limit(limit: Limit) -> list[Limit]:
        """Sets a limit, in place of one of as many seconds."""
        counter.limits.set(limit)
        return counter.limits.limits

    @app.delete("/simulator/limits", tags=["simulator"], status_code=204)
    def clear_limits() -> None:
        """Clears limits and arrivals."""
        counter.limits.clear()

    @app.get("/simulator/faults", tags=["simulator"])
    def waiting_faults() -> list[FaultPlan]:
        return counter.switchboard.plans()

    @app.post("/simulator/faults", tags=["simulator"], responses={400: _NO_JSON})
    def add_fault(plan: FaultPlan) -> list[FaultPlan]:
        """Switches a fault on, behind those that wait already."""
        counter.switchboard.add(plan)
        return counter.switchboard.plans()

    @app.delete("/simulator/faults", tags=["simulator"], status_code=204)
    def clear_faults() -> None:
        """Clears faults and recorded answers that wait."""
        counter.switchboard.clear()

    @app.post("/simulator/replay", tags=["simulator"], responses={400: _NO_JSON})
    def replay(answers: Annotated[list[Replay], Body()]) -> dict[str, int]:
        """Queues recorded answers: each is the whole answer to one of the next calls. Nothing is charged."""
        counter.switchboard.queue(answers)
        return {"waiting": len(counter.switchboard.replays)}
