"""The mining request: one filter configuration, checked, priced, and turned into the DAG's params.

What a request may hold stands here, once: the trigger form, the API, the command line and saved searches are all made
from `MiningRequest`. Source of the rules: Odoo 17's form (its on-change bounds are hard bounds here).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lead_mining import vocabulary
from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.prices import Prices, prices_now
from lead_mining.providers.base import Query
from lead_mining.request_words import (
    MAX_INT4,
    ConnectionId,
    Country,
    Industry,
    Recipient,
    Role,
    Seniority,
    Size,
    State,
    Text,
    empty_if_none,
    unique,
)

NOBODY = "none"
"""The word for no team or no salesperson at all, where an empty field means Odoo's default."""

_EUROPEAN_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_REST_OF_THE_EEA, _LAWS_THAT_SAY_THE_SAME = "IS LI NO", "CH GB"
GDPR_COUNTRIES = frozenset(f"{_EUROPEAN_UNION} {_REST_OF_THE_EEA} {_LAWS_THAT_SAY_THE_SAME}".split())
_MAX_LEADS = 1_000_000
_MAX_CONTACTS = 5  # Odoo 17: MAX_CONTACT


def _form(section: str | None = None, **more: Any) -> dict[str, Any]:
    """What Airflow's trigger form shows beside title and description."""
    return more | ({"section": section} if section else {})


def _choices(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"examples": list(labels), "values_display": dict(labels)}


_COMPANIES, _CONTACTS, _CRM, _CREDITS, _RUN = (
    "Which companies: more filters",
    "Contacts (only for companies and their contacts)",
    "In the CRM",
    "Credits",
    "Connections, messages and trial run",
)


@dataclass(frozen=True)
class Cost:
    """The most that a request can cost, in credits: Odoo's tooltip, which says so of its own figures too."""

    leads: int
    contacts: int

    @property
    def total(self) -> int:
        return self.leads + self.contacts

    def __str__(self) -> str:
        contacts = f" and up to {self.contacts} for their contacts" if self.contacts else ""
        return f"up to {self.leads} credits for companies{contacts}: at most {self.total} credits"


class MiningRequest(BaseModel):
    """One filter configuration. Build it with `parse`, which names every wrong field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    search_type: Literal["companies", "people"] = Field(
        "companies",
        title="Search for",
        description="Companies alone cost 1 credit each; each contact of a company costs 1 more.",
        json_schema_extra=_form(
            values_display={"companies": "Companies", "people": "Companies and their contacts"},
        ),
    )
    lead_number: Annotated[int, Field(ge=1, le=_MAX_LEADS)] = Field(
        3, title="Number of leads", description="How many leads at most. Each costs 1 credit."
    )
    countries: Annotated[list[Country], Field(min_length=1), AfterValidator(unique)] = Field(
        title="Countries",
        description="Where the companies are. At least one.",
        json_schema_extra=_form(**_choices(vocabulary.countries())),
    )
    industries: Annotated[list[Industry], BeforeValidator(empty_if_none), AfterValidator(unique)] = Field(
        default_factory=list,
        title="Industries",
        description="None chosen: all industries.",
        json_schema_extra=_form(**_choices({name: name for name in vocabulary.industries()})),
    )
    states: Annotated[list[State], BeforeValidator(empty_if_none), AfterValidator(unique)] = Field(
        default_factory=list,
        title="States",
        description="Only in AE, AR, AU, BR, CA, IN, MX, MY, NZ and US, and only of the countries chosen above. "
        "None chosen: the whole country.",
        json_schema_extra=_form(
            _COMPANIES, **_choices({code: f"{code} {name}" for code, name in vocabulary.states().items()})
        ),
    )
    filter_on_size: bool = Field(
        False,
        title="Filter on company size",
        description="Only companies whose number of employees is known and in the range below.",
        json_schema_extra=_form(_COMPANIES),
    )
    company_size_min: Size = Field(
        1, title="Employees, from", description="Counts only with the filter.", json_schema_extra=_form(_COMPANIES)
    )
    company_size_max: Size = Field(
        1000, title="Employees, to", description="Counts only with the filter.", json_schema_extra=_form(_COMPANIES)
    )
    contact_number: Annotated[int, Field(ge=1, le=_MAX_CONTACTS)] = Field(
        3,
        title="Contacts per company",
        description="How many contacts a company at most. Each found costs 1 credit.",
        json_schema_extra=_form(_CONTACTS),
    )
    contact_filter_type: Literal["role", "seniority"] = Field(
        "role",
        title="Choose contacts by",
        description="What they do, or how high they stand.",
        json_schema_extra=_form(_CONTACTS, values_display={"role": "Role", "seniority": "Seniority"}),
    )
    preferred_role: Role | None = Field(
        None,
        title="Preferred role",
        description="Contacts with this role come first.",
        json_schema_extra=_form(_CONTACTS, enum=[*vocabulary.roles(), None]),
    )
    other_roles: Annotated[list[Role], BeforeValidator(empty_if_none), AfterValidator(unique)] = Field(
        default_factory=list,
        title="Other roles",
        description="Taken where the preferred role is not found.",
        json_schema_extra=_form(_CONTACTS, **_choices({name: name for name in vocabulary.roles()})),
    )
    seniority: Seniority | None = Field(
        None,
        title="Seniority",
        description="Needed where contacts are chosen by it.",
        json_schema_extra=_form(_CONTACTS, enum=[*vocabulary.seniorities(), None]),
    )
    lawful_basis: Literal["legitimate_interests", "consent", "contract"] = Field(
        "legitimate_interests",
        title="Lawful basis for people's data",
        description="Kept with each lead as where its data came from. Where the GDPR or a law like it applies (the EEA,"
        " the United Kingdom, Switzerland), people must be told within a month that you hold their data and from whom"
        " you have it, and may object (articles 6, 14 and 21).",
        json_schema_extra=_form(
            _CONTACTS,
            values_display={
                "legitimate_interests": "Legitimate interests, weighed against theirs",
                "consent": "Consent that was given",
                "contract": "A contract, or steps before one that they asked for",
            },
        ),
    )
    lead_type: Literal["lead", "opportunity"] | None = Field(
        None,
        title="Create",
        description="Empty: leads where the CRM has the Leads feature on, else opportunities.",
        json_schema_extra=_form(_CRM, enum=["lead", "opportunity", None]),
    )
    team: Text | None = Field(
        None,
        title="Sales team",
        description="The team's name. Empty: as Odoo chooses for the salesperson. The word none: no team.",
        json_schema_extra=_form(_CRM),
    )
    salesperson: Text | None = Field(
        None,
        title="Salesperson",
        description="A login. Empty: the acting user. The word none: nobody.",
        json_schema_extra=_form(_CRM),
    )
    acting_user: Text = Field(
        "admin",
        title="Acting user",
        description="The login in whose name the request is made.",
        json_schema_extra=_form(_CRM),
    )
    tags: Annotated[list[Text], BeforeValidator(empty_if_none), AfterValidator(unique)] = Field(
        default_factory=list,
        title="Tags",
        description="One a line. Made in the CRM if missing.",
        json_schema_extra=_form(_CRM, items={"type": "string"}),
    )
    on_possible_duplicate: Literal["reject", "load"] = Field(
        "reject",
        title="Possible duplicates",
        description="Companies whose name and place make it likely that the CRM has them, though nothing proves it.",
        json_schema_extra=_form(
            _CRM, values_display={"reject": "Keep as rejections: a person decides", "load": "Load, with a warning"}
        ),
    )
    on_insufficient_credits: Literal["fail", "trim"] = Field(
        "fail",
        title="When credits are short",
        description="Whether to mine nothing then, or as many leads as can be paid.",
        json_schema_extra=_form(_CREDITS, values_display={"fail": "Mine nothing", "trim": "Mine what can be paid"}),
    )
    max_credits: Annotated[int, Field(ge=1, le=MAX_INT4)] | None = Field(
        None,
        title="Budget of this run",
        description="The most credits this run may cost. Empty: what the leads asked for cost. More than that: where "
        "companies turn out to be known or bad, the provider is asked for others, until there are enough leads.",
        json_schema_extra=_form(_CREDITS),
    )
    approval_threshold: Annotated[int, Field(ge=0, le=MAX_INT4)] | None = Field(
        None,
        title="Ask a person above",
        description="If the run can cost more credits than this, it waits until a person approves. Empty: never.",
        json_schema_extra=_form(_CREDITS),
    )
    saved_search: Text | None = Field(
        None,
        title="Saved search",
        description="A name under which runs share a monthly budget.",
        json_schema_extra=_form(_CREDITS),
    )
    search_budget: Annotated[int, Field(ge=0, le=MAX_INT4)] | None = Field(
        None,
        title="Budget of the saved search, a month",
        description="The most credits that all runs of the saved search may hold or spend in a calendar month (UTC).",
        json_schema_extra=_form(_CREDITS),
    )
    credit_account: Text = Field(
        "default", title="Credit account", description="Who pays.", json_schema_extra=_form(_CREDITS)
    )
    dry_run: bool = Field(
        False,
        title="Trial run",
        description="Count, estimate and check a preview. Nothing is charged or loaded.",
        json_schema_extra=_form(_RUN),
    )
    provider_conn_id: ConnectionId = Field(
        "lead_mining_provider",
        title="Provider connection",
        description="The Airflow connection to whom the leads are bought from.",
        json_schema_extra=_form(_RUN),
    )
    then_provider_conn_ids: Annotated[
        list[ConnectionId], Field(max_length=4), BeforeValidator(empty_if_none), AfterValidator(unique)
    ] = Field(
        default_factory=list,
        title="Then ask",
        description="Connections, in order, one a line: each is asked only for what those before did not find.",
        json_schema_extra=_form(_RUN, items={"type": "string"}),
    )
    crm_conn_id: ConnectionId = Field(
        "lead_mining_crm",
        title="CRM connection",
        description="The Airflow connection to the CRM's database.",
        json_schema_extra=_form(_RUN),
    )
    notify: Annotated[list[Recipient], Field(max_length=20), BeforeValidator(empty_if_none), AfterValidator(unique)] = (
        Field(
            default_factory=list,
            title="Tell when it has ended",
            description="Colleagues' e-mail addresses and Slack channels (#sales), one a line: what came, what it cost,"
            " and what to do where it failed.",
            json_schema_extra=_form(_RUN, items={"type": "string"}),
        )
    )

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Self:
        """Read params. Raises InvalidRequest with every wrong field, what was given and what is allowed."""
        try:
            return cls.model_validate(dict(params))
        except ValidationError as error:
            raise InvalidRequest(problems_of(error, cls.model_fields)) from None

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if problems := list(self._cross_field_problems()):
            raise InvalidRequest(problems)
        return self

    def _cross_field_problems(self) -> Iterator[FieldProblem]:
        for state in self.states:
            if state.split("-")[0] not in self.countries:
                yield FieldProblem("states", state, f"its country is not in countries ({', '.join(self.countries)})")
        sizes = (self.company_size_min, self.company_size_max)
        if self.filter_on_size and self.company_size_min > self.company_size_max:
            yield FieldProblem("company_size_min", sizes[0], f"at most company_size_max ({sizes[1]}) is allowed")
        if not self.filter_on_size and sizes != (1, 1000):
            yield FieldProblem("filter_on_size", False, "set it to true to filter on the company sizes given")
        if self.search_budget is not None and self.saved_search is None:
            yield FieldProblem("search_budget", self.search_budget, "name the saved search whose budget it is")
        if self.provider_conn_id in self.then_provider_conn_ids:
            yield FieldProblem("then_provider_conn_ids", self.provider_conn_id, "it is asked first: name others")
        yield from self._contact_problems()

    def _contact_problems(self) -> Iterator[FieldProblem]:
        chosen = {"preferred_role": self.preferred_role, "other_roles": self.other_roles, "seniority": self.seniority}
        if self.search_type == "companies":
            needed, meaningless = None, chosen
            why = "only for search_type 'people': leave it empty, or search for people"
        elif self.contact_filter_type == "role":
            needed, meaningless = "preferred_role", {"seniority": self.seniority}
            why = "leave it empty, or set contact_filter_type to 'seniority'"
        else:
            needed, meaningless = "seniority", {k: v for k, v in chosen.items() if k != "seniority"}
            why = "leave it empty, or set contact_filter_type to 'role'"
        if needed and not chosen[needed]:
            words = vocabulary.roles() if needed == "preferred_role" else vocabulary.seniorities()
            yield FieldProblem(needed, chosen[needed], f"choose one of {', '.join(words)}")
        for name, value in meaningless.items():
            if value:
                yield FieldProblem(name, value, why)

    def cost_of(self, leads: int, prices: Prices | None = None) -> Cost:
        """The most that so many leads can cost, in credits, at a run's own prices or at those of now."""
        contacts = self.contact_number if self.search_type == "people" else 0
        prices = prices or prices_now()
        return Cost(leads=prices.cost(leads, 0), contacts=prices.cost(0, leads * contacts))

    @property
    def most_it_can_cost(self) -> int:
        """What the leads cost now, or, where the budget of the run is more, that; in credits."""
        return max(self.cost_of(self.lead_number).total, self.max_credits or 0)

    @property
    def privacy_notice(self) -> str | None:
        """What who mines people has to do where the GDPR, or a law like it, protects them; None where it does not."""
        protected = [code for code in self.countries if code in GDPR_COUNTRIES]
        if self.search_type == "companies" or not protected:
            return None
        return (
            f"people in {', '.join(protected)} are protected by the GDPR or a law like it: tell them within a month"
            f" that you hold their data and from whom; lawful basis: {self.lawful_basis.replace('_', ' ')}"
        )

    def query(self) -> Query:
        """What is asked of the provider."""
        people, sized = self.search_type == "people", self.filter_on_size
        return Query(
            countries=tuple(self.countries),
            states=tuple(self.states),
            industries=tuple(self.industries),
            company_size_min=self.company_size_min if sized else None,
            company_size_max=self.company_size_max if sized else None,
            contact_number=self.contact_number if people else 0,
            contact_filter_type=self.contact_filter_type,
            preferred_role=self.preferred_role,
            other_roles=tuple(self.other_roles),
            seniority=self.seniority,
        )


def problems_of(error: ValidationError, fields: Collection[str]) -> list[FieldProblem]:
    """What pydantic finds wrong, in our words. `fields`: those that there are."""
    return [_problem(each, fields) for each in error.errors()]


def _problem(error: Any, fields: Collection[str]) -> FieldProblem:
    """A FieldProblem from one of pydantic's errors."""
    field = ".".join(str(part) for part in error["loc"]) or "request"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(fields)}"
        return FieldProblem(field, _shortened(error["input"]), f"there is no such field: {hint}")
    if error["type"] == "missing":
        return FieldProblem(field, None, "it is required")
    return FieldProblem(field, _shortened(error["input"]), error["msg"][:1].lower() + error["msg"][1:])


def _shortened(value: object) -> object:
    return value if len(repr(value)) <= 200 else repr(value)[:200] + "…"


# jsonschema checks a schema against its dialect's own, three times as fast for this one as for the latest, which it
# takes otherwise; and Airflow has it check all of a DAG's params in each task.
_DIALECT = "http://json-schema.org/draft-07/schema#"


@cache
def dag_params() -> dict[str, dict[str, Any]]:
    """For each field its JSON schema in the form that Airflow's `Param(**schema)` and its trigger form want."""
    properties = MiningRequest.model_json_schema()["properties"]
    return {name: _param_schema(dict(properties[name]), field) for name, field in MiningRequest.model_fields.items()}


def _param_schema(schema: dict[str, Any], field: Any) -> dict[str, Any]:
    if options := schema.pop("anyOf", None):  # `X | None`: the form wants a list of types
        inner = next(option for option in options if option.get("type") != "null")
        schema = {k: v for k, v in inner.items() if k != "enum"} | schema
        schema["type"] = [inner["type"], "null"]
    if not field.is_required():
        schema["default"] = field.get_default(call_default_factory=True)
    if "examples" in schema:
        schema.pop("items", None)  # the form makes the choice from the examples
    if schema["type"] == "array" and not field.is_required():
        schema["type"] = ["array", "null"]  # else the form marks it as required
    return {"$schema": _DIALECT} | schema
