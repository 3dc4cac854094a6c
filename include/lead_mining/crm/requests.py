"""The mining request as a row of the CRM, with its relation tables: what Odoo's form would have saved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from psycopg import Connection, sql

from lead_mining.crm.context import CrmContext
from lead_mining.crm.sequence import next_number
from lead_mining.request import MiningRequest

State = Literal["draft", "error", "done"]
ErrorType = Literal["credits", "no_result"]


class CrmRequest(NamedTuple):
    """What a request is known by in the CRM: the id alone may be another one's, once the module was installed anew."""

    id: int
    number: str
    made_at: datetime | None
    """In UTC, without a time zone, as Odoo keeps it. None is nobody's."""


IS_OURS = "id = %(id)s AND name = %(number)s AND create_date = %(made_at)s"
"""Which row of `crm_iap_lead_mining_request` a `CrmRequest` is, by its fields."""

_ODOO_CONTACT_NUMBER = 10  # Odoo's default, which its form leaves where only companies are searched for


def create_request(conn: Connection, request: MiningRequest, context: CrmContext) -> CrmRequest:
    """Insert the request in state draft under its own number.

    Makes missing tags. The caller owns the transaction. Raises CrmError where the CRM cannot number it.
    """
    name = next_number(conn, context.company_id)
    row = conn.execute(
        """
        INSERT INTO crm_iap_lead_mining_request (
            name, state, search_type, lead_number, lead_type, team_id, user_id, filter_on_size, company_size_min,
            company_size_max, contact_number, contact_filter_type, preferred_role_id, seniority_id,
            create_uid, write_uid, create_date, write_date)
        VALUES (%(name)s, 'draft', %(search_type)s, %(lead_number)s, %(lead_type)s, %(team)s, %(user)s,
            %(filter_on_size)s, %(size_min)s, %(size_max)s, %(contact_number)s, %(contact_filter_type)s,
            %(preferred_role)s, %(seniority)s, %(uid)s, %(uid)s, now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc')
        RETURNING id, create_date
        """,
        {
            "name": name,
            "search_type": request.search_type,
            "lead_number": request.lead_number,
            "lead_type": context.lead_type,
            "team": context.team_id,
            "user": context.salesperson_id,
            "filter_on_size": request.filter_on_size,
            "size_min": request.company_size_min,
            "size_max": request.company_size_max,
            "contact_number": request.contact_number if request.search_type == "people" else _ODOO_CONTACT_NUMBER,
            "contact_filter_type": request.contact_filter_type,
            "preferred_role": context.preferred_role_id,
            "seniority": context.seniority_id,
            "uid": context.acting_user_id,
        },
    ).fetchone()
    assert row is not None
    request_id: int = row[0]
    made = CrmRequest(request_id, name, row[1])
    _relate(conn, request_id, "res_country", context.country_ids)
    _relate(conn, request_id, "res_country_state", context.state_ids)
    _relate(conn, request_id, "crm_iap_lead_role", context.role_ids)
    _relate(conn, request_id, "crm_tag", _named_tags(conn, context))
    _relate(
        conn, request_id, "crm_iap_lead_industry", context.industry_ids,
        "crm_iap_lead_industry_crm_iap_lead_mining_request_rel",
    )  # fmt: skip
    return made


def set_state(
    conn: Connection, crm_request: CrmRequest, acting_user_id: int, state: State, error_type: ErrorType | None = None
) -> None:
    """Write the request's state and error type. Nothing where the request was deleted: its leads are kept."""
    conn.execute(
        "UPDATE crm_iap_lead_mining_request SET state = %(state)s, error_type = %(error_type)s, write_uid = %(uid)s,"
        f" write_date = now() AT TIME ZONE 'utc' WHERE {IS_OURS}",
        crm_request._asdict() | {"state": state, "error_type": error_type, "uid": acting_user_id},
    )


def _relate(conn: Connection, request_id: int, other: str, ids: Sequence[int], table: str | None = None) -> None:
    """Rows of one many-to-many table, which Odoo names after both tables, in alphabetical order."""
    conn.execute(
        sql.SQL("INSERT INTO {} (crm_iap_lead_mining_request_id, {}) SELECT %s, unnest(%s::int[])").format(
            sql.Identifier(table or f"crm_iap_lead_mining_request_{other}_rel"), sql.Identifier(f"{other}_id")
        ),
        [request_id, list(ids)],
    )


def tag_ids(conn: Connection, context: CrmContext, crm_request_id: int | None) -> list[int]:
    """Ids of the tags that the request has now; without a request, of the context's, of which missing ones are made."""
    if crm_request_id is None:
        return sorted(_named_tags(conn, context))
    query = """
        SELECT crm_tag_id FROM crm_iap_lead_mining_request_crm_tag_rel WHERE crm_iap_lead_mining_request_id = %s
        ORDER BY crm_tag_id
    """
    return [row[0] for row in conn.execute(query, [crm_request_id])]


def _named_tags(conn: Connection, context: CrmContext) -> list[int]:
    """Ids of the context's tags, by name in any language; missing ones are made, in a random colour as in Odoo."""
    found = _find_tags(conn, context.tag_names)
    missing = sorted(set(context.tag_names) - found.keys())  # sorted: two runs at once must not wait for each other
    conn.execute(
        """
        INSERT INTO crm_tag (name, color, create_uid, write_uid, create_date, write_date)
        SELECT jsonb_build_object('en_US', name), 1 + floor(random() * 11)::int, %(uid)s, %(uid)s,
               now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc'
        FROM unnest(%(names)s::text[]) AS name
        ON CONFLICT DO NOTHING
        """,
        {"names": missing, "uid": context.acting_user_id},
    )
    found |= _find_tags(conn, missing)
    return list(dict.fromkeys(found[name] for name in context.tag_names))


def _find_tags(conn: Connection, names: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        """
        SELECT wanted, min(t.id)
        FROM unnest(%s::text[]) AS wanted
        JOIN crm_tag t ON EXISTS (SELECT FROM jsonb_each_text(t.name) AS n WHERE n.value = wanted)
        GROUP BY wanted
        """,
        [list(names)],
    )
    return dict(rows.fetchall())
