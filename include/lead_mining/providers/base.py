"""What a provider is, and the plain data it takes and gives: Query, Company, Contact, Page, Preview.

These types are the only thing other rooms may import from `providers`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

JsonObject = dict[str, Any]

MOST_CALLS_AT_ONCE: Final = 8
"""Of one run: as many slots as lead_mining.provider_call has."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


class Contact(_Record):
    """A person at a company, as the provider gave it. `role` and `seniority` are the provider's ids."""

    full_name: str | None = None
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    role: str | None = None
    seniority: str | None = None


class Company(_Record):
    """A company, as the provider gave it: raw values, trimmed, never corrected.

    `domain` has no scheme and no `www.`; `street` is the full address line; `state_code` is the provider's code
    (`CA`); `employees` counts people; `annual_revenue` and `market_cap` are US dollars a year. Social fields are
    handles, not URLs.
    """

    reveal_id: str | None = None
    name: str | None = None
    legal_name: str | None = None
    domain: str | None = None
    description: str | None = None
    company_type: str | None = None
    founded_year: int | None = None
    logo: str | None = None
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    street: str | None = None
    city: str | None = None
    zip: str | None = None
    state_code: str | None = None
    country_code: str | None = None
    timezone: str | None = None
    timezone_url: str | None = None
    employees: int | None = None
    estimated_annual_revenue: str | None = None
    annual_revenue: float | None = None
    market_cap: float | None = None
    sector_primary: str | None = None
    sector: str | None = None
    industry_group: str | None = None
    industry: str | None = None
    sub_industry: str | None = None
    tags: tuple[str, ...] = ()
    technologies: tuple[str, ...] = ()
    facebook: str | None = None
    linkedin: str | None = None
    crunchbase: str | None = None
    twitter: str | None = None
    twitter_bio: str | None = None
    twitter_followers: int | None = None
    contacts: tuple[Contact, ...] = Field(default=())

    def without_contacts(self, indexes: Collection[int]) -> Company:
        """The company without those of its contacts, counted from 0."""
        left = tuple(contact for index, contact in enumerate(self.contacts) if index not in indexes)
        return self.model_copy(update={"contacts": left})


@dataclass(frozen=True)
class Query:
    """What is asked of a provider, in the vocabulary's words. `states` are ISO 3166-2 codes.

    `contact_number` 0 means companies alone. Empty tuples mean no filter. Sizes are None where there is no size filter.
    """

    countries: tuple[str, ...]
    states: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    company_size_min: int | None = None
    company_size_max: int | None = None
    contact_number: int = 0
    contact_filter_type: Literal["role", "seniority"] = "role"
    preferred_role: str | None = None
    other_roles: tuple[str, ...] = ()
    seniority: str | None = None


@dataclass(frozen=True)
class Misfit:
    """A part of a query that a provider cannot do.

    `field`: the request's. `roughly`: it does something near it, `why` says what, and the request may run; else it may
    not, and `why` says what to do.
    """

    field: str
    value: str
    why: str
    roughly: bool = False


Identity = tuple[str | None, str | None]
"""By what a company is known: its reveal id, and its domain as Company has it."""


class Exclusions:
    """Companies that are known already: here none. Providers that can, leave them out before charging.

    They may be millions, so a provider asks about those that it is about to sell, some hundreds at a time.
    """

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        """Whether each of these is known."""
        return [False] * len(companies)

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        """At most `most` known companies of these countries, the newest first, for providers that must be told them."""
        return []


@dataclass(frozen=True)
class Page:
    """One answer of a provider.

    `raw`: the answer as received (JSON), without any secret. `records`: its companies, still raw, for `parse`.
    `charged`: credits the provider took. `next_cursor`: where to go on; None when there is no more.
    `contacts`: of companies that came on earlier pages, by reveal id, still raw, for `parse_contact`; an empty list
    says that they were looked for and none was found. `unfinished`: what was bought is not whole yet, so go on at
    `next_cursor` even if there are companies enough.
    """

    raw: Any
    records: list[JsonObject]
    charged: int
    next_cursor: str | None
    contacts: Mapping[str, Sequence[JsonObject]] = field(default_factory=dict)
    unfinished: bool = False


@dataclass(frozen=True)
class Preview:
    """What a query would find. What the provider does not tell free stays None, or without records.

    `count`: companies. `people`: where it counts these free, and companies not.
    """

    count: int | None
    records: list[JsonObject]
    people: int | None = None


@dataclass(frozen=True)
class Rate:
    """At most `calls` calls in any `seconds`, of one account at the provider."""

    calls: int
    seconds: float


class Gate:
    """What each HTTP call to a provider passes, and is told what came of it. This one lets all pass."""

    most_wait: float = 0.0
    """Seconds, the longest that `enter` waits."""

    def enter(self, bucket: str) -> None:
        """Wait until a call may be made. Raises ProviderBusy where that is not soon: nothing was sent."""

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        """What came of the call that entered. Raises nothing: what was bought must not be lost over it.

        `failed`: 5xx, timed out, cut off or not reached. `wait`: seconds for which the provider wants no call.
        """


class Provider(Protocol):
    """Who sells the data. One module a provider; adding one touches nothing else.

    One `fetch` makes at most one paid call, after any number of free ones. Where a company with its contacts takes
    several, each is a page of its own, and `next_cursor` says what comes next.
    """

    name: str
    page_size: int
    """The most companies that one call may ask for."""
    excludes_known: bool
    """Whether `exclude` has any effect."""
    charges: bool
    """Whether `fetch` costs credits at the provider; where not, asking again costs nothing."""
    answer_within: float
    """Seconds after which the provider has surely ended its work on a call."""
    calls_at_once: int
    """How many calls may be under way, 1 to MOST_CALLS_AT_ONCE; more than 1 only where a call needs no other's answer:
    these get the same cursor, and `fetch` is called in threads."""
    rates: Mapping[str, tuple[Rate, ...]] = {}
    """By bucket, a name of the provider's own for calls that are counted together: the windows of the account."""
    gate: Gate = Gate()
    """Which every HTTP call passes; set from outside before the first."""

    def misfits(self, query: Query) -> Sequence[Misfit]:
        """What of the query it cannot do. Free, without a network: asked before anything is held."""
        return ()

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        """The most credits that `fetch(query, limit, cursor)`, and all calls that finish what it brings, can cost.

        Never falls as `limit` grows. A `limit` above `page_size` means so many companies in all.
        """
        return limit * (1 + query.contact_number)

    def balance(self, fresh: bool = True) -> int | None:
        """Credits left in the account at the provider, free of charge; None where it cannot tell.

        `fresh=False`: as an earlier answer told will do, before a call; never to settle one. Raises ProviderError.
        """

    def preview_costs(self, query: Query) -> int:
        """Credits that `preview` costs. Where it is 0, a trial run asks for one; anything else is only told."""
        return 0

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """Count and sample what `query` finds."""

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Buy at most `limit` (1..page_size) companies, from `cursor` on; or what is unfinished at `cursor`.

        Raises ProviderUnavailable, ProviderBusy, ProviderRejected, ProviderAccessDenied, ProviderCreditsExhausted,
        MalformedAnswer.
        """

    def page_of(self, raw: Any) -> Page | None:
        """The page that `raw` is the answer of, where `fetch` made none of it that can be stored; None where it cannot.

        Asked when an answer that was paid for is kept, and its run is gone on with. Free, without a network.
        """
        return None

    def parse(self, record: JsonObject) -> Company:
        """Read one raw record. Raises MalformedRecord."""

    def contacts_of(self, query: Query, companies: Sequence[Identity]) -> str | None:
        """The cursor from which `fetch` brings contacts of these companies, which another provider sold; None where it
        cannot. Free, without a network.
        """
        return None

    def parse_contact(self, record: JsonObject) -> Contact:
        """Read one record of `Page.contacts`. Raises MalformedRecord.

        Not asked of a provider whose `Page.contacts` are always empty, as they are by default: it need not have it.
        """
        why = f"{self.name} gives contacts only within their companies"  # with a statement, mypy takes it for a default
        raise NotImplementedError(why)

    def check(self) -> str:
        """Make one free call, and say in a sentence what it shows, for Airflow's *Test*: here what `balance` does.

        Raises ProviderError.
        """
        left = self.balance()
        return f"The account is open; {'an unknown number of' if left is None else left} credits are left."
