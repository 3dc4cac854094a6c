"""Servers that never end, each in a way of its own, over a real socket: a call ends when its time is over."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import httpx
import pytest

from lead_mining import hooks
from lead_mining.exceptions import ProviderUnavailable
from lead_mining.providers import transport
from lead_mining.providers.base import Gate
from lead_mining.providers.transport import answers, call_json, new_client

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _empty_blocks() -> Iterator[bytes]:
    gzip = zlib.compressobj(wbits=31)
    yield gzip.flush(zlib.Z_SYNC_FLUSH)
    while True:
        yield gzip.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff"  # a stored block of nothing


NEVER_ENDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "nothing": lambda: iter(()),
    "a dripped status line": lambda: repeat(b"H"),
    "dripped headers": lambda: chain([OK], repeat(b"X-A: 1\r\n")),
    "one dripped header": lambda: chain([OK, b"X-A: "], repeat(b"a")),
    "endless 1xx": lambda: repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a dripped body": lambda: chain([OK + b"\r\n"], repeat(b" ")),
    "dripped chunks": lambda: chain([OK + b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"1\r\n \r\n")),
    "gzip of empty blocks": lambda: chain([OK + b"Content-Encoding: gzip\r\n\r\n"], _empty_blocks()),
}


@pytest.fixture
def serve() -> Iterator[Callable[[Iterator[bytes]], str]]:
    """Starts a server that answers each connection with these pieces, one every 20 ms, for as long as they are read."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def start(pieces: Iterator[bytes]) -> str:
            def answer() -> None:
                connection, _ = listening.accept()
                with connection:
                    try:
                        connection.recv(65536)
                        for piece in pieces:
                            connection.sendall(piece)
                            time.sleep(0.02)
                        while connection.recv(65536):
                            pass  # until the client has gone
                    except OSError:
                        pass

            threading.Thread(target=answer, daemon=True).start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        yield start


@pytest.fixture(autouse=True)
def half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.5)


@pytest.mark.parametrize("what", NEVER_ENDS)
def test_a_call_ends_in_time_and_may_have_been_charged(serve: Callable[[Iterator[bytes]], str], what: str) -> None:
    url, started = serve(NEVER_ENDS[what]()), time.monotonic()
    with new_client() as client, pytest.raises(ProviderUnavailable, match="did not answer in time") as late:
        call_json(client, "POST", url, secret="a-long-secret", gate=Gate(), bucket="", json={})
    assert late.value.charge == "pending"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("what", ["nothing", "dripped headers", "endless 1xx"])
def test_the_test_of_a_connection_ends_in_time(serve: Callable[[Iterator[bytes]], str], what: str) -> None:
    url, started = serve(NEVER_ENDS[what]()), time.monotonic()
    with new_client() as client, pytest.raises(ProviderUnavailable, match="does not answer"):
        answers(client, url)
    assert time.monotonic() - started < 10


def test_the_test_of_a_connection_in_airflow_ends_in_time_with_all_its_tries(
    serve: Callable[[Iterator[bytes]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 300.0)
    monkeypatch.setattr(hooks, "_TEST_TAKES", 0.5)
    url, started = serve(repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n")), time.monotonic()
    for conn_type in ("odoo_iap", "people_data_labs", "apollo"):
        fields = {"conn_type": conn_type, "host": url, "password": "a-long-secret", "extra": {"dbuuid": "db"}}
        monkeypatch.setenv("AIRFLOW_CONN_HANGS", json.dumps(fields))
        works, why = getattr(hooks, f"Hook_{conn_type}")("hangs").test_connection()
        assert not works, why
    assert time.monotonic() - started < 20


def test_a_proxy_of_the_environment_is_bounded_too(
    serve: Callable[[Iterator[bytes]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", serve(repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n")))
    started = time.monotonic()
    with new_client() as client, pytest.raises(ProviderUnavailable):
        call_json(client, "POST", "https://provider.test", secret="s", gate=Gate(), bucket="", json={})
    assert time.monotonic() - started < 10


def test_a_connection_that_is_used_again_has_the_time_of_each_call(serve: Callable[[Iterator[bytes]], str]) -> None:
    answer = OK + b"Content-Length: 2\r\n\r\n{}"
    url = serve(iter([answer, *[b""] * 40, answer]))  # the second answer comes later than one call's time
    with new_client() as client:
        assert call_json(client, "POST", url, secret="s", gate=Gate(), bucket="", json={}).body == {}
        time.sleep(0.6)
        assert call_json(client, "POST", url, secret="s", gate=Gate(), bucket="", json={}).body == {}
        assert isinstance(client, httpx.Client)
