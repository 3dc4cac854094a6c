"""Loading leads: what Odoo 17 writes when its lead mining creates leads, in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import Connection, sql

from lead_mining.crm.context import CrmContext
from lead_mining.crm.messages import Message, new_ids, transaction_time, write_messages
from lead_mining.crm.values import LeadValues, lead_values, phone_columns
from lead_mining.exceptions import QualityError
from lead_mining.providers.base import Company

_PROBABILITY = 50.0

_FROM_COMPANY = [c for c in LeadValues._fields if c not in ("country_code", "state_code")]


def load_leads(
    conn: Connection, context: CrmContext, crm_request_id: int, leads: Sequence[tuple[int, Company]]
) -> dict[int, int]:
    """Insert a lead for each (candidate id, company), in the provider's order; returns candidate id to crm_lead.id.

    With it go the request's tags, the creation message and the followers of each lead. The caller owns the transaction.
    `probability` and `automated_probability` are 50, what Odoo gives all but the first lead where it has no history of
    won and lost leads; predictive scoring from a history is not done here.
    Raises QualityError, before anything is written, for companies with neither name nor domain.
    """
    candidates = [candidate for candidate, _ in leads]
    values = [lead_values(company) for _, company in leads]
    if nameless := [candidate for candidate, v in zip(candidates, values, strict=True) if not v.name]:
        raise QualityError(f"Candidates without a name and a domain cannot become leads: {_some(nameless)}")
    ids = new_ids(conn, "crm_lead", len(leads))
    _copy_leads(conn, context, crm_request_id, ids, values)
    _insert_tags(conn, crm_request_id, ids)
    write_messages(
        conn,
        context,
        [Message(i, v.name, context.created_subtype_id, "", None) for i, v in zip(ids, values, strict=True)],
    )
    _insert_followers(conn, context, ids)
    return dict(zip(candidates, ids, strict=True))


def _copy_leads(
    conn: Connection, context: CrmContext, crm_request_id: int, ids: Sequence[int], leads: Sequence[LeadValues]
) -> None:
    at = transaction_time(conn)
    countries = _country_ids(conn, {lead.country_code for lead in leads})
    states = _state_ids(conn, countries.values())
    same = {
        "lead_mining_request_id": crm_request_id,
        "type": context.lead_type,
        "user_id": context.salesperson_id,
        "team_id": context.team_id,
        "company_id": context.lead_company_id,
        "stage_id": context.stage_id,
        "priority": "0",
        "color": 0,
        "active": True,
        "message_bounce": 0,
        "probability": _PROBABILITY,
        "automated_probability": _PROBABILITY,
        "prorated_revenue": 0,
        "recurring_revenue_monthly": 0,
        "recurring_revenue_monthly_prorated": 0,
        "recurring_revenue_prorated": 0,
        "day_open": 0,
        "day_close": 0,
        "date_open": at if context.salesperson_id else None,
        "date_last_stage_update": at,
        "create_uid": context.acting_user_id,
        "write_uid": context.acting_user_id,
        "create_date": at,
        "write_date": at,
    }
    columns = ["id", *_FROM_COMPANY, "phone_sanitized", "phone_state", "country_id", "state_id", *same]
    constants = tuple(same.values())
    statement = sql.SQL("COPY crm_lead ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for id_, lead in zip(ids, leads, strict=True):
            *from_company, country_code, state_code = lead
            country_id = countries.get(country_code)
            phone = phone_columns(lead.phone, country_code if country_id else None, context.company_country_code)
            place = (country_id, states.get((country_id, state_code)))
            copy.write_row((id_, *from_company, *phone, *place, *constants))


def _country_ids(conn: Connection, codes: Iterable[str | None]) -> dict[str | None, int]:
    rows = conn.execute("SELECT code, id FROM res_country WHERE code = ANY(%s)", [[c for c in codes if c]])
    return dict(rows.fetchall())


def _state_ids(conn: Connection, country_ids: Iterable[int]) -> dict[tuple[int | None, str | None], int]:
    rows = conn.execute(
        "SELECT country_id, code, id FROM res_country_state WHERE country_id = ANY(%s)", [list(country_ids)]
    )
    return {(country, code): id_ for country, code, id_ in rows}


def _insert_tags(conn: Connection, crm_request_id: int, lead_ids: Sequence[int]) -> None:
    conn.execute(
        """
        INSERT INTO crm_tag_rel (lead_id, tag_id)
        SELECT lead_id, crm_tag_id
        FROM unnest(%s::int[]) AS lead_id
        CROSS JOIN crm_iap_lead_mining_request_crm_tag_rel
        WHERE crm_iap_lead_mining_request_id = %s
        """,
        [list(lead_ids), crm_request_id],
    )


def _insert_followers(conn: Connection, context: CrmContext, lead_ids: Sequence[int]) -> None:
    """The acting user on all leads, then the salesperson, with the subtypes that Odoo follows by default."""
    partners = dict.fromkeys(p for p in (context.acting_partner_id, context.salesperson_partner_id) if p)
    conn.execute(
        """
        WITH followers AS (
            INSERT INTO mail_followers (res_model, res_id, partner_id)
            SELECT 'crm.lead', lead_id, partner_id
            FROM unnest(%s::int[]) WITH ORDINALITY AS p (partner_id, position)
            CROSS JOIN unnest(%s::int[]) AS lead_id
            ORDER BY position, lead_id
            RETURNING id
        )
        INSERT INTO mail_followers_mail_message_subtype_rel (mail_followers_id, mail_message_subtype_id)
        SELECT followers.id, subtype.id
        FROM followers
        CROSS JOIN mail_message_subtype AS subtype
        WHERE subtype."default" AND (subtype.res_model IS NULL OR subtype.res_model = 'crm.lead')
        """,
        [list(partners), list(lead_ids)],
    )


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:20])) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
