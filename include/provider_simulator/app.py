"""The HTTP service: Odoo 17's lead mining endpoint, and /simulator/... to watch it and to break it. See README.md."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from provider_simulator import wire
from provider_simulator.catalogue import Catalogue
from provider_simulator.errors import ServiceError
from provider_simulator.faults import Fault, FaultPlan, Replay, Switchboard
from provider_simulator.service import Service
from provider_simulator.store import Store

ENDPOINT = "/iap/clearbit/2/lead_mining_request"
BALANCE_ENDPOINT = "/iap/1/balance"
JSON = "application/json; charset=utf-8"


class Purchase(BaseModel):
    """Credits bought from the provider."""

    credits: int = Field(ge=1, le=1_000_000_000)


class CutOffResponse(Response):
    """Announces the whole body, sends half of it and hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def create_app(
    catalogue: Catalogue, state: Path, *, credits: int = 10_000, tokens: frozenset[str] = frozenset()
) -> FastAPI:
    """``state``: the SQLite file of the books. ``credits``: of a new account. ``tokens``: empty accepts any."""
    service = Service(catalogue, Store(state, credits), tokens)
    switchboard = Switchboard()
    app = FastAPI(title="Lead provider simulator", description=(__doc__ or ""), version="1")
    _add_service(app, service, switchboard)
    _add_controls(app, service, switchboard)
    return app


def _add_service(app: FastAPI, service: Service, switchboard: Switchboard) -> None:
    @app.post(ENDPOINT, tags=["IAP"], openapi_extra=_REQUEST_BODY)
    async def lead_mining_request(request: Request) -> Response:
        """JSON-RPC 2.0. Errors of the service come with HTTP status 200, as from Odoo."""
        call = await _call_of(request)
        if call is None:
            return _not_json()
        call_id, params = call.get("id"), call.get("params")
        if replay := switchboard.next_replay():
            return _replayed(replay, call_id)
        plan = switchboard.next_fault()
        fault = plan.fault if plan else None
        try:
            if plan and (broken := await _fail_before_sale(plan, request, service, params)):
                return broken
            result = await run_in_threadpool(service.mine, params, fault)
        except ServiceError as error:
            return Response(wire.answer(call_id, error), media_type=JSON)
        if fault is Fault.CHARGED_THEN_500:
            return Response("Internal Server Error", status_code=500, media_type="text/html")
        kind = CutOffResponse if fault is Fault.CUT_OFF else Response
        return kind(wire.answer(call_id, result), media_type=JSON)

    @app.post(BALANCE_ENDPOINT, tags=["IAP"])
    async def balance(request: Request) -> Response:
        """JSON-RPC 2.0: the credits left in the account. Free, and not struck by faults."""
        call = await _call_of(request)
        if call is None:
            return _not_json()
        try:
            content: int | ServiceError = await run_in_threadpool(service.balance, call.get("params"))
        except ServiceError as error:
            content = error
        return Response(wire.answer(call.get("id"), content), media_type=JSON)


async def _call_of(request: Request) -> dict[str, Any] | None:
    try:
        call = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return call if isinstance(call, dict) else None


def _not_json() -> Response:
    return Response("Invalid JSON data", status_code=400, media_type="text/html")


async def _fail_before_sale(plan: FaultPlan, request: Request, service: Service, params: Any) -> Response | None:
    """The answer of a call that never reaches the books, or ``None`` to go on."""
    match plan.fault:
        case Fault.DELAY:
            await asyncio.sleep(plan.seconds)
            return None
        case Fault.TIMEOUT:
            response = Response("Gateway Timeout", status_code=504, media_type="text/html")
        case Fault.HTTP_429:
            after = {"Retry-After": str(math.ceil(plan.seconds))}
            response = Response("Too Many Requests", status_code=429, headers=after, media_type="text/html")
        case Fault.HTTP_500:
            response = Response("Internal Server Error", status_code=500, media_type="text/html")
        case Fault.NOT_JSON:
            response = Response("<html><body>We will be back soon.</body></html>", media_type="text/html")
        case _:
            return None
    await run_in_threadpool(service.note_failure, params, plan.fault)
    if plan.fault is Fault.TIMEOUT:
        end = time.monotonic() + plan.seconds
        # That the caller hung up can only be asked, not awaited
        while time.monotonic() < end and not await request.is_disconnected():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return response


def _replayed(replay: Replay, call_id: Any) -> Response:
    body = replay.body
    if isinstance(body, str):
        return Response(body, status_code=replay.http, media_type="text/html")
    if isinstance(body, dict) and "id" in body:
        body = {**body, "id": call_id}
    return Response(json.dumps(body), status_code=replay.http, media_type=JSON)


def _add_controls(app: FastAPI, service: Service, switchboard: Switchboard) -> None:
    @app.get("/health", tags=["simulator"])
    def health() -> dict[str, Any]:
        return {"status": "ok", "companies": len(service.catalogue)}

    @app.get("/simulator/account/{token}", tags=["simulator"])
    def account(token: str) -> dict[str, Any]:
        """Balance, credits charged in all, and every call: number, time, filter, delivered, charged, outcome."""
        found = service.store.account(token)
        if found is None:
            raise HTTPException(404, "No call was made with this token yet")
        return found

    @app.post("/simulator/account/{token}/credits", tags=["simulator"])
    def buy_credits(token: str, purchase: Purchase) -> dict[str, Any]:
        """Adds to the balance; opens the account at first sight."""
        service.store.add_credits(token, purchase.credits)
        return service.store.account(token) or {}

    @app.get("/simulator/faults", tags=["simulator"])
    def waiting_faults() -> list[FaultPlan]:
        return switchboard.plans()

    @app.post("/simulator/faults", tags=["simulator"])
    def add_fault(plan: FaultPlan) -> list[FaultPlan]:
        """Switches a fault on, behind those that wait already."""
        switchboard.add(plan)
        return switchboard.plans()

    @app.delete("/simulator/faults", tags=["simulator"], status_code=204)
    def clear_faults() -> None:
        """Clears faults and recorded answers that wait."""
        switchboard.clear()

    @app.post("/simulator/replay", tags=["simulator"])
    def replay(answers: Annotated[list[Replay], Body()]) -> dict[str, int]:
        """Queues recorded answers: each is the whole answer to one of the next calls. Nothing is charged."""
        switchboard.queue(answers)
        return {"waiting": len(switchboard.replays)}


_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "example": {
                    "jsonrpc": "2.0",
                    "method": "call",
                    "params": {
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
                    },
                    "id": "1",
                }
            }
        },
    }
}
