"""What follows from whom leads are for: their stage, their company, where answers go; by the rules of Odoo 17."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Connection

from lead_mining.crm.people import Team, User


class Destination(NamedTuple):
    """Fields of the same names of `lead_mining.crm.context.CrmContext`."""

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


def find_destination(conn: Connection, acting: User, salesperson: User | None, team: Team | None) -> Destination:
    """Where leads for a salesperson and a team go, if the acting user makes them. Reads only."""
    lead_company_id = _lead_company(team, salesperson, acting)
    company = _company(conn, lead_company_id or acting.company_id)
    return Destination(
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
    )


def company_country_code(conn: Connection, company_id: int) -> str | None:
    """The code of the country that a company is in."""
    return _company(conn, company_id).country_code


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
