"""People Data Labs by a transport that answers what a test says, and what it was asked."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import httpx

from lead_mining.providers.base import Exclusions, Identity, Page, Query
from lead_mining.providers.people_data_labs import PeopleDataLabs

KEY = "s3cret-api-key-of-ours"
US = Query(countries=("US",))
PEOPLE = Query(countries=("US",), contact_number=3, preferred_role="CEO", other_roles=("Marketing", "Sale"))
NOTHING = {"status": 404, "error": {"type": "not_found", "message": "No records were found"}}


class Known(Exclusions):
    def __init__(self, *companies: Identity) -> None:
        self.companies = list(companies)

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        return self.companies[:most]


class Service:
    """Gives the answers in turn, the last for ever; `calls` are what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[httpx.Request] = []
        self.provider = PeopleDataLabs(
            "https://pdl.test", KEY, client=httpx.Client(transport=httpx.MockTransport(self))
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(call.content) for call in self.calls]

    def fetch(
        self, query: Query = US, cursor: str | None = None, *, limit: int = 3, known: Exclusions | None = None
    ) -> Page:
        return self.provider.fetch(query, limit, cursor, known or Exclusions())


def found(*records: Any, scroll: Any = None) -> dict[str, Any]:
    return {"status": 200, "data": list(records), "total": len(records), "scroll_token": scroll}


def companies(*ids: str) -> list[dict[str, Any]]:
    return [{"id": one, "display_name": one.upper(), "website": f"{one}.test"} for one in ids]


def person(id_: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "full_name": f"jo {id_}"} | values


def told(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def filters(service: Service, call: int = -1) -> list[Any]:
    clauses: list[Any] = service.bodies[call]["query"]["bool"]["filter"]
    return clauses


def drain(service: Service, query: Query = PEOPLE) -> tuple[list[Page], dict[str, list[Any]]]:
    """All pages up to the first that is whole, and the contacts of each company."""
    pages = [service.fetch(query)]
    contacts: dict[str, list[Any]] = {}
    while pages[-1].unfinished:
        pages.append(service.fetch(query, pages[-1].next_cursor, limit=1))
        for company, people in pages[-1].contacts.items():
            contacts.setdefault(company, []).extend(people)
    return pages, contacts
