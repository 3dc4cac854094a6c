"""What the names in a mining request stand for in one CRM, found once, before anything is paid for."""

from __future__ import annotations

from typing import Literal, TypeVar

from psycopg import Connection
from pydantic import BaseModel, ConfigDict

from lead_mining.crm import addresses
from lead_mining.crm.checks import check_crm, xml_id
from lead_mining.crm.destination import company_country_code, find_destination
from lead_mining.crm.people import Team, User, default_team, find_acting_user, find_team, find_user, has_group
from lead_mining.crm.preflight import preflight
from lead_mining.crm.sequence import find_sequence
from lead_mining.crm.words import find_words
from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.request import NOBODY, MiningRequest

_T = TypeVar("_T")


class CrmContext(BaseModel):
    """Ids and texts of the CRM that the loader writes; JSON-serialisable (`lead_mining.run.context`).

    `company_*` is the acting user's company. `email_from` is the author of the messages. `reply_address` is the team's
    alias or the company's catchall, None without an alias domain; `reply_name` the team's name, None without a team.
    `notices`: for a person, what Odoo would do with new leads and loading does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    acting_user_id: int
    acting_partner_id: int
    email_from: str
    company_id: int
    company_country_code: str | None
    lead_type: Literal["lead", "opportunity"]
    salesperson_id: int | None
    salesperson_partner_id: int | None
    team_id: int | None
    stage_id: int | None
    lead_company_id: int | None
    record_company_id: int
    record_company_name: str
    alias_domain_id: int | None
    reply_address: str | None
    reply_name: str | None
    created_subtype_id: int
    note_subtype_id: int
    country_ids: tuple[int, ...]
    state_ids: tuple[int, ...]
    industry_ids: tuple[int, ...]
    preferred_role_id: int | None
    role_ids: tuple[int, ...]
    seniority_id: int | None
    tag_names: tuple[str, ...]
    notices: tuple[str, ...] = ()

    def reply_to(self, lead_name: str) -> str:
        """Where answers to a message on a lead go: the author where the company has no alias domain."""
        if self.reply_address is None:
            return self.email_from
        record = lead_name if self.reply_name is None else self.reply_name
        return addresses.reply_to(self.record_company_name, record, self.reply_address)


def resolve(conn: Connection, request: MiningRequest) -> CrmContext:
    """Look up everything a request names, by the rules of Odoo 17. Reads only.

    Raises InvalidRequest with every wrong field at once; CrmError where the database cannot be mined into.
    """
    check_crm(conn)
    problems: list[FieldProblem] = []
    acting = _noted(problems, find_acting_user(conn, request.acting_user))
    salesperson = _noted(problems, _salesperson(conn, request.salesperson, acting))
    lead_type = request.lead_type or _default_lead_type(conn, acting)
    team = _noted(problems, _team(conn, request.team, salesperson, acting, lead_type))
    if salesperson and team and team.company_id not in (None, *salesperson.company_ids):
        problems.append(
            FieldProblem(
                "salesperson",
                salesperson.login,
                f"they may not work for the company of the team {team.name!r}: choose another, or allow it in the CRM",
            )
        )
    words = find_words(conn, request, problems)
    if problems or acting is None:
        raise InvalidRequest(problems)
    find_sequence(conn, acting.company_id)
    return CrmContext(
        acting_user_id=acting.id,
        acting_partner_id=acting.partner_id,
        email_from=addresses.formatted(acting.name, acting.email),
        company_id=acting.company_id,
        company_country_code=company_country_code(conn, acting.company_id),
        lead_type=lead_type,
        **find_destination(conn, acting, salesperson, team)._asdict(),
        created_subtype_id=xml_id(conn, "crm", "mt_lead_create"),
        note_subtype_id=xml_id(conn, "mail", "mt_note"),
        country_ids=words.country_ids,
        state_ids=words.state_ids,
        industry_ids=words.industry_ids,
        preferred_role_id=words.preferred_role_id,
        role_ids=words.role_ids,
        seniority_id=words.seniority_id,
        tag_names=tuple(request.tags),
        notices=tuple(preflight(conn, team.id if team else None)),
    )


def _noted(problems: list[FieldProblem], found: _T | FieldProblem) -> _T | None:
    if isinstance(found, FieldProblem):
        problems.append(found)
        return None
    return found


def _salesperson(conn: Connection, login: str | None, acting: User | None) -> User | FieldProblem | None:
    if login is None:
        return acting
    return None if login == NOBODY else find_user(conn, "salesperson", login)


def _default_lead_type(conn: Connection, acting: User | None) -> Literal["lead", "opportunity"]:
    return "lead" if acting and has_group(conn, acting.id, "crm", "group_use_lead") else "opportunity"


def _team(
    conn: Connection, name: str | None, salesperson: User | None, acting: User | None, lead_type: str
) -> Team | FieldProblem | None:
    if name is not None:
        return None if name == NOBODY else find_team(conn, name, acting.company_ids if acting else None)
    return default_team(conn, salesperson, acting, lead_type) if salesperson and acting else None
