"""What a provider's tests give the suite, and how it buys: as the pipeline does, without a database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    MalformedRecord,
    ProviderAccessDenied,
    ProviderBusy,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.base import Company, Exclusions, Gate, Identity, Page, Provider, Query
from lead_mining.providers.connections.base import ProviderType

_ENDLESS = 200  # fetches, far more than any of the suite's queries needs

ERRORS: dict[str, type[ProviderError]] = {
    "http_429": ProviderUnavailable,
    "http_500": ProviderUnavailable,
    "cut_off": ProviderUnavailable,
    "charged_then_500": ProviderUnavailable,
    "not_json": MalformedAnswer,
    "user_error": ProviderRejected,
    "access_error": ProviderAccessDenied,
    "insufficient_credits": ProviderCreditsExhausted,
    "credit_flag": ProviderCreditsExhausted,
}
"""What a call that goes wrong so must raise."""

BAD_PAGES = ("missing_keys", "wrong_types", "hostile", "duplicate_companies", "repeated_page")
"""What the call brings all the same; bad records are refused one by one."""


class Stage(ABC):
    """A provider, an account of the test's own, and the service or its stand-in behind it. To inherit from.

    Only `queries`, `provider` and `expected` must be there. What else a stage cannot do is skipped, and says so.
    `queries`, by what they are for: `few` (4 to 40 companies), `nothing`, and, to compare with `expected`, `country`,
    `state`, `industry`, `size`; where it sells contacts `roles` (with a preferred one, and others) and `seniority`;
    `impossible` for one that the provider cannot do.
    """

    queries: Mapping[str, Query]
    provider_type: ProviderType | None = None
    secret: str | None = None
    """What must stand in no raw page and no error."""
    calls_a_service: bool = True
    faults: frozenset[str] = frozenset()
    """Those that `strike` knows, of ERRORS and BAD_PAGES."""

    def query(self, name: str) -> Query:
        return self.queries.get(name) or self.cannot(f"has no query for {name!r}")

    @abstractmethod
    def provider(self) -> Provider:
        """A new object for the same account, as another process would have it."""

    @abstractmethod
    def expected(self, query: Query) -> Collection[str]:
        """Domains of all companies that match, from another source than the provider."""

    def charged(self) -> int:
        """Credits that the account was charged, by the service's own books."""
        return 0

    def paid_calls(self) -> int:
        """How many calls the account was charged for, by the service's own books."""
        return 0

    def strike(self, fault: str, **plan: Any) -> None:
        """Let the next call go wrong. `plan`: `calls`, `seconds` (of Retry-After)."""
        self.cannot(f"has no fault {fault!r}")

    def without_credits(self) -> Provider:
        """The provider with an account that has none."""
        self.cannot("charges nothing")

    def with_bad_token(self) -> Provider:
        """The provider with a token that the service does not know."""
        self.cannot("needs no token")

    def cannot(self, why: str) -> NoReturn:
        pytest.skip(why)


@dataclass
class Bought:
    """What came in the end: companies by reveal id or domain, with contacts that came later."""

    companies: dict[str, Company] = field(default_factory=dict)
    contacts_of_others: dict[str, int] = field(default_factory=dict)
    records: int = 0
    refused: int = 0
    charged: int = 0

    @property
    def domains(self) -> set[str | None]:
        return {company.domain for company in self.companies.values()}


def fetches(
    open_provider: Callable[[], Provider],
    query: Query,
    number: int,
    bought: Bought,
    *,
    exclude: Exclusions | None = None,
    at_once: int = 1000,
    cursor: str | None = None,
) -> Iterator[Page]:
    """Buy `number` companies into `bought`, fetch by fetch, at most `at_once` in each, as the pipeline does.

    `open_provider` is called for each fetch. Fails where there is no end to it.
    """
    unfinished = cursor is not None
    for _ in range(_ENDLESS):
        missing = number - len(bought.companies)
        if missing <= 0 and not unfinished:
            return
        provider = open_provider()
        page = provider.fetch(query, max(1, min(missing, at_once, provider.page_size)), cursor, exclude or Exclusions())
        before = len(bought.companies)
        _take(provider, page, bought)
        yield page
        cursor, unfinished = page.next_cursor, page.unfinished
        if cursor is None or (not unfinished and len(bought.companies) == before):
            return
    pytest.fail(f"there is no end after {_ENDLESS} fetches")


def drain(open_provider: Callable[[], Provider], query: Query, number: int, **how: Any) -> Bought:
    """All that `fetches` brings."""
    bought = Bought()
    for _ in fetches(open_provider, query, number, bought, **how):
        pass
    return bought


def _take(provider: Provider, page: Page, bought: Bought) -> None:
    bought.charged += page.charged
    bought.records += len(page.records)
    for record in page.records:
        try:
            company = provider.parse(record)
        except MalformedRecord:
            bought.refused += 1
        else:
            bought.companies.setdefault(company.reveal_id or company.domain or f"no. {bought.records}", company)
    for reveal_id, records in page.contacts.items():
        contacts = tuple(provider.parse_contact(record) for record in records)
        if company := bought.companies.get(reveal_id):  # type: ignore[assignment]
            later = company.model_copy(update={"contacts": (*company.contacts, *contacts)})
            bought.companies[reveal_id] = later
        else:
            bought.contacts_of_others[reveal_id] = bought.contacts_of_others.get(reveal_id, 0) + len(contacts)


class Known(Exclusions):
    """Companies that are known."""

    def __init__(self, companies: Collection[Company]) -> None:
        self._companies = list(companies)
        self._ids = {company.reveal_id for company in companies} - {None}
        self._domains = {company.domain for company in companies} - {None}

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        return [reveal_id in self._ids or domain in self._domains for reveal_id, domain in companies]

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        found = [c for c in self._companies if c.country_code is None or c.country_code in countries]
        return [(company.reveal_id, company.domain) for company in found[:most]]


class GateSpy(Gate):
    """Notes who enters and what is told; `shut`: lets nobody in."""

    def __init__(self, *, shut: ProviderBusy | None = None) -> None:
        self._shut = shut
        self.entered: list[str] = []
        self.told: list[tuple[str, bool, float | None]] = []

    def enter(self, bucket: str) -> None:
        if self._shut:
            raise self._shut
        assert len(self.entered) == len(self.told), "a call enters when the one before has told"
        self.entered.append(bucket)

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.told.append((bucket, failed, wait))
