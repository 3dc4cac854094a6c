"""What Apollo is asked and answers, for the OpenAPI page and for checking what comes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from provider_simulator.search import is_text

MOST_AT_ONCE = 10  # of the bulk calls


def _sound(text: str) -> str:
    if not is_text(text):
        raise ValueError("half a surrogate pair is no text")
    return text


Text = Annotated[str, AfterValidator(_sound)]
Texts = list[Text]
Seniority = Literal[
    "owner", "founder", "c_suite", "partner", "vp", "head", "director", "manager", "senior", "entry", "intern"
]


class CompanySearch(BaseModel):
    """Query arguments; lists are repeated."""

    model_config = ConfigDict(extra="forbid")

    organization_locations: Texts = Field([], alias="organization_locations[]", description="Germany; California, US")
    organization_num_employees_ranges: list[Annotated[str, Field(pattern=r"^[0-9]{1,9},[0-9]{0,9}$")]] = Field(
        [], alias="organization_num_employees_ranges[]", description="11,50"
    )
    q_organization_keyword_tags: Texts = Field([], alias="q_organization_keyword_tags[]")
    q_organization_domains_list: Texts = Field([], alias="q_organization_domains_list[]")
    organization_ids: Texts = Field([], alias="organization_ids[]")
    page: int = Field(1, ge=1, le=1_000_000)
    per_page: int = Field(10, ge=1, le=100)

    @property
    def places(self) -> slice:
        """Where the page stands among all that is found."""
        return slice((self.page - 1) * self.per_page, self.page * self.per_page)


class PeopleSearch(CompanySearch):
    """Query arguments; lists are repeated."""

    person_titles: Texts = Field([], alias="person_titles[]")
    include_similar_titles: bool = True
    person_seniorities: list[Seniority] = Field([], alias="person_seniorities[]")


class Domains(BaseModel):
    """Query arguments."""

    model_config = ConfigDict(extra="forbid")

    domains: Texts = Field(alias="domains[]", min_length=1, max_length=MOST_AT_ONCE)


class Detail(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Text


class PeopleToMatch(BaseModel):
    """The body of a people enrichment."""

    model_config = ConfigDict(extra="forbid")

    details: list[Detail] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Pagination(BaseModel):
    page: int
    per_page: int
    total_entries: int
    total_pages: int


class Companies(BaseModel):
    """Companies without employees, industry and address."""

    pagination: Pagination
    accounts: list[dict[str, Any]]
    organizations: list[dict[str, Any]]
    partial_results_only: bool
    partial_results_limit: int
    disable_eu_prospecting: bool


class People(BaseModel):
    """People without e-mail, their last names obfuscated."""

    total_entries: int
    people: list[dict[str, Any]]


class _Bulk(BaseModel):
    status: Literal["success"]
    error_code: None
    error_message: None
    unique_enriched_records: int
    missing_records: int


class Enriched(_Bulk):
    """Organizations in the order of the domains; null where none is known."""

    total_requested_domains: int
    unique_domains: int
    organizations: list[dict[str, Any] | None]


class Matched(_Bulk):
    """People in the order of the details; null where none is known."""

    total_requested_enrichments: int
    credits_consumed: int
    matches: list[dict[str, Any] | None]


class Credits(BaseModel):
    limit: int
    consumed: int
    left_over: int


class CreditStats(BaseModel):
    lead_credit: Credits


class Balance(BaseModel):
    """Credits of the account."""

    credit_usage_stats: CreditStats


class Refused(BaseModel):
    """Why a request was not understood or could not be paid."""

    error: str


class TooMany(BaseModel):
    """A rate limit was reached; Retry-After says for how many seconds."""

    message: str
