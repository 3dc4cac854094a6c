"""Servers that take what people are told: one for mails, one for Slack; each is what an Airflow connection leads to."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails, but for the recipients it `refuses`; calls `on_mail` before it says that it has taken one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[tuple[tuple[str, ...], EmailMessage]] = []
        self.refuses: tuple[str, ...] = ()
        self.on_mail: Callable[[], object] = lambda: None

    @property
    def airflow_connection(self) -> str:
        """A value for AIRFLOW_CONN_SMTP_DEFAULT."""
        extra = {"from_email": "airflow@example.com", "disable_tls": True, "disable_ssl": True, "retry_limit": 0}
        host, port = self.server_address[:2]
        return json.dumps({"conn_type": "smtp", "host": host, "port": port, "extra": extra})


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast("MailServer", self.server)
        to: list[str] = []
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT" and any(address in line for address in server.refuses):
                self.wfile.write(b"550 no such mailbox\r\n")
                continue
            if verb == "RCPT":
                to.append(line.partition("<")[2].rstrip(">"))
            if verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                mail = email.message_from_bytes(text, policy=email.policy.default)
                server.on_mail()
                server.mails.append((tuple(to), mail))
                to = []
            self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


class SlackServer(ThreadingHTTPServer):
    """Takes the posts of Slack's Web API, but for the channels it `refuses`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.posts: list[dict[str, Any]] = []
        self.refuses: tuple[str, ...] = ()

    @property
    def airflow_connection(self) -> str:
        """A value for AIRFLOW_CONN_SLACK_API_DEFAULT."""
        extra = {"base_url": f"http://127.0.0.1:{self.server_address[1]}/api/"}
        return json.dumps({"conn_type": "slack", "password": "xoxb-of-a-test", "extra": extra})


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast("SlackServer", self.server)
        post = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refused = post["channel"] in server.refuses
        if not refused:
            server.posts.append(post)
        answer = json.dumps({"ok": False, "error": "channel_not_found"} if refused else {"ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def running_slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()
