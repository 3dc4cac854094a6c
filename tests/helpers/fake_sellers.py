"""Providers that sell what a test gives them, keep an account, and can be killed: not the process, but all that it does.

`Seller` sells companies; `Finder` also sells contacts, a company's on pages of their own, as People Data Labs does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from lead_mining.exceptions import ProviderCreditsExhausted
from lead_mining.providers.base import (
    Company,
    Contact,
    Exclusions,
    Identity,
    JsonObject,
    Page,
    Preview,
    Provider,
    Query,
)


class Killed(BaseException):
    """As a signal would end it: nothing is caught."""


class Seller(Provider):
    """Sells `companies`, in their order, by reveal id or domain; one credit each. `kill_at`: calls before which, and
    `kill_after`: calls after whose charge the process dies, counted from 1."""

    page_size = 2
    excludes_known = True
    charges = True
    answer_within = 0.05
    calls_at_once = 1

    def __init__(self, name: str, companies: Sequence[JsonObject], credits: int = 1000) -> None:
        self.name, self.companies, self.credits = name, list(companies), credits
        self.calls: list[str | None] = []
        self.charged = 0
        self.kill_at: set[int] = set()
        self.kill_after: set[int] = set()

    def balance(self, fresh: bool = True) -> int | None:
        return self.credits - self.charged

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        return Preview(None, [])

    def check(self) -> str:
        return "It is there."

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        self.calls.append(cursor)
        if len(self.calls) in self.kill_at:
            raise Killed
        page = self._page(query, limit, cursor, exclude)
        if page.charged > self.credits - self.charged:
            raise ProviderCreditsExhausted(f"{self.name} wants to be paid")
        self.charged += page.charged
        if len(self.calls) in self.kill_after:
            raise Killed
        return page

    def _page(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        first = int(cursor or 0)
        known = exclude.known([(each.get("reveal_id"), each.get("domain")) for each in self.companies[first:]])
        left = [at for at, is_known in enumerate(known, first) if not (is_known and self.excludes_known)]
        records = [self.companies[at] for at in left[:limit]]
        more = str(left[limit]) if len(left) > limit else None
        return Page({"data": records}, records, len(records), more)

    def parse(self, record: JsonObject) -> Company:
        return Company.model_validate(record)


class Finder(Seller):
    """`people`: domain to the pages of contacts that it has, each of one record at most, which costs one credit."""

    def __init__(
        self, name: str, companies: Sequence[JsonObject], people: dict[str, list[list[JsonObject]]], credits: int = 1000
    ) -> None:
        super().__init__(name, companies, credits)
        self.people = people

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        at = json.loads(cursor or "{}")
        if owed := at.get("owed"):
            return sum(query.contact_number - number for _, _, number in owed)
        return limit * (1 + query.contact_number)

    def contacts_of(self, query: Query, companies: Sequence[Identity]) -> str | None:
        return self._cursor([[name, domain, 0] for name, domain in companies], None)

    def parse_contact(self, record: JsonObject) -> Contact:
        return Contact(**{field: record.get(field) for field in Contact.model_fields})

    def _page(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        at = json.loads(cursor or "{}")
        if not at.get("owed"):
            page = super()._page(query, limit, at.get("next"), exclude)
            owed = [[each.get("reveal_id"), each.get("domain"), 0] for each in page.records]
            if not query.contact_number or not owed:
                return page
            return Page(page.raw, page.records, page.charged, self._cursor(owed, page.next_cursor), unfinished=True)
        (reveal_id, domain, number), *others = at["owed"]
        pages = self.people.get(domain, [[]])
        records = pages[number]
        if number + 1 < len(pages):
            others = [[reveal_id, domain, number + 1], *others]
        after = self._cursor(others, at["next"]) if others or at["next"] else None
        return Page({"persons": records}, [], len(records), after, {reveal_id: records}, unfinished=bool(others))

    @staticmethod
    def _cursor(owed: list[list[Any]], after: str | None) -> str:
        return json.dumps({"owed": owed, "next": after})


def company(name: str, by: str, **more: Any) -> JsonObject:
    """A company as `by` sells it, with a reveal id of its own."""
    word = name.lower()
    values = {"name": name, "domain": f"{word}.example", "country_code": "DE", "reveal_id": f"{by}-{word}"}
    return values | more


def person(name: str, at: str, **more: Any) -> JsonObject:
    """A CEO at a domain."""
    email = f"{name.lower().replace(' ', '.')}@{at}"
    return {"full_name": name, "email": email, "role": "CEO", "id": f"p-{name}"} | more


class Breaker(Seller):
    """Breaks the contract: what `fetch` returns goes through `spoil`, and each record goes through `read` before `parse`."""

    page_size = 5

    def __init__(self, name: str, companies: Sequence[JsonObject]) -> None:
        super().__init__(name, companies)
        self.spoil: Callable[[Any], Any] = as_it_is
        self.read: Callable[[JsonObject], Any] = as_it_is

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        spoilt: Page = self.spoil(super().fetch(query, limit, cursor, exclude))
        return spoilt

    def parse(self, record: JsonObject) -> Company:
        read = self.read(record)
        return super().parse(read) if isinstance(read, dict) else read


def as_it_is(value: Any) -> Any:
    return value
