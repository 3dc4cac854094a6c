"""A mining request as a form on a page: what is asked for, and what was sent as the request that it means.

Fields, titles and help are those of `MiningRequest`. Whoever sends the form chooses no CRM connection: the form is of
one CRM, whose teams and tags it offers. A trial run is a button of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.form_fields import CRM_CONNECTION, values_sent
from lead_mining.request import Cost, MiningRequest, dag_params

FIELDS: Mapping[str, dict[str, Any]] = {
    name: schema for name, schema in dag_params().items() if name not in ("dry_run", "crm_conn_id")
}
LOGINS = ("salesperson", "acting_user")
PEOPLES = tuple(name for name in (*LOGINS, "notify") if name in FIELDS)
"""Fields whose values may be people's addresses."""

_PRICED_BY = {"search_type", "lead_number", "contact_number"}


@dataclass(frozen=True)
class Filled:
    """A form as it was filled in. `values`: all, to be shown again; `request`: None where there are problems."""

    values: Mapping[str, Any]
    request: MiningRequest | None
    problems: tuple[FieldProblem, ...] = ()
    cost: Cost | None = None
    """The most that the companies and contacts can cost; None where their numbers are wrong."""

    @property
    def messages(self) -> dict[str, str]:
        """What is wrong with fields, or with values in them, by field."""
        found: dict[str, list[str]] = {}
        for each in self.problems:
            found.setdefault(each.field.partition(".")[0], []).append(_sentence(each))
        return {field: "; ".join(sentences) for field, sentences in found.items()}

    def without_gaps(self) -> Filled:
        """Without the problems of fields that are not filled in yet."""
        return self.with_problems(tuple(each for each in self.problems if each.value not in (None, "", [])))

    def with_problems(self, problems: tuple[FieldProblem, ...]) -> Filled:
        """With these problems and no others."""
        return replace(self, problems=problems)


def defaults() -> dict[str, Any]:
    """The values of a new form."""
    return {name: schema.get("default", []) for name, schema in FIELDS.items()}


def of_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form like an earlier request, whose params may hold anything."""
    given = {name: params[name] for name in FIELDS if _fits(FIELDS[name], params.get(name))}
    return defaults() | given


def read(sent: Callable[[str], list[str]]) -> Filled:
    """The request that was sent, or what is wrong with it. `sent`: name of a field to all that was sent under it."""
    return filled(values_sent(FIELDS, sent))


def filled(values: Mapping[str, Any]) -> Filled:
    """The request that the values of a form mean, or what is wrong with it."""
    params = _shown(values)
    try:
        request = MiningRequest.parse(params)
    except InvalidRequest as error:
        wrong = {problem.field for problem in error.problems}
        cost = None
        if not wrong & _PRICED_BY:
            priced = MiningRequest.model_construct(**{name: params[name] for name in _PRICED_BY & params.keys()})
            cost = priced.cost_of(priced.lead_number)
        return Filled(values, None, error.problems, cost)
    return Filled(values, request, (), request.cost_of(request.lead_number))


def conf_of(request: MiningRequest, crm_conn_id: str) -> dict[str, Any]:
    """The params of the DAG for the request in that CRM, as far as they differ from what the DAG has."""
    own = {} if crm_conn_id == CRM_CONNECTION["default"] else {"crm_conn_id": crm_conn_id}
    return request.model_dump(mode="json", exclude_defaults=True) | own


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that the form hides for what else is chosen: their values stay there, and do not count."""
    hidden = set()
    if values["search_type"] == "companies":
        hidden |= {
            "contact_number",
            "contact_filter_type",
            "preferred_role",
            "other_roles",
            "seniority",
            "lawful_basis",
        }
    hidden |= {"preferred_role", "other_roles"} if values["contact_filter_type"] == "seniority" else {"seniority"}
    if not values["filter_on_size"]:
        hidden |= {"company_size_min", "company_size_max"}
    params = {name: value for name, value in values.items() if name not in hidden}
    return params | {"states": [each for each in values["states"] if each.split("-")[0] in values["countries"]]}


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    if "array" in schema["type"]:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return isinstance(value, bool) if schema["type"] == "boolean" else isinstance(value, str | int)


def _sentence(problem: FieldProblem) -> str:
    if problem.value == []:
        return "Choose at least one"
    if problem.value in (None, ""):
        return problem.allowed[:1].upper() + problem.allowed[1:]
    return f"{problem.value!r} is not allowed: {problem.allowed}"
