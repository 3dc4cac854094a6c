"""A context as the CRM is now: days may pass between looking names up and loading, and people delete and archive."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from lead_mining.crm import addresses
from lead_mining.crm.checks import xml_id
from lead_mining.crm.context import CrmContext
from lead_mining.crm.destination import company_country_code, find_destination
from lead_mining.crm.people import Team, User, find_acting_user, team_with_id, user_with_id
from lead_mining.crm.requests import IS_OURS, CrmRequest
from lead_mining.exceptions import CrmError
from lead_mining.request import MiningRequest


class Refreshed(NamedTuple):
    """A context that can be loaded by; the id of the request, None where there is none any more; notices for a person:
    what of this run's is gone from the CRM, and what was done without it.
    """

    context: CrmContext
    crm_request_id: int | None
    notices: tuple[str, ...]


def refresh(conn: Connection, request: MiningRequest, context: CrmContext, crm_request: CrmRequest | None) -> Refreshed:
    """The context without what is gone since `resolve`: one statement where all is there. Reads only.

    As Odoo keeps the leads of a request, a team or a user that is deleted, so leads are loaded without; a salesperson
    who is archived counts as gone too. Stage, companies and addresses for replies are then looked up anew. An acting
    user who was deleted is replaced by one with the same login; raises CrmError where there is none that may mine.
    To be called in the transaction that writes: what is deleted after that violates a foreign key, and can be
    repeated.
    """
    gone = _gone(conn, context, crm_request)
    notices = []
    if "crm_request" in gone:
        crm_request = None
        notices.append("the mining request was deleted in the CRM: its leads were loaded without a link to it")
    if gone - {"crm_request"}:
        context, changes = _looked_up_anew(conn, request, context)
        notices += changes
    return Refreshed(context, crm_request.id if crm_request else None, tuple(notices))


def _gone(conn: Connection, context: CrmContext, crm_request: CrmRequest | None) -> set[str]:
    """The fields whose ids the CRM has no row for, or of the salesperson none that is active."""
    rows = conn.execute(
        f"""
        SELECT field
        FROM (VALUES
            ('crm_request', %(id)s::int, EXISTS (SELECT FROM crm_iap_lead_mining_request WHERE {IS_OURS})),
            ('acting_user_id', %(acting_user_id)s, EXISTS (SELECT FROM res_users WHERE id = %(acting_user_id)s)),
            ('acting_partner_id', %(acting_partner_id)s,
             EXISTS (SELECT FROM res_partner WHERE id = %(acting_partner_id)s)),
            ('salesperson_id', %(salesperson_id)s,
             EXISTS (SELECT FROM res_users WHERE id = %(salesperson_id)s AND active)),
            ('team_id', %(team_id)s, EXISTS (SELECT FROM crm_team WHERE id = %(team_id)s)),
            ('stage_id', %(stage_id)s, EXISTS (SELECT FROM crm_stage WHERE id = %(stage_id)s)),
            ('lead_company_id', %(lead_company_id)s, EXISTS (SELECT FROM res_company WHERE id = %(lead_company_id)s)),
            ('record_company_id', %(record_company_id)s,
             EXISTS (SELECT FROM res_company WHERE id = %(record_company_id)s)),
            ('alias_domain_id', %(alias_domain_id)s,
             EXISTS (SELECT FROM mail_alias_domain WHERE id = %(alias_domain_id)s)),
            ('created_subtype_id', %(created_subtype_id)s,
             EXISTS (SELECT FROM mail_message_subtype WHERE id = %(created_subtype_id)s)),
            ('note_subtype_id', %(note_subtype_id)s,
             EXISTS (SELECT FROM mail_message_subtype WHERE id = %(note_subtype_id)s))
        ) AS stored (field, id, is_there)
        WHERE id IS NOT NULL AND NOT is_there
        """,
        context.model_dump() | (crm_request._asdict() if crm_request else dict.fromkeys(CrmRequest._fields)),
    )
    return {row[0] for row in rows}


def _looked_up_anew(conn: Connection, request: MiningRequest, context: CrmContext) -> tuple[CrmContext, list[str]]:
    """The context with the people and the team that are left, and what follows from these; notices of the others.

    Notices go through XComs, so they name nobody.
    """
    notices = []
    acting = user_with_id(conn, context.acting_user_id)
    author: dict[str, Any] = {}
    if acting is None:
        acting = _same_login(conn, request)
        author = {
            "acting_user_id": acting.id,
            "email_from": addresses.formatted(acting.name, acting.email),
            "company_id": acting.company_id,
            "company_country_code": company_country_code(conn, acting.company_id),
        }
        notices.append(
            "the acting user was deleted in the CRM: the leads were loaded in the name of the new user with that login"
        )
    salesperson = _active_user(conn, context.salesperson_id)
    if context.salesperson_id is not None and salesperson is None:
        notices.append("the salesperson is no longer active in the CRM: the leads were loaded without one")
    team = _team(conn, context.team_id)
    if context.team_id is not None and team is None:
        notices.append(
            f"the sales team {context.reply_name!r} was deleted in the CRM: the leads were loaded without one"
        )
    update = {
        **author,
        **find_destination(conn, acting, salesperson, team)._asdict(),
        "acting_partner_id": acting.partner_id,
        "created_subtype_id": xml_id(conn, "crm", "mt_lead_create"),
        "note_subtype_id": xml_id(conn, "mail", "mt_note"),
    }
    return context.model_copy(update=update), notices


def _same_login(conn: Connection, request: MiningRequest) -> User:
    found = find_acting_user(conn, request.acting_user)
    if isinstance(found, User):
        return found
    raise CrmError(
        f"The acting user {request.acting_user!r}, in whose name this run's leads are made, was deleted in the CRM, and"
        f" no other can take their place ({found}). Make a user with this login there, with an e-mail address and the"
        " access right Sales / Administrator, and clear this task: what was bought is kept, and then loaded"
    )


def _active_user(conn: Connection, user_id: int | None) -> User | None:
    user = user_with_id(conn, user_id) if user_id is not None else None
    return user if user and user.active else None


def _team(conn: Connection, team_id: int | None) -> Team | None:
    return team_with_id(conn, team_id) if team_id is not None else None
