"""Odoo's JSON-RPC 2.0, which both of its contracts speak: errors of the service come with HTTP status 200."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel

from provider_simulator import wire
from provider_simulator.counter import JSON
from provider_simulator.errors import ServiceError, TooManyCallsError
from provider_simulator.search import MAX_LEADS
from provider_simulator.store import Sale


@dataclass
class JsonRpc:
    """One of the two contracts."""

    name: str

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
    return Response("Invalid JSON data", status_code=400, media_type="text/html")


class Answer(BaseModel):
    """A result, or an error of the service with the name of Odoo's exception in ``data``."""

    jsonrpc: Literal["2.0"]
    id: Any
    result: dict[str, Any] | int | None = None
    error: dict[str, Any] | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Answer},
    400: {"content": {"text/html": {}}, "description": "The body is no JSON object"},
    429: {"content": {"text/html": {}}, "description": "Too many calls; Retry-After says for how many seconds"},
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
FILTER: dict[str, Any] = {
    "lead_number": {"type": "integer", "minimum": 1, "maximum": MAX_LEADS},
    "search_type": {"enum": ["companies", "people"]},
    "countries": {
        "type": "array",
        "items": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}, "states": _TEXTS}},
    },
    "company_size_min": {"type": "integer", "minimum": 0},
    "company_size_max": {"type": "integer", "minimum": 0},
    "contact_number": {"type": "integer", "minimum": 1},
    "contact_filter_type": {"enum": ["role", "seniority"]},
    "preferred_role": {"type": ["string", "boolean"]},
    "other_roles": _TEXTS,
    "seniority": {"type": ["string", "boolean"]},
}
"""JSON schemas of what a search may hold in both contracts."""


def body_of(properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """For the OpenAPI document: the body of a call, with the JSON schemas of its params."""
    params = {"type": "object", "required": ["account_token"], "properties": properties}
    schema = {
        "type": "object",
        "required": ["jsonrpc", "method", "params"],
        "properties": {"jsonrpc": {"const": "2.0"}, "method": {"const": "call"}, "params": params, "id": {}},
    }
    call = {"jsonrpc": "2.0", "method": "call", "params": example, "id": "1"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": call}}}}
