"""Loading leads: what Odoo 17 writes when its lead mining creates leads, in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg import Connection

from lead_mining.crm import crons, requests, scoring
from lead_mining.crm.context import CrmContext
from lead_mining.crm.followers import add_followers
from lead_mining.crm.messages import Message, copy_rows, forget_plans, new_ids
from lead_mining.crm.notifications import notify_salesperson, post_messages
from lead_mining.crm.values import LeadValues, lead_values, phone_columns
from lead_mining.exceptions import QualityError
from lead_mining.providers.base import Company

_FROM_COMPANY = LeadValues._fields[:-2]  # the last two are country and state, as codes
_DERIVED = ("phone_sanitized", "phone_state", "country_id", "state_id")


def load_leads(
    conn: Connection, context: CrmContext, crm_request_id: int | None, leads: Sequence[tuple[int, Company]]
) -> dict[int, int]:
    """Insert a lead for each (candidate id, company), in the provider's order; returns candidate id to crm_lead.id.

    With them go the request's tags, the followers, the creation message, and what these notify: a salesperson who is
    not the acting user, and those who follow the team. `crm_request_id`: None where the request was deleted; the
    tags are then found or made anew, by name. The caller owns the transaction.
    Raises QualityError, before anything is written, for companies with neither name nor domain.
    """
    if not leads:
        return {}
    candidates = [candidate for candidate, _ in leads]
    values = [lead_values(company) for _, company in leads]
    if nameless := [candidate for candidate, v in zip(candidates, values, strict=True) if not v.name]:
        raise QualityError(f"Candidates without a name and a domain cannot become leads: {_some(nameless)}")
    forget_plans(conn)
    ids, at = new_ids(conn, "crm_lead", len(leads))
    tag_ids = requests.tag_ids(conn, context, crm_request_id)
    _copy_leads(conn, context, crm_request_id, ids, at, values, tag_ids)
    _insert_tags(conn, ids, tag_ids)
    add_followers(conn, context, ids)
    named = [(id_, lead.name) for id_, lead in zip(ids, values, strict=True)]
    notify_salesperson(conn, context, named)
    post_messages(conn, context, [Message(id_, name, context.created_subtype_id, "") for id_, name in named])
    crons.wake_enrichment(conn, context.acting_user_id)
    return dict(zip(candidates, ids, strict=True))


def _copy_leads(
    conn: Connection,
    context: CrmContext,
    crm_request_id: int | None,
    ids: Sequence[int],
    at: datetime,
    leads: Sequence[LeadValues],
    tag_ids: Sequence[int],
) -> None:
    same: dict[str, object] = {
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
    derived = _derived_columns(conn, context, leads)
    scored_by = same | {"tag_ids": tag_ids}
    scores = scoring.probabilities(
        conn,
        context.team_id,
        (scored_by | lead._asdict() | its_own for lead, its_own in zip(leads, derived, strict=True)),
    )
    columns = ["id", *_FROM_COMPANY, *_DERIVED, "probability", "automated_probability", *same]
    constants = tuple(same.values())
    rows = (
        (id_, *lead[: len(_FROM_COMPANY)], *its_own.values(), score, score, *constants)
        for id_, lead, its_own, score in zip(ids, leads, derived, scores, strict=True)
    )
    copy_rows(conn, "crm_lead", columns, rows)


def _derived_columns(conn: Connection, context: CrmContext, leads: Sequence[LeadValues]) -> list[dict[str, object]]:
    """The columns `_DERIVED` of each lead: place as the CRM's ids, and the phone by the country's rules."""
    countries, states = _places(conn, {lead.country_code for lead in leads})
    derived: list[dict[str, object]] = []
    for lead in leads:
        country_id = countries.get(lead.country_code)
        country_code = lead.country_code if country_id else None
        phone = phone_columns(lead.phone, country_code, context.company_country_code)
        place = (country_id, states.get((country_id, lead.state_code)))
        derived.append(dict(zip(_DERIVED, (*phone, *place), strict=True)))
    return derived


def _places(
    conn: Connection, codes: Iterable[str | None]
) -> tuple[dict[str | None, int], dict[tuple[int | None, str | None], int]]:
    """Country ids by code, and ids of their states by country id and code."""
    rows = conn.execute(
        "SELECT c.code, c.id, s.code, s.id FROM res_country c LEFT JOIN res_country_state s ON s.country_id = c.id"
        " WHERE c.code = ANY(%s)",
        [[code for code in codes if code]],
    ).fetchall()
    countries = {country: id_ for country, id_, _, _ in rows}
    return countries, {(country_id, state): id_ for _, country_id, state, id_ in rows if id_ is not None}


def _insert_tags(conn: Connection, lead_ids: Sequence[int], tag_ids: Sequence[int]) -> None:
    conn.execute(
        """
        INSERT INTO crm_tag_rel (lead_id, tag_id)
        SELECT lead_id, tag_id FROM unnest(%s::int[]) AS lead_id CROSS JOIN unnest(%s::int[]) AS tag_id
        """,
        [list(lead_ids), list(tag_ids)],
    )


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:20])) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
