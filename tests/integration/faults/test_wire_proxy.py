"""The proxy itself: who is killed while it sends a call must not leave it waiting."""

from __future__ import annotations

import socket
import threading

from .wire_proxy import Points, http_proxy


def test_a_call_that_is_cut_off_is_not_handed_on() -> None:
    points, ended = Points(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as upstream:  # it never answers

        def cut_off() -> None:
            with http_proxy(f"http://127.0.0.1:{upstream.getsockname()[1]}", points) as url:
                host, _, port = url.removeprefix("http://").partition(":")
                with socket.create_connection((host, int(port))) as client:
                    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
                    client.shutdown(socket.SHUT_WR)
                    client.recv(1)  # until the proxy hangs up
            ended.set()

        threading.Thread(target=cut_off, daemon=True).start()
        assert ended.wait(10), "it waits for an answer to what was not asked"
    assert points.met == []
