"""The policy of the installation: what who asks for leads cannot choose.

A file, `policy.yaml` in the folder LEAD_MINING_POLICY, by default `include/policy`; README.md there shows one. Where it
is present, all that it does not allow is refused; where it is absent, who may trigger the DAGs chooses freely.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lead_mining.crm.people import login_for
from lead_mining.exceptions import FieldProblem, InvalidRequest, PolicyError
from lead_mining.input_files import read_text
from lead_mining.request import MiningRequest, problems_of

SCHEDULED = "(scheduled)"
"""Who asks for a run that nobody triggered: a saved search that was due."""

SET_BY_POLICY = ("acting_user", "approval_threshold", "max_credits")
"""The fields of a request that a policy may fill in."""

_Credits = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CrmPolicy(_Strict):
    """What may be used together with one CRM connection, and what a run there may cost."""

    providers: list[str] = Field(min_length=1)
    credit_accounts: list[str] = Field(min_length=1)
    approval_threshold: _Credits | None = None
    max_credits: _Credits | None = None


class ActingUser(_Strict):
    """In whose name who asks works: the CRM's user with their log-in or e-mail address, and whom they may name else."""

    by: Literal["login", "email"] = "login"
    others: dict[str, list[str]] = {}


class Policy(_Strict):
    """What the file holds. `four_eyes`: who asked for a run cannot approve its cost."""

    crms: dict[str, CrmPolicy] = Field(min_length=1)
    acting_user: ActingUser | None = None
    four_eyes: bool = True

    def applied(self, conn: Connection, request: MiningRequest, asked_by: str | None) -> MiningRequest:
        """The request within the policy: with the threshold, the budget and the acting user that it sets.

        `asked_by`: the log-in at Airflow; None for a run that nobody triggered. Raises InvalidRequest.
        """
        crm = self.crms.get(request.crm_conn_id)
        if crm is None:
            raise InvalidRequest([_refused("crm_conn_id", request.crm_conn_id, self.crms)])
        problems = [
            _refused(field, value, allowed)
            for field, value, allowed in (
                ("provider_conn_id", request.provider_conn_id, crm.providers),
                *(("then_provider_conn_ids", each, crm.providers) for each in request.then_provider_conn_ids),
                ("credit_account", request.credit_account, crm.credit_accounts),
            )
            if value not in allowed
        ]
        changes: dict[str, object] = {}
        if crm.approval_threshold is not None:
            asked = request.approval_threshold
            changes["approval_threshold"] = (
                crm.approval_threshold if asked is None else min(asked, crm.approval_threshold)
            )
        if crm.max_credits is not None and not request.dry_run:
            if request.most_it_can_cost > crm.max_credits:
                field = "max_credits" if request.max_credits else "lead_number"
                cost = request.most_it_can_cost
                why = f"the policy allows a run {crm.max_credits:,} credits, and this could cost {cost:,}"
                problems.append(FieldProblem(field, getattr(request, field), why))
            changes["max_credits"] = request.most_it_can_cost  # also where a provider could take more than our price
        acting = self._acting_user(conn, request.acting_user, asked_by)
        if isinstance(acting, FieldProblem):
            problems.append(acting)
        if problems:
            raise InvalidRequest(problems)
        return request.model_copy(update=changes | {"acting_user": acting})

    def _acting_user(self, conn: Connection, named: str, asked_by: str | None) -> str | FieldProblem:
        if self.acting_user is None:
            return named
        others = self.acting_user.others.get(asked_by or SCHEDULED, [])
        if named in others:
            return named
        own = login_for(conn, asked_by, self.acting_user.by) if asked_by else None
        if own is None:
            why = (
                f"the policy finds no user of the CRM with the {self.acting_user.by} of who asks, and names nobody else"
            )
            return FieldProblem("acting_user", named, why)
        default = MiningRequest.model_fields["acting_user"].default
        return own if named in (own, default) else _refused("acting_user", named, [own, *others])


def folder() -> Path:
    """Where the policy stands: LEAD_MINING_POLICY, by default `policy` beside the package."""
    return Path(os.environ.get("LEAD_MINING_POLICY") or Path(__file__).parents[1] / "policy")


def read() -> Policy | None:
    """The policy of the installation; None where there is none. Raises PolicyError, which says what is wrong where."""
    path = folder() / "policy.yaml"
    if not os.path.lexists(path):
        return None
    try:
        return Policy.model_validate(yaml.safe_load(read_text(path)))
    except ValidationError as error:
        raise PolicyError(f"{path.name}: {InvalidRequest(problems_of(error, Policy.model_fields))}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{path.name}, line {line}: this is not YAML: {error.problem}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path.name} cannot be read: {type(error).__name__}: {error}") from None


def within(conn: Connection, request: MiningRequest, asked_by: str | None) -> MiningRequest:
    """The request within the installation's policy; as it is without one. Raises InvalidRequest, PolicyError."""
    policy = read()
    return policy.applied(conn, request, asked_by) if policy else request


def may_approve(asked_by: str | None, approver: str) -> bool:
    """Whether the policy lets somebody approve what was asked for by another, or by themselves. Raises PolicyError."""
    policy = read()
    return not (policy and policy.four_eyes and approver == asked_by)


def _refused(field: str, value: str, allowed: object) -> FieldProblem:
    return FieldProblem(field, value, f"the policy of this installation allows {', '.join(allowed)}")  # type: ignore[arg-type]
