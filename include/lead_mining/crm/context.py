"""What the names in a mining request stand for in one CRM, found once, before anything is paid for."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeVar

from psycopg import Connection
from pydantic import BaseModel, ConfigDict

from lead_mining.crm import addresses
from lead_mining.crm.checks import check_crm, xml_id
from lead_mining.crm.people import Team, User, default_team, find_team, find_user, has_group
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
    acting = _noted(problems, _acting_user(conn, request.acting_user))
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
    lead_company_id = _lead_company(team, salesperson, acting)
    company = _company(conn, lead_company_id or acting.company_id)
    return CrmContext(
        acting_user_id=acting.id,
        acting_partner_id=acting.partner_id,
        email_from=addresses.formatted(acting.name, acting.email),
        company_id=acting.company_id,
        company_country_code=_company(conn, acting.company_id).country_code,
        lead_type=lead_type,
        salesperson_id=salesperson.id if salesperson else None,
        salesperson_partner_id=salesperson.partner_id if salesperson else None,
        team_id=team.id if team else None,
        stage_id=_stage(conn, team),
        lead_company_id=lead_company_id,
        record_company_id=company.id,
        record_company_name=company.name,
        alias_domain_id=company.alias_domain_id or _default_alias_domain(conn, acting),
        reply_address=_team_alias(conn, team) or company.catchall,
        reply_name=team.name if team else None,
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


def _acting_user(conn: Connection, login: str) -> User | FieldProblem:
    user = find_user(conn, "acting_user", login)
    if isinstance(user, FieldProblem):
        return user
    if not has_group(conn, user.id, "sales_team", "group_sale_manager"):
        return FieldProblem(
            "acting_user", login, "lead mining is for users with the access right Sales / Administrator in the CRM"
        )
    if addresses.normalized_email(user.email) is None:
        return FieldProblem("acting_user", login, "the author of messages needs an e-mail address: set it in the CRM")
    return user


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


def _lead_company(team: Team | None, salesperson: User | None, acting: User) -> int | None:
    """The team's company; else the acting user's, else the salesperson's own, where both may work for it; else none."""
    if team and team.company_id:
        return team.company_id
    if salesperson is None:
        return None
    if acting.company_id in salesperson.company_ids:
        return acting.company_id
    return salesperson.company_id if salesperson.company_id in acting.company_ids else None


def _stage(conn: Connection, team: Team | None) -> int | None:
    row = conn.execute(
        "SELECT id FROM crm_stage WHERE NOT coalesce(fold, false) AND (team_id IS NULL OR team_id = %s)"
        " ORDER BY sequence, id LIMIT 1",
        [team.id if team else None],
    ).fetchone()
    return row[0] if row else None


class _Company(NamedTuple):
    id: int
    name: str
    country_code: str | None
    alias_domain_id: int | None
    catchall: str | None


def _company(conn: Connection, company_id: int) -> _Company:
    row = conn.execute(
        """
        SELECT c.id, c.name, n.code, d.id, nullif(d.catchall_alias, '') || '@' || d.name
        FROM res_company c
        JOIN res_partner p ON p.id = c.partner_id
        LEFT JOIN res_country n ON n.id = p.country_id
        LEFT JOIN mail_alias_domain d ON d.id = c.alias_domain_id
        WHERE c.id = %s
        """,
        [company_id],
    ).fetchone()
    assert row is not None  # foreign keys of crm_team and res_users
    return _Company(*row)


def _default_alias_domain(conn: Connection, acting: User) -> int | None:
    """Where the lead's company has none: that of the acting user's company, else the first there is."""
    row = conn.execute(
        """
        SELECT d.id FROM mail_alias_domain d LEFT JOIN res_company c ON c.id = %s AND c.alias_domain_id = d.id
        ORDER BY c.id IS NULL, d.sequence, d.id LIMIT 1
        """,
        [acting.company_id],
    ).fetchone()
    return row[0] if row else None


def _team_alias(conn: Connection, team: Team | None) -> str | None:
    """The team's own address, once an alias domain makes it one."""
    row = conn.execute(
        """
        SELECT a.alias_full_name FROM mail_alias a JOIN ir_model m ON m.id = a.alias_parent_model_id
        WHERE m.model = 'crm.team' AND a.alias_parent_thread_id = %s
          AND a.alias_domain_id IS NOT NULL AND a.alias_name IS NOT NULL
        ORDER BY a.alias_model_id, a.alias_name LIMIT 1
        """,
        [team.id if team else None],
    ).fetchone()
    return row[0] if row else None
