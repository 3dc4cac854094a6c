"""How often an account may call, and when it did."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, model_validator

BUCKETS = {
    "odoo_iap": ("search",),
    "odoo_dnb": ("search",),
    "people_data_labs": ("search",),
    "apollo": ("companies", "people", "enrich"),
}
"""What is counted together, by contract."""
_KEPT = 10_000  # arrivals of one bucket of an account


class Limit(BaseModel):
    """At most ``calls`` calls of an account in each fixed window of ``seconds``, counted by contract and bucket."""

    model_config = ConfigDict(extra="forbid")

    contract: str = Field(description="; ".join(f"{name}: {', '.join(of)}" for name, of in BUCKETS.items()))
    bucket: str
    calls: int = Field(ge=0)
    seconds: float = Field(gt=0, le=86_400)

    @model_validator(mode="after")
    def _known(self) -> Limit:
        if self.bucket not in BUCKETS.get(self.contract, ()):
            raise ValueError(f"there is no bucket {self.bucket!r} of {self.contract!r}")
        return self


class Arrival(BaseModel):
    """A call that came. ``at``: seconds since 1970."""

    at: float
    refused: bool


@dataclass(frozen=True)
class Window:
    """How much of a limit is used. ``ends``: seconds since 1970."""

    limit: Limit
    used: int
    ends: float


@dataclass
class _Count:
    window: int = -1
    calls: int = 0


@dataclass
class Limits:
    """Off until set: without a limit, arrivals are noted alone. In memory: a restart clears all."""

    limits: list[Limit] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _arrivals: dict[tuple[str, str, str], deque[Arrival]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_KEPT))
    )
    _counts: dict[tuple[str, str, str, float], _Count] = field(default_factory=lambda: defaultdict(_Count))

    def set(self, limit: Limit) -> None:
        """Adds the limit, in place of one of as many seconds."""

        def window(one: Limit) -> tuple[str, str, float]:
            return one.contract, one.bucket, one.seconds

        with self.lock:
            self.limits = [one for one in self.limits if window(one) != window(limit)] + [limit]

    def clear(self) -> None:
        """Forgets limits and arrivals."""
        with self.lock:
            self.limits = []
            self._arrivals.clear()
            self._counts.clear()

    def enter(self, contract: str, bucket: str, account: str) -> float | None:
        """Notes a call, and counts it where it may pass. Else: how many seconds until the window ends."""
        with self.lock:
            now = time.time()
            full = [
                one.ends - now for one in self._windows(contract, bucket, account, now) if one.used >= one.limit.calls
            ]
            self._arrivals[contract, bucket, account].append(Arrival(at=now, refused=bool(full)))
            if full:
                return max(full)
            for limit in self._of(contract, bucket):
                count = self._counts[contract, bucket, account, limit.seconds]
                window = int(now // limit.seconds)
                count.calls = count.calls + 1 if count.window == window else 1
                count.window = window
            return None

    def windows(self, contract: str, bucket: str, account: str) -> list[Window]:
        """What is used of each limit, the shortest first."""
        with self.lock:
            return self._windows(contract, bucket, account, time.time())

    def arrivals(self, contract: str, bucket: str, account: str) -> list[Arrival]:
        """The last calls, the oldest first."""
        with self.lock:
            return list(self._arrivals[contract, bucket, account])

    def _of(self, contract: str, bucket: str) -> list[Limit]:
        found = [one for one in self.limits if (one.contract, one.bucket) == (contract, bucket)]
        return sorted(found, key=lambda one: one.seconds)

    def _windows(self, contract: str, bucket: str, account: str, now: float) -> list[Window]:
        found = []
        for limit in self._of(contract, bucket):
            window = int(now // limit.seconds)
            count = self._counts[contract, bucket, account, limit.seconds]
            used = count.calls if count.window == window else 0
            found.append(Window(limit, used, (window + 1) * limit.seconds))
        return found
