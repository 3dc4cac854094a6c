"""Where every contract sells: one catalogue, one book, the same faults and limits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from provider_simulator.catalogue import Catalogue
from provider_simulator.errors import (
    AccessError,
    InsufficientCreditError,
    ServiceError,
    TooManyCallsError,
    UserError,
)
from provider_simulator.faults import Fault, FaultPlan, Replay, Switchboard
from provider_simulator.limits import Limits
from provider_simulator.search import is_text
from provider_simulator.store import Sale, Store, Till

JSON = "application/json; charset=utf-8"

Sell = Callable[[Till, Fault | None], Sale]
"""Picks what a call delivers, inside the transaction that charges for it. Raises ``ServiceError``."""


class Contract(Protocol):
    """How one provider says things. ``name``: by which its limits are set."""

    name: str

    def delivery(self, sale: Sale, call_id: Any) -> Response:
        """The answer to a call that sold something."""

    def refusal(self, error: ServiceError, call_id: Any) -> Response:
        """The answer to a call that did not."""


@dataclass
class Counter:
    """``tokens``: the account tokens that are accepted; empty: any, each opens its own account."""

    catalogue: Catalogue
    store: Store
    tokens: frozenset[str] = frozenset()
    switchboard: Switchboard = field(default_factory=Switchboard)
    limits: Limits = field(default_factory=Limits)
    _last: dict[tuple[str, str], Any] = field(default_factory=dict)

    def admit(self, token: Any) -> str:
        """Raises ``AccessError`` when there is no token or an unknown one."""
        if not is_text(token) or not token or (self.tokens and token not in self.tokens):
            raise AccessError
        return str(token)

    def enter(self, contract: Contract, bucket: str, token: Any) -> str:
        """The account, where it may call now. Raises ``AccessError``, ``TooManyCallsError``."""
        account = self.admit(token)
        if (seconds := self.limits.enter(contract.name, bucket, account)) is not None:
            raise TooManyCallsError(seconds)
        return account

    async def serve(
        self,
        contract: Contract,
        bucket: str,
        token: Any,
        request: Request,
        asked: Any,
        sell: Sell,
        *,
        call_id: Any = None,
        struck: bool = True,
    ) -> Response:
        """One paid call. ``asked`` is noted in the account's history. ``struck``: by faults and recorded answers."""
        try:
            account = self.enter(contract, bucket, token)
            if struck and (replay := self.switchboard.next_replay()):
                return _replayed(replay, call_id)
            plan = self.switchboard.next_fault() if struck else None
            fault = plan.fault if plan else None
            if plan and (broken := await self._fail_before_sale(plan, request, account, asked)):
                return broken
            sale = await run_in_threadpool(self._sell, account, asked, fault, sell)
        except ServiceError as error:
            return contract.refusal(error, call_id)
        if fault is Fault.CHARGED_THEN_500:
            return Response("Internal Server Error", status_code=500, media_type="text/html")
        response = contract.delivery(sale, call_id)
        if fault is Fault.CUT_OFF:
            return CutOffResponse(bytes(response.body), response.status_code, dict(response.headers))
        return response

    def asked_again(self, till: Till, endpoint: str, asked: Any, fault: Fault | None) -> Any:
        """For contracts that answer the same to the same: under ``repeated_page``, what was asked for last."""
        if fault is Fault.REPEATED_PAGE:
            return self._last.get((till.token, endpoint), asked)
        self._last[till.token, endpoint] = asked
        return asked

    def _sell(self, account: str, asked: Any, fault: Fault | None, sell: Sell) -> Sale:
        try:
            with self.store.till(account) as till:
                sale = sell(till, fault)
                match fault:
                    case Fault.USER_ERROR:
                        raise UserError("Your request cannot be executed now.")
                    case Fault.ACCESS_ERROR:
                        raise AccessError
                    case Fault.INSUFFICIENT_CREDITS:
                        raise InsufficientCreditError(sale.price)
                till.charge(sale.price)
                till.note(asked, sale, fault or "ok")
                return sale
        except ServiceError as error:
            self.store.note(account, asked, error.outcome)
            raise

    async def _fail_before_sale(self, plan: FaultPlan, request: Request, account: str, asked: Any) -> Response | None:
        """The answer of a call that never reaches the books, or ``None`` to go on."""
        match plan.fault:
            case Fault.DELAY:
                await asyncio.sleep(plan.seconds)
                return None
            case Fault.TIMEOUT:
                response = Response("Gateway Timeout", status_code=504, media_type="text/html")
            case Fault.HTTP_429:
                await run_in_threadpool(self.store.note, account, asked, plan.fault)
                raise TooManyCallsError(plan.seconds)
            case Fault.HTTP_500:
                response = Response("Internal Server Error", status_code=500, media_type="text/html")
            case Fault.NOT_JSON:
                response = Response("<html><body>We will be back soon.</body></html>", media_type="text/html")
            case _:
                return None
        await run_in_threadpool(self.store.note, account, asked, plan.fault)
        if plan.fault is Fault.TIMEOUT:
            end = time.monotonic() + plan.seconds
            # That the caller hung up can only be asked, not awaited
            while time.monotonic() < end and not await request.is_disconnected():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return response


class CutOffResponse(Response):
    """Announces the whole body, sends half of it and hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _replayed(replay: Replay, call_id: Any) -> Response:
    body = replay.body
    if isinstance(body, str):
        return Response(body, status_code=replay.http, media_type="text/html")
    if isinstance(body, dict) and "id" in body and call_id is not None:
        body = {**body, "id": call_id}
    return Response(json.dumps(body), status_code=replay.http, media_type=JSON)
