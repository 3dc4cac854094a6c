"""The tests of the package `acme-leads`: the suite of lead mining, on a stand-in for Acme's service.

python -m pytest acme_contract.py
"""

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from acme_leads import PROVIDER

from lead_mining.providers.base import Provider, Query
from lead_mining.providers.connections.base import ConnectionValues
from lead_mining.testing.contract import ProviderContract
from lead_mining.testing.stage import Stage

WORDS = ["Amsel", "Birke", "Cello", "Dachs", "Eiche", "Fuchs", "Ginster", "Hafer", "Igel", "Jasmin", "Kiefer", "Linde"]
COMPANIES = [
    {
        "id": f"a{number}",
        "name": f"{word} Werke",
        "web": f"https://www.{word.lower()}.example",
        "town": "Berlin",
        "staff": 10 * number,
        "country": "FR" if number % 4 == 0 else "DE",
    }
    for number, word in enumerate(WORDS, start=1)
]


class Service(ThreadingHTTPServer):
    """Acme: one account, and what its next answer is spoilt by."""

    daemon_threads = True

    def __init__(self, token: str = "acme-token", credits: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url, self.token, self.credits = f"http://127.0.0.1:{self.server_port}", token, credits
        self.paid: list[int] = []
        self.faults: list[tuple[str, dict[str, Any]]] = []

    def matching(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        least, most = asked["from"] or 0, asked["to"] or 10**9
        return [c for c in COMPANIES if c["country"] in asked["countries"] and least <= int(str(c["staff"])) <= most]

    def handle_error(self, *_: object) -> None:
        """A caller that hangs up is no trouble."""


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.answer(401, "unknown token")
        elif self.path == "/account":
            self.answer(200, {"credits": self.server.credits})
        elif self.path == "/count":
            self.answer(200, {"count": len(self.server.matching(asked))})
        else:
            self.sell(asked)

    def sell(self, asked: dict[str, Any]) -> None:
        fault, plan = self.server.faults.pop(0) if self.server.faults else ("", {})
        if fault == "http_429":
            return self.answer(429, {}, {"Retry-After": str(plan.get("seconds", 1))})
        if fault == "http_500":
            return self.answer(500, {})
        found = self.server.matching(asked)
        start = 0 if fault == "repeated_page" else int(asked["after"] or 0)
        sold = found[start : start + asked["limit"]]
        if len(sold) > self.server.credits:
            return self.answer(402, {})
        if sold:
            self.server.credits -= len(sold)
            self.server.paid.append(len(sold))
        if fault == "wrong_types":
            sold = [company | {"staff": "many"} for company in sold]
        if fault == "hostile":
            sold = [company | {"name": "<script>\x00" * 1000, "web": "javascript:"} for company in sold]
        end = start + len(sold)
        answer = {"companies": sold, "next": str(end) if end < len(found) else None}
        if fault == "charged_then_500":
            return self.answer(500, {})
        return self.answer(200, "no JSON" if fault == "not_json" else answer, cut=fault == "cut_off")

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        sent = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent[: len(sent) // 2] if cut else sent)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def running(**account: Any) -> Iterator[Service]:
    with Service(**account) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield service
        service.shutdown()
        thread.join()


class AcmeStage(Stage):
    provider_type = PROVIDER
    secret = "acme-token"
    faults = frozenset(
        {"http_429", "http_500", "cut_off", "not_json", "charged_then_500", "wrong_types", "hostile", "repeated_page"}
    )
    queries = {
        "few": Query(("DE",)),
        "nothing": Query(("DE",), company_size_min=10_000),
        "country": Query(("FR",)),
        "size": Query(("DE", "FR"), company_size_min=30, company_size_max=80),
        "impossible": Query(("DE",), states=("DE-BE",)),
    }

    def __init__(self, service: Service) -> None:
        self.service = service

    def provider(self) -> Provider:
        return PROVIDER.make(ConnectionValues("acme", host=self.service.url, password=self.service.token))

    def expected(self, query: Query) -> Collection[str]:
        asked = {"countries": query.countries, "from": query.company_size_min, "to": query.company_size_max}
        return {company["web"].removeprefix("https://www.") for company in self.service.matching(asked)}

    def charged(self) -> int:
        return sum(self.service.paid)

    def paid_calls(self) -> int:
        return len(self.service.paid)

    def strike(self, fault: str, **plan: Any) -> None:
        self.service.faults += [(fault, plan)] * plan.get("calls", 1)

    def without_credits(self) -> Provider:
        self.service.credits = 0
        return self.provider()

    def with_bad_token(self) -> Provider:
        return PROVIDER.make(ConnectionValues("acme", host=self.service.url, password="another"))


class TestAcme(ProviderContract):
    @pytest.fixture
    def stage(self) -> Iterator[Stage]:
        with running() as service:
            yield AcmeStage(service)
