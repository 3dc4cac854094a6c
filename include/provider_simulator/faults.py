"""Faults that can be switched on, to see whether a caller loses anything. README.md says what each does and charges."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Record = dict[str, Any]


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


@dataclass(frozen=True)
class Shape:
    """What the faults must know of a contract's records.

    ``left_out``: paths of the keys that ``missing_keys`` leaves out, one a record, in turn. ``wrong``: what
    ``wrong_types`` puts in place of a record's values. ``kept``: keys that ``hostile`` leaves alone, as without them a
    caller could not tell what it paid for. ``inner``: the key under which a record has them.
    """

    left_out: tuple[tuple[str, ...], ...]
    wrong: Callable[[Record], Record]
    kept: frozenset[str]
    inner: str | None = None


def twice(records: list[Any]) -> list[Any]:
    """The first record once more at the end, in place of the last; of one, two."""
    return records[: max(1, len(records) - 1)] + records[:1]


def disfigure(fault: Fault | None, records: list[Record], shape: Shape) -> list[Record]:
    """The records as a broken provider would send them; the input stays as it is."""
    if fault not in (Fault.MISSING_KEYS, Fault.WRONG_TYPES, Fault.HOSTILE):
        return records
    records = deepcopy(records)
    if fault is Fault.MISSING_KEYS:
        for position, record in enumerate(records):
            _leave_out(record, [*shape.left_out, ()][position % (len(shape.left_out) + 1)])
        return records
    if fault is Fault.WRONG_TYPES:
        for record in records[::2]:
            values = record[shape.inner] if shape.inner else record
            values.update(shape.wrong(values))
        return records
    texts = _hostile_texts()
    return [_poisoned(record, texts[turn % len(texts)], shape.kept) for turn, record in enumerate(records)]


def _leave_out(record: Record, path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        record = record[key]
    for key in path[-1:]:
        del record[key]


def _poisoned(value: Any, text: str, kept: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: inner if key in kept else _poisoned(inner, text, kept) for key, inner in value.items()}
    if isinstance(value, list):
        return [_poisoned(inner, text, kept) for inner in value]
    if isinstance(value, str):
        return text
    if isinstance(value, int):
        return 10**30
    return value


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
