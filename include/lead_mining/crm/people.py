"""Users and sales teams of the CRM: finding them by what a request calls them, and Odoo's default team."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection

from lead_mining.exceptions import FieldProblem
from lead_mining.identifiers import email_address

_LISTED = 10  # names shown in an error


@dataclass(frozen=True)
class User:
    """A user of the CRM. `email` as its partner has it; `company_ids`: the active companies it may work for.

    `active`: not archived. `share`: not an internal user, but one of the portal.
    """

    id: int
    login: str
    partner_id: int
    name: str
    email: str
    company_id: int
    company_ids: tuple[int, ...]
    active: bool
    share: bool


@dataclass(frozen=True)
class Team:
    """A sales team of the CRM, by its English name if it has one; `company_id` is None for a team of all companies."""

    id: int
    name: str
    company_id: int | None


_USER = """
    SELECT u.id, u.login, u.partner_id, p.name, coalesce(p.email, ''), u.company_id,
           ARRAY(SELECT c.id FROM res_company_users_rel r JOIN res_company c ON c.id = r.cid
                 WHERE r.user_id = u.id AND c.active ORDER BY c.id),
           coalesce(u.active, false), coalesce(u.share, false)
    FROM res_users u JOIN res_partner p ON p.id = u.partner_id
"""


def find_acting_user(conn: Connection, login: str) -> User | FieldProblem:
    """The active internal user with a login who may mine and write messages, or what is wrong with it."""
    user = find_user(conn, "acting_user", login)
    if isinstance(user, FieldProblem):
        return user
    if not has_group(conn, user.id, "sales_team", "group_sale_manager"):
        return FieldProblem(
            "acting_user", login, "lead mining is for users with the access right Sales / Administrator in the CRM"
        )
    if email_address(user.email) is None:
        return FieldProblem("acting_user", login, "the author of messages needs an e-mail address: set it in the CRM")
    return user


def find_user(conn: Connection, field: str, login: str) -> User | FieldProblem:
    """The active internal user with a login, or what is wrong with it."""
    user = _user(conn.execute(f"{_USER} WHERE u.login = %s", [login]).fetchone())
    if user is None:
        logins = [r[0] for r in conn.execute("SELECT login FROM res_users WHERE active AND NOT coalesce(share, false)")]
        return FieldProblem(field, login, _suggestion(login, logins) or "use the login of an active user of the CRM")
    if not user.active:
        return FieldProblem(field, login, "the user is archived: use the login of an active user of the CRM")
    if user.share:
        return FieldProblem(field, login, "it is a portal user: use the login of an internal user of the CRM")
    return user


def user_with_id(conn: Connection, user_id: int) -> User | None:
    """The user with an id, archived or not; None where it was deleted."""
    return _user(conn.execute(f"{_USER} WHERE u.id = %s", [user_id]).fetchone())


def login_for(conn: Connection, name: str, by: Literal["login", "email"]) -> str | None:
    """Return the log-in of the one active internal user with this log-in or e-mail address; None without one."""
    column, value = ("p.email_normalized", email_address(name)) if by == "email" else ("u.login", name)
    rows = conn.execute(
        "SELECT u.login FROM res_users u JOIN res_partner p ON p.id = u.partner_id"
        f" WHERE u.active AND NOT coalesce(u.share, false) AND {column} = %s",
        [value],
    ).fetchall()
    return rows[0][0] if len(rows) == 1 else None


def _user(row: tuple[Any, ...] | None) -> User | None:
    if row is None:
        return None
    id_, login, partner_id, name, email, company_id, company_ids, active, share = row
    return User(id_, login, partner_id, name, email, company_id, tuple(company_ids), active, share)


def has_group(conn: Connection, user_id: int, module: str, group: str) -> bool:
    """Whether a user is in the group with this XML id. Odoo stores implied memberships too."""
    row = conn.execute(
        """
        SELECT EXISTS (
            SELECT FROM res_groups_users_rel r
            JOIN ir_model_data d ON d.model = 'res.groups' AND d.res_id = r.gid
            WHERE r.uid = %s AND d.module = %s AND d.name = %s
        )
        """,
        [user_id, module, group],
    ).fetchone()
    return row is not None and bool(row[0])


_TEAM = "t.id, coalesce(t.name->>'en_US', (SELECT min(value) FROM jsonb_each_text(t.name))), t.company_id"


def find_team(conn: Connection, name: str, company_ids: Collection[int] | None) -> Team | FieldProblem:
    """The active team with this name in any language, among the teams of these companies and of none (None: of all)."""
    visible = """
        FROM crm_team t
        WHERE t.active AND (t.company_id IS NULL OR %(companies)s::int[] IS NULL OR t.company_id = ANY(%(companies)s))
    """
    arguments = {"companies": None if company_ids is None else list(company_ids), "name": name.strip()}
    rows = conn.execute(
        f"SELECT {_TEAM} {visible}"
        " AND EXISTS (SELECT FROM jsonb_each_text(t.name) AS n WHERE btrim(n.value) = %(name)s) ORDER BY t.id",
        arguments,
    ).fetchall()
    if len(rows) == 1:
        return Team(*rows[0])
    if rows:
        ids = ", ".join(str(row[0]) for row in rows)
        return FieldProblem("team", name, f"{len(rows)} teams have this name (ids {ids}): rename all but one")
    names = [row[1] for row in conn.execute(f"SELECT {_TEAM} {visible} ORDER BY t.sequence, t.id", arguments)]
    shown = ", ".join(repr(n) for n in names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    allowed = _suggestion(name, names) or (f"use one of {shown}" if names else "the CRM has no team: leave it empty")
    return FieldProblem("team", name, f"{allowed} (the word 'none' means no team)")


def team_with_id(conn: Connection, team_id: int) -> Team | None:
    """The team with an id, archived or not; None where it was deleted."""
    row = conn.execute(f"SELECT {_TEAM} FROM crm_team t WHERE t.id = %s", [team_id]).fetchone()
    return Team(*row) if row else None


def default_team(conn: Connection, salesperson: User, acting: User, lead_type: str) -> Team | None:
    """The team that Odoo's lead mining form proposes for a salesperson (crm.iap.lead.mining.request, team_id).

    The first, in Odoo's order of teams, of: the salesperson's that handle this type; the salesperson's; those that
    handle this type; any. Teams of a company count only where both users may work for it.
    """
    handles = "t.use_leads" if lead_type == "lead" else "t.use_opportunities"
    row = conn.execute(
        f"""
        SELECT {_TEAM}
        FROM crm_team t
        CROSS JOIN LATERAL (
            SELECT coalesce({handles}, false) AS handles,
                   coalesce(t.user_id = %(user)s, false) OR EXISTS (
                       SELECT FROM crm_team_member m WHERE m.crm_team_id = t.id AND m.user_id = %(user)s AND m.active
                   ) AS own
        ) AS team
        WHERE t.active AND (t.company_id IS NULL OR t.company_id = ANY(%(companies)s))
        ORDER BY team.own DESC, team.handles DESC, t.sequence, t.create_date DESC, t.id DESC
        LIMIT 1
        """,
        {
            "user": salesperson.id,
            "companies": [c for c in salesperson.company_ids if c in acting.company_ids],
        },
    ).fetchone()
    return Team(*row) if row else None


def _suggestion(word: str, words: Collection[str]) -> str | None:
    near = difflib.get_close_matches(word, words, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None
