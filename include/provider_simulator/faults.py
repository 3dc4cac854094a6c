"""Faults that can be switched on, to see whether a caller loses anything. README.md says what each does and charges."""

from __future__ import annotations

import threading
from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Leads = list[dict[str, Any]]


class Fault(StrEnum):
    """Names of the faults."""

    DELAY = "delay"
    TIMEOUT = "timeout"
    HTTP_429 = "http_429"
    HTTP_500 = "http_500"
    CUT_OFF = "cut_off"
    NOT_JSON = "not_json"
    MISSING_KEYS = "missing_keys"
    WRONG_TYPES = "wrong_types"
    DUPLICATE_COMPANIES = "duplicate_companies"
    REPEATED_PAGE = "repeated_page"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    USER_ERROR = "user_error"
    ACCESS_ERROR = "access_error"
    CREDIT_FLAG = "credit_flag"
    CHARGED_THEN_500 = "charged_then_500"
    HOSTILE = "hostile"


class FaultPlan(BaseModel):
    """When a fault strikes: at the next ``calls`` calls after ``skip`` good ones, or at a ``share`` of all calls."""

    model_config = ConfigDict(extra="forbid")

    fault: Fault
    calls: int | None = Field(default=None, ge=1, description="How many calls it strikes; 1 when share is not given")
    skip: int = Field(default=0, ge=0, description="How many calls pass first")
    share: float | None = Field(default=None, gt=0, le=1, description="Instead of calls: of all calls, until cleared")
    seed: int = Field(default=0, description="For share: which calls it strikes")
    seconds: float = Field(
        default=1.0, ge=0, le=600, description="delay, timeout: how long; http_429: Retry-After, in whole seconds"
    )

    @model_validator(mode="after")
    def _calls_or_share(self) -> FaultPlan:
        if self.share is not None and (self.calls is not None or self.skip):
            raise ValueError("share strikes until it is cleared: leave out calls and skip")
        return self


class Replay(BaseModel):
    """A recorded answer. ``body`` text is sent as it is, anything else as JSON; ``id`` becomes the caller's."""

    model_config = ConfigDict(extra="forbid")

    http: int = Field(default=200, ge=200, le=599, description="HTTP status")
    body: dict[str, Any] | list[Any] | str


@dataclass
class _Active:
    plan: FaultPlan
    left: int
    skip: int
    rng: Random


@dataclass
class Switchboard:
    """Faults and recorded answers that wait for calls. In memory: a restart clears them."""

    active: list[_Active] = field(default_factory=list)
    replays: deque[Replay] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, plan: FaultPlan) -> None:
        with self.lock:
            self.active.append(_Active(plan, plan.calls or 1, plan.skip, Random(plan.seed)))

    def clear(self) -> None:
        with self.lock:
            self.active.clear()
            self.replays.clear()

    def plans(self) -> list[FaultPlan]:
        """What waits, with the calls that are left."""
        with self.lock:
            return [
                one.plan
                if one.plan.share is not None
                else one.plan.model_copy(update={"calls": one.left, "skip": one.skip})
                for one in self.active
            ]

    def queue(self, replays: list[Replay]) -> None:
        with self.lock:
            self.replays.extend(replays)

    def next_replay(self) -> Replay | None:
        with self.lock:
            return self.replays.popleft() if self.replays else None

    def next_fault(self) -> FaultPlan | None:
        """The fault of this call: the oldest plan that is due; each call is counted by one plan only."""
        with self.lock:
            for one in self.active:
                if one.plan.share is not None:
                    if one.rng.random() < one.plan.share:
                        return one.plan
                elif one.skip:
                    one.skip -= 1
                    return None
                else:
                    one.left -= 1
                    if not one.left:
                        self.active.remove(one)
                    return one.plan
            return None


def disfigure(fault: Fault, leads: Leads) -> Leads:
    """The leads as a broken provider would send them; the input stays as it is."""
    leads = deepcopy(leads)
    if fault is Fault.MISSING_KEYS:
        _drop_keys(leads)
    elif fault is Fault.WRONG_TYPES:
        for lead in leads[::2]:
            company = lead["company_data"]
            company.update(employees="many", email="".join(company["email"][:1]), founded_year={})
    elif fault is Fault.HOSTILE:
        texts = _hostile_texts()
        for position, lead in enumerate(leads):
            text = texts[position % len(texts)]
            lead["company_data"] = _poisoned(lead["company_data"], text)
            if "people_data" in lead:
                lead["people_data"] = [_poisoned(person, text) for person in lead["people_data"]]
    return leads


def _drop_keys(leads: Leads) -> None:
    """In turn: without phone, without name, without company_data, whole."""
    for position, lead in enumerate(leads):
        match position % 4:
            case 0:
                del lead["company_data"]["phone"]
            case 1:
                del lead["company_data"]["name"]
            case 2:
                del lead["company_data"]


# Left alone by hostile: without them a caller could not tell which company it paid for.
_KEPT: frozenset[str] = frozenset({"clearbit_id", "country_code", "role", "seniority"})


def _poisoned(record: dict[str, Any], text: str) -> dict[str, Any]:
    def value_of(key: str, value: Any) -> Any:
        if key in _KEPT:
            return value
        if isinstance(value, str):
            return text
        if isinstance(value, list):
            return [text for _ in value]
        if isinstance(value, int):
            return 10**30
        return value

    return {key: value_of(key, value) for key, value in record.items()}


def _hostile_texts() -> list[str]:
    return [
        "<script>alert(document.cookie)</script><img src=x onerror=alert(1)>",
        "'; DROP TABLE crm_lead; --",
        "x" * 100_000,
        "javascript:alert(1)",
        "{{ 7 * 7 }} {% raw %} ${7*7} %(name)s {0.__class__}",
        "\u202eevil\u200b\ufeff\x1b[31m\r\nBcc: everyone@victim.example",
        "nul \x00 byte",
        "half a pair \ud800",
    ]
