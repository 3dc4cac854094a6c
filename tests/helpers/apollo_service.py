"""Apollo by a transport that answers what a test says, and what it was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import httpx

from lead_mining.providers.apollo import Apollo
from lead_mining.providers.base import Exclusions, Identity, Page, Query

KEY = "s3cret-api-key-of-ours"
US = Query(countries=("US",))
PEOPLE = Query(countries=("US",), contact_number=2, preferred_role="CEO", other_roles=("Marketing",))
COMPANIES, PERSONS = "/mixed_companies/search", "/mixed_people/api_search"
ENRICH, MATCH, BALANCE = "/organizations/bulk_enrich", "/people/bulk_match", "/usage_stats/credit_usage_stats"


class Known(Exclusions):
    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        return [reveal_id in self.ids for reveal_id, _ in companies]


class Service:
    """Gives each path's answers in turn, the last for ever; `calls` are path and arguments of what was asked."""

    def __init__(self, **answers: Any) -> None:
        paths = {"companies": COMPANIES, "people": PERSONS, "enrich": ENRICH, "match": MATCH, "balance": BALANCE}
        self.answers = {
            paths[name]: list(given) if isinstance(given, list) else [given] for name, given in answers.items()
        }
        self.calls: list[tuple[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.provider = Apollo("https://apollo.test", KEY, client=httpx.Client(transport=httpx.MockTransport(self)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/api/v1")
        arguments = json.loads(request.content) if request.content else parse_qsl(request.url.query.decode())
        self.calls.append((path, arguments))
        answers = self.answers[path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def fetch(
        self, query: Query = US, cursor: str | None = None, *, limit: int = 10, known: Exclusions | None = None
    ) -> Page:
        return self.provider.fetch(query, limit, cursor, known or Exclusions())

    def asked(self, path: str) -> list[Any]:
        return [arguments for asked, arguments in self.calls if asked == path]


def organizations(*ids: str, pages: Any = 1, **more: Any) -> dict[str, Any]:
    found = [{"id": one, "primary_domain": f"{one}.test"} for one in ids]
    return {"accounts": [], "organizations": found, "pagination": {"total_pages": pages}} | more


def enriched(*ids: str | None) -> dict[str, Any]:
    return {"organizations": [one and {"id": one, "name": one.upper(), "primary_domain": f"{one}.test"} for one in ids]}


def persons(*people: tuple[str, str], **more: Any) -> dict[str, Any]:
    listed = [
        {"id": id_, "first_name": "Jo", "last_name_obfuscated": "Ex***e", "title": title, "has_email": True} | more
        for id_, title in people
    ]
    return {"total_entries": len(listed), "people": listed}


def matches(*ids: str | None, **more: Any) -> dict[str, Any]:
    return {
        "matches": [
            one and {"id": one, "name": f"Jo {one}", "title": "CEO", "email": f"{one}@a.test"} | more for one in ids
        ]
    }


def refusal(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def bought(service: Service, query: Query = US, *, limit: int = 10, known: Exclusions | None = None) -> list[Page]:
    """All pages up to the first that is whole."""
    pages = [service.fetch(query, limit=limit, known=known)]
    while pages[-1].unfinished:
        pages.append(service.fetch(query, pages[-1].next_cursor, limit=limit, known=known))
    return pages
