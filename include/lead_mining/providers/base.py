"""What a provider is, and the plain data it gives: Company, Contact, Query, Page, Preview.

These types are the only thing other rooms may import from `providers`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

JsonObject = dict[str, Any]

MOST_CALLS_AT_ONCE: Final = 8
"""Of one run: as many slots as lead_mining.provider_call has."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


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


Identity = tuple[str | None, str | None]
"""By what a company is known: its reveal id, and its domain as Company has it."""


class Exclusions:
    """Companies that are known already: here none. Providers that can, leave them out before charging.

    They may be millions, so a provider asks about those that it is about to sell, some hundreds at a time.
    """

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        """Whether each of these is known."""
        return [False] * len(companies)


@dataclass(frozen=True)
class Page:
    """One answer of a provider.

    `raw`: the answer as received (JSON), without any secret. `records`: its companies, still raw, for `parse`.
    `charged`: credits the provider took. `next_cursor`: where to go on; None when there is no more.
    """

    raw: Any
    records: list[JsonObject]
    charged: int
    next_cursor: str | None


@dataclass(frozen=True)
class Preview:
    """What a query would find, at no charge. Where the provider cannot tell free, `count` is None, `records` empty."""

    count: int | None
    records: list[JsonObject]


class Provider(Protocol):
    """Who sells the data. One module a provider; adding one touches nothing else."""

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

    def balance(self) -> int | None:
        """Credits left in the account at the provider, free of charge; None where it cannot tell.

        Raises ProviderError.
        """

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """Count and sample what `query` finds, free of charge."""

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Buy at most `limit` (1..page_size) companies, from `cursor` on.

        Raises ProviderUnavailable, ProviderRejected, ProviderAccessDenied, ProviderCreditsExhausted, MalformedAnswer.
        """

    def parse(self, record: JsonObject) -> Company:
        """Read one raw record. Raises MalformedRecord."""
