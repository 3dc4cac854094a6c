"""TCP proxies that count each point at which a process hands work over or waits for an answer, and strike at one.

One counter serves the proxy before PostgreSQL and the one before the provider, so that numbers are in the order in
which a run meets the points. What is counted is statements and HTTP calls, never packets: two equal runs meet equal
points. A proxy takes turns: one batch of the client's, then the whole answer of the server's.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import BinaryIO, Literal

import h11
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Side = Literal["before", "after"]

_ASKS_THE_CLIENT = {3, 5, 7, 8, 10, 11}  # authentication: password, MD5, GSS, GSS goes on, SASL, SASL goes on
_READ_AT_ONCE = 65536


@dataclass(frozen=True)
class Point:
    """`before`: the server has not got it yet; `after`: the client has not got the answer yet."""

    step: str
    side: Side
    what: str
    """The statement's first 80 characters, or method and path."""
    irrevocable: bool
    """A transaction or an HTTP call ends here: what is done is done for others too."""

    def __str__(self) -> str:
        return f"{self.step}, {self.side} {self.what}"


class Struck(Exception):
    """The chosen point was met, and `strike` was called."""


class Points:
    """All points that were met, in order. At the one of number `strike_at`, from 1, `strike` is called."""

    def __init__(self, strike_at: int | None = None, strike: Callable[[], None] = lambda: None) -> None:
        self.met: list[Point] = []
        self.step = ""
        self._strike_at, self._strike = strike_at, strike
        self._lock = threading.Lock()

    def meet(self, side: Side, what: str, *, irrevocable: bool) -> None:
        """Raises Struck at the chosen point."""
        with self._lock:
            self.met.append(Point(self.step, side, what, irrevocable))
            if len(self.met) == self._strike_at:
                self._strike()
                raise Struck


@contextmanager
def postgres_proxy(dsn: str, points: Points) -> Iterator[str]:
    """The dsn that leads to the same database through a proxy. A session's application_name is the step's name."""
    target = conninfo_to_dict(dsn)
    upstream = (str(target["host"]), int(target["port"] or 5432))

    def relay(client: socket.socket) -> None:
        with _connected(upstream) as server:
            _PostgresSession(client, server, points).relay()

    with _listening(relay) as port:
        yield make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")


@contextmanager
def http_proxy(url: str, points: Points) -> Iterator[str]:
    """The base URL that leads to the server at `url`, http://host:port, through a proxy."""
    host, _, port = url.removeprefix("http://").partition(":")

    def relay(client: socket.socket) -> None:
        while _relay_call(client, (host, int(port)), points):
            pass

    with _listening(relay) as own_port:
        yield f"http://127.0.0.1:{own_port}"


@contextmanager
def _listening(relay: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port on which each connection is relayed in a thread. At the end all of these have ended."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(Struck, EOFError, OSError):  # whatever ends it, both connections are closed
                relay(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="proxy")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _connected(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class _PostgresSession:
    """One session of protocol 3: messages are kept back until one comes that the server answers."""

    def __init__(self, client: socket.socket, server: socket.socket, points: Points) -> None:
        self._client, self._server, self._points = client, server, points
        self._from_client, self._from_server = client.makefile("rb"), server.makefile("rb")
        self._prepared: dict[bytes, str] = {}
        self._in_transaction = False
        self._copy_ends_with = b""

    def relay(self) -> None:
        """Until one side hangs up. Raises EOFError, OSError or Struck then."""
        self._log_in()
        while True:
            batch, texts = bytearray(), []
            while True:
                kind, message = _message(self._from_client)
                batch += message
                texts += self._texts(kind, message)
                if kind == b"X":
                    self._server.sendall(batch)
                    return
                if kind in (self._copy_ends_with or b"QS"):
                    break
            self._exchange(kind, bytes(batch), "; ".join(texts) or "end of COPY")

    def _log_in(self) -> None:
        length = _exactly(self._from_client, 4)
        start = length + _exactly(self._from_client, int.from_bytes(length) - 4)
        fields = start[8:].split(b"\0")
        self._points.step = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"application_name", b"").decode()
        self._server.sendall(start)
        kind = b""
        while kind != b"Z":
            kind, message = _message(self._from_server)
            self._client.sendall(message)
            if kind == b"R" and int.from_bytes(message[5:9]) in _ASKS_THE_CLIENT:
                self._server.sendall(_message(self._from_client)[1])

    def _texts(self, kind: bytes, message: bytes) -> list[str]:
        """The SQL that a message makes the server run."""
        if kind == b"Q":
            return [message[5:-1].decode()]
        if kind == b"P":
            name, text, _ = message[5:].split(b"\0", 2)
            self._prepared[name] = text.decode()
            return [f"PREPARE {text.decode()}"] if name else []
        if kind == b"B":
            return [self._prepared[message[5:].split(b"\0", 2)[1]]]
        return []

    def _exchange(self, kind: bytes, batch: bytes, text: str) -> None:
        text = " ".join(text.split())[:80]
        alone = not self._in_transaction and not text.startswith(("BEGIN", "SELECT", "PREPARE", "COPY"))
        irrevocable = alone or text in ("COMMIT", "ROLLBACK")
        self._points.meet("before", text, irrevocable=irrevocable)
        self._server.sendall(batch)
        answer = bytearray()
        answered = b""
        try:
            while answered not in (b"Z", b"G"):
                answered, message = _message(self._from_server)
                answer += message
        except EOFError:
            self._client.sendall(answer)  # why the server ended the session
            raise
        if answered == b"Z":
            self._in_transaction = message[5:6] != b"I"
            self._copy_ends_with = b""
        else:  # in the extended protocol the server waits for the Sync that follows the end of the data
            self._copy_ends_with = b"cf" if kind == b"Q" else b"S"
        self._points.meet("after", text, irrevocable=irrevocable)
        self._client.sendall(answer)


def _message(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Type and the whole of the next message."""
    head = _exactly(stream, 5)
    return head[:1], head + _exactly(stream, int.from_bytes(head[1:]) - 4)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _relay_call(client: socket.socket, upstream: tuple[str, int], points: Points) -> bool:
    """One request and its answer, byte by byte as they are; whether another request may come."""
    asker = h11.Connection(h11.SERVER)
    request, raw, _ = _read_http(client, asker)
    if not isinstance(request, h11.Request) or asker.their_state not in (h11.DONE, h11.MUST_CLOSE):
        return False  # killed while it sent: the server would wait for the rest for ever
    what = f"{request.method.decode()} {request.target.decode()}"[:80]
    points.meet("before", what, irrevocable=True)
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=request.method, target=request.target, headers=[("Host", "proxied")]))
    with _connected(upstream) as server:  # anew each time: the server closes idle ones when it likes
        server.sendall(raw)
        _, answer, whole = _read_http(server, reader)
    points.meet("after", what, irrevocable=True)
    client.sendall(answer)
    return whole


def _read_http(connection: socket.socket, reader: h11.Connection) -> tuple[object, bytes, bool]:
    """Request or response line with headers (None: hung up before), all bytes, and whether it came whole."""
    raw, first = bytearray(), None
    try:
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = connection.recv(_READ_AT_ONCE)
                raw += data
                reader.receive_data(data)
            elif isinstance(event, h11.Request | h11.Response):
                first = event
            elif isinstance(event, h11.EndOfMessage):
                return first, bytes(raw), reader.their_state is h11.DONE
            elif isinstance(event, h11.ConnectionClosed):
                return first, bytes(raw), False
    except h11.RemoteProtocolError:  # cut off
        return first, bytes(raw), False
