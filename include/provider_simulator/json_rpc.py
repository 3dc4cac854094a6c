"""Odoo's JSON-RPC 2.0, which both of its contracts speak: errors of the service come with HTTP status 200."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from provider_simulator import wire
from provider_simulator.counter import JSON
from provider_simulator.errors import ServiceError, TooManyCallsError
from provider_simulator.store import Sale

NOT_JSON = "Invalid JSON data"


@dataclass
class JsonRpc:
    """One of the two contracts."""

    name: str
    prefix: str

    def delivery(self, sale: Sale, call_id: Any) -> Response:
        return Response(wire.answer(call_id, sale.answer), media_type=JSON)

    def refusal(self, error: ServiceError, call_id: Any) -> Response:
        if isinstance(error, TooManyCallsError):
            after = {"Retry-After": str(math.ceil(error.seconds))}
            return Response("Too Many Requests", status_code=429, headers=after, media_type="text/html")
        return Response(wire.answer(call_id, error), media_type=JSON)


async def call_of(request: Request) -> tuple[Any, dict[str, Any]] | None:
    """Id and params of the call; ``None`` where the body is no JSON object."""
    try:
        call = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict):
        return None
    params = call.get("params")
    return call.get("id"), params if isinstance(params, dict) else {}


def not_json() -> Response:
    return Response(NOT_JSON, status_code=400, media_type="text/html")


def json_rpc_body(params: dict[str, Any]) -> dict[str, Any]:
    """For the OpenAPI page: an example of a call."""
    example = {"jsonrpc": "2.0", "method": "call", "params": params, "id": "1"}
    return {"requestBody": {"required": True, "content": {"application/json": {"example": example}}}}
