"""For tests: the simulator on a free port, in a thread of the test's own process::

with running_simulator(credits=100) as simulator:
    simulator.add_fault("http_500", calls=2)
    ...ask simulator.url...
    assert simulator.account("trial-1")["charged"] == 3
"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from provider_simulator.app import create_app
from provider_simulator.catalogue import Catalogue, Row
from provider_simulator.generate import generate


class Simulator:
    """Handles of a running simulator. ``url`` is the base URL, without a slash at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        # No connection is kept: the server closes idle ones, perhaps at the moment of the next call.
        self.client = httpx.Client(base_url=url, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))

    def add_fault(self, fault: str, **plan: Any) -> None:
        """``plan``: calls, skip, share, seed, seconds; see ``FaultPlan``."""
        self.client.post("/simulator/faults", json={"fault": fault, **plan}).raise_for_status()

    def clear_faults(self) -> None:
        self.client.delete("/simulator/faults").raise_for_status()

    def account(self, token: str) -> dict[str, Any]:
        """``balance``, ``charged`` and ``calls``. Raises ``httpx.HTTPStatusError`` for a token never used."""
        found: dict[str, Any] = self.client.get(f"/simulator/account/{token}").raise_for_status().json()
        return found

    def buy_credits(self, token: str, credits: int) -> None:
        self.client.post(f"/simulator/account/{token}/credits", json={"credits": credits}).raise_for_status()

    def limit(self, contract: str, bucket: str, calls: int, seconds: float) -> None:
        """See ``Limit``."""
        limit = {"contract": contract, "bucket": bucket, "calls": calls, "seconds": seconds}
        self.client.post("/simulator/limits", json=limit).raise_for_status()

    def clear_limits(self) -> None:
        """Clears limits and arrivals."""
        self.client.delete("/simulator/limits").raise_for_status()

    def arrivals(self, token: str, contract: str, bucket: str) -> list[dict[str, Any]]:
        """The account's last calls: ``at``, in seconds since 1970, and ``refused``."""
        asked = {"contract": contract, "bucket": bucket}
        answer = self.client.get(f"/simulator/account/{token}/arrivals", params=asked)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def replay(self, *answers: dict[str, Any]) -> None:
        """Each answer: ``{"http": status, "body": ...}``, like ``iap_response`` of a recording."""
        self.client.post("/simulator/replay", json=list(answers)).raise_for_status()


@cache
def _sample() -> Catalogue:
    return Catalogue.of(generate())


@contextmanager
def running_simulator(
    catalogue: Path | list[Row] | None = None,
    credits: int = 10_000,
    *,
    state: Path | None = None,
    tokens: frozenset[str] = frozenset(),
    quirks: frozenset[str] = frozenset(),
) -> Iterator[Simulator]:
    """``catalogue``: a Parquet file or rows; default: the sample of 6,000. ``state``: default: forgotten at the end."""
    if isinstance(catalogue, Path):
        for_sale = Catalogue.read(catalogue)
    else:
        for_sale = _sample() if catalogue is None else Catalogue.of(catalogue)
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = create_app(
            for_sale, state or Path(scratch, "state.sqlite"), credits=credits, tokens=tokens, quirks=quirks
        )
        config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
        thread.start()
        simulator = Simulator(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            _wait_until_started(server, thread)
            yield simulator
        finally:
            simulator.client.close()
            server.should_exit = True
            thread.join(timeout=10)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    end = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError("The simulator did not start")
        time.sleep(0.005)
