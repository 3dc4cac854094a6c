"""The calls to People Data Labs: a company search, then for people one person search a company."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Any

import httpx

from lead_mining.exceptions import MalformedAnswer, ProviderCreditsExhausted, ProviderRejected
from lead_mining.plain import logger
from lead_mining.providers.asking import asked_for, id_of, people_steps
from lead_mining.providers.base import (
    Company,
    Contact,
    Exclusions,
    Identity,
    JsonObject,
    Misfit,
    Page,
    Preview,
    Provider,
    Query,
    Rate,
)
from lead_mining.providers.people_data_labs import query as wanted
from lead_mining.providers.people_data_labs import records
from lead_mining.providers.people_data_labs.limits import wait_of
from lead_mining.providers.reading import whole_number
from lead_mining.providers.transport import (
    READ_TIMEOUT,
    Answer,
    call_json,
    check_base_url,
    free_call,
    new_client,
)

_COMPANIES = "/v5/company/search"
_PEOPLE = "/v5/person/search"
_MOST_EXCLUDED = 5000  # known companies that a search is told of
_CAP = 1_000_000  # bytes of an answer
_LONGEST_SCROLL_TOKEN = 10_000

log = logger(__name__)


@dataclass(frozen=True)
class _Owed:
    """A company whose contacts come next: in which step of the roles, and how many it has by then.

    `domain`: where another provider sold the company, whose ids are unknown here.
    """

    reveal_id: str
    domain: str | None = None
    step: int = 0
    found: int = 0


@dataclass(frozen=True)
class _Cursor:
    """`scroll` holds for the query that it came with: `excluded` is a digest of the known companies in that."""

    scroll: str | None = None
    excluded: str = ""
    owed: tuple[_Owed, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        values = json.loads(text) if text else {}
        return cls(**values | {"owed": tuple(_Owed(**one) for one in values.get("owed", ()))})

    def written(self) -> str | None:
        """None where nothing comes after it."""
        return json.dumps(asdict(self)) if self.scroll or self.owed else None


class PeopleDataLabs(Provider):
    """Companies and people of People Data Labs. Each record that comes costs a credit; what finds nothing is free.

    People are bought one company at a time: a search for several could spend all on one of them. Companies that are
    known are left out before they are paid for, the newest 5,000 of them; what is known beyond these is paid for and
    turned down.
    """

    page_size = 50  # more may be longer than an answer can be
    excludes_known = True
    charges = True
    answer_within = READ_TIMEOUT
    calls_at_once = 1
    rates: Mapping[str, tuple[Rate, ...]] = {"search": (Rate(10, 60.0),)}

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        page_size: int = page_size,
        rates: Mapping[str, tuple[Rate, ...]] = rates,
        client: httpx.Client | None = None,
    ) -> None:
        self.name = "people_data_labs"
        self.page_size = page_size
        self.rates = rates
        self._url = check_base_url(base_url)
        self._key = key
        self._client = client or new_client()
        self._credits_left: int | None = None
        self._known: tuple[str, list[Identity]] = ("", [])

    def __repr__(self) -> str:
        return f"PeopleDataLabs({self._url!r})"

    def misfits(self, query: Query) -> Sequence[Misfit]:
        """Of the query's words, those of the table that have none, or only about the same, at the provider."""
        return wanted.WORDS.misfits(query)

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        """A credit a company and contact; where contacts are owed at `cursor`, what these cost."""
        owed = _Cursor.read(cursor).owed
        if owed:
            return sum(query.contact_number - one.found for one in owed)
        return limit * (1 + query.contact_number)

    def balance(self, fresh: bool = True) -> int | None:
        """Credits left, as a search that finds nothing tells them: it is free, but takes a call of the ten a minute."""
        if not fresh and self._credits_left is not None:
            return self._credits_left
        try:
            free_call(lambda: self._search(_COMPANIES, {"query": wanted.nothing(), "size": 1}))
        except ProviderCreditsExhausted:
            return 0
        return self._credits_left

    def preview_costs(self, query: Query) -> int:
        """1: a count comes with a record, and each record costs one."""
        return 1

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """Nothing: no count is free."""
        return Preview(count=None, records=[])

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Buy companies; or, where the contacts of some are owed, those of the first."""
        if not 1 <= limit <= self.page_size:
            raise ValueError(f"limit must be between 1 and {self.page_size}, not {limit}")
        at = _Cursor.read(cursor)
        return self._contacts(query, at) if at.owed else self._companies(query, limit, at, exclude)

    def parse(self, record: JsonObject) -> Company:
        """Read one record of `Page.records`. Raises MalformedRecord."""
        return records.company(record)

    def contacts_of(self, query: Query, companies: Sequence[Identity]) -> str | None:
        """Contacts are found by the domain of their company."""
        domains = {reveal_id or domain: domain for reveal_id, domain in companies if domain}
        return _Cursor(owed=tuple(_Owed(*one) for one in domains.items())).written() if query.contact_number else None

    def parse_contact(self, record: JsonObject) -> Contact:
        """Read one record of `Page.contacts`. Raises MalformedRecord."""
        return records.contact(record)

    def _companies(self, query: Query, limit: int, at: _Cursor, exclude: Exclusions) -> Page:
        digest, known = self._excluded(query, at, exclude)
        scroll = at.scroll if digest == at.excluded else None
        body: JsonObject = {
            "query": wanted.companies(query, known),
            "size": limit,  # without it, it is 1
            "data_include": records.COMPANY_FIELDS,
        }
        answer, found, charged = self._search(_COMPANIES, body | ({"scroll_token": scroll} if scroll else {}))
        ids = [found_id for found_id in map(id_of, found) if found_id] if query.contact_number else []
        after = _Cursor(_scroll_of(answer, scroll, found), digest, tuple(_Owed(one) for one in dict.fromkeys(ids)))
        return Page(
            raw=answer.body,
            records=[asked_for(record, query.industries) for record in found],
            charged=charged,
            next_cursor=after.written(),
            unfinished=bool(after.owed),
        )

    def _contacts(self, query: Query, at: _Cursor) -> Page:
        """Those of the first company that is owed any: of the first step of the roles that finds somebody."""
        steps = people_steps(query)
        (owed, *others) = at.owed
        by_id, by_domain = {"job_company_id": owed.reveal_id}, {"job_company_website": owed.domain}
        company = {"term": by_domain if owed.domain else by_id}
        for step in range(owed.step, len(steps)):
            body = {
                "query": wanted.people(query, company, steps[: step + 1]),
                "size": query.contact_number - owed.found,
                "data_include": records.PERSON_FIELDS,
            }
            answer, found, charged = self._search(_PEOPLE, body)
            if found or charged:
                break
        people = list(map(records.without_private_emails, found))
        owed = replace(owed, step=step + 1, found=owed.found + len(found))
        more = owed.step < len(steps) and owed.found < query.contact_number
        left = (owed, *others) if more else tuple(others)
        after = replace(at, owed=left)
        return Page(
            raw=answer.body | {"data": people} if people else answer.body,
            records=[],
            charged=charged,
            next_cursor=after.written(),
            contacts={owed.reveal_id: [asked_for(person, steps[step]) for person in people]},
            unfinished=bool(after.owed),
        )

    def _excluded(self, query: Query, at: _Cursor, exclude: Exclusions) -> tuple[str, list[Identity]]:
        """The known companies with their digest: those that the search before was told of, if it is known which."""
        if not at.excluded or at.excluded != self._known[0]:
            known = exclude.listed(query.countries, _MOST_EXCLUDED)
            if len(known) >= _MOST_EXCLUDED:
                log.warning(
                    "%s is told of the newest %d known companies only; others are paid for and turned down",
                    self.name,
                    _MOST_EXCLUDED,
                )
            self._known = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16], known
        return self._known

    def _search(self, path: str, body: JsonObject) -> tuple[Answer, list[Any], int]:
        """The answer, its records and what they cost; no records where nothing was found."""
        answer = call_json(
            self._client,
            "POST",
            self._url + path,
            secret=self._key,
            gate=self.gate,
            bucket="search",
            headers={"X-Api-Key": self._key},
            json=body,
            accepted=(HTTPStatus.OK, HTTPStatus.NOT_FOUND),
            cap=_CAP,
            wait_of=wait_of,
        )
        left = whole_number(answer.headers.get("x-totallimit-remaining"))
        self._credits_left = left if left is not None and left >= 0 else None
        found = _records_of(answer, self._url + path)
        charged = whole_number(answer.headers.get("x-call-credits-spent"))
        if charged is None or charged < 0:
            charged = len(found)
        if charged != len(found):
            log.warning("%s charged %d credits for %d records", self.name, charged, len(found))
        return answer, found, charged


def _records_of(answer: Answer, url: str) -> list[Any]:
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == HTTPStatus.NOT_FOUND:
        error = body.get("error")
        if not isinstance(error, dict) or error.get("type") != "not_found":
            raise ProviderRejected(f"{url} answered HTTP 404, not as People Data Labs does: check the base URL")
        return []
    found = body.get("data")
    if not isinstance(found, list):
        raise MalformedAnswer(f"{url} sent an answer without a list `data`")
    return found


def _scroll_of(answer: Answer, before: str | None, found: Sequence[object]) -> str | None:
    token = answer.body.get("scroll_token") if found else None
    usable = isinstance(token, str) and 0 < len(token) <= _LONGEST_SCROLL_TOKEN and token != before
    return token if usable else None
