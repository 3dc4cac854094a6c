"""One deadline for a whole HTTP call: connecting, sending, headers and body.

httpx has time limits for each read alone, so a server that drips headers, answers 1xx for ever, or sends gzip blocks of
nothing, never reaches one. Here each read gets what is left of the call's time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_end: ContextVar[float | None] = ContextVar("end of the HTTP call", default=None)


@contextmanager
def call_ends_within(seconds: float) -> Iterator[None]:
    """Let what a client of `bounded` does here end within so many seconds, and never later than an outer one says.

    What is under way then raises httpx.ReadTimeout, WriteTimeout or ConnectTimeout.
    """
    outer, own = _end.get(), time.monotonic() + seconds
    token = _end.set(own if outer is None else min(own, outer))
    try:
        yield
    finally:
        _end.reset(token)


def bounded(client: httpx.Client) -> httpx.Client:
    """Return the client with connections that keep `call_ends_within`, proxies of the environment included.

    httpx takes a network backend of one's own in no public way, and a transport of one's own would ignore the proxies.
    """
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)
    return client


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    """Seconds for the next step, by its own limit and by what is left of the call's time. Raises `late` without any."""
    end = _end.get()
    if end is None:
        return timeout
    left = end - time.monotonic()
    if left <= 0:
        raise late("the call took too long as a whole")
    return left if timeout is None else min(timeout, left)
