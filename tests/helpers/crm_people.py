"""People, followers, an alias domain and bare leads in a CRM, made for a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from lead_mining.crm.context import CrmContext
from lead_mining.crm.followers import add_followers
from lead_mining.crm.messages import Message
from lead_mining.crm.notifications import notify_salesperson, post_messages

TEAM_DEFAULT = (1, 10, 11, 12)
"""What one follows of a team by default: discussions; leads created, changing stage, won."""

CREATED = 5
"""The subtype of creation messages."""


def scalar(conn: psycopg.Connection, query: str, *arguments: object) -> Any:
    row = conn.execute(query, list(arguments)).fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]


def add_partner(conn: psycopg.Connection, name: str, *, active: bool = True, share: bool = True) -> int:
    """`share`: it has no internal user."""
    return int(
        scalar(
            conn,
            "INSERT INTO res_partner (name, email, type, active, partner_share)"
            " VALUES (%s, 'someone@example.com', 'contact', %s, %s) RETURNING id",
            name, active, share,
        )
    )  # fmt: skip


def add_user(
    conn: psycopg.Connection, partner_id: int, *, share: bool = False, reads: str = "email", active: bool = True
) -> int:
    return int(
        scalar(
            conn,
            "INSERT INTO res_users (login, partner_id, company_id, share, notification_type, active)"
            " VALUES ('user-' || gen_random_uuid(), %s, 1, %s, %s, %s) RETURNING id",
            partner_id, share, reads, active,
        )
    )  # fmt: skip


def follow(
    conn: psycopg.Connection, model: str, record_id: int | None, partner_id: int, subtypes: Sequence[int]
) -> None:
    follower = scalar(
        conn,
        "INSERT INTO mail_followers (res_model, res_id, partner_id) VALUES (%s, %s, %s) RETURNING id",
        model, record_id, partner_id,
    )  # fmt: skip
    conn.execute(
        "INSERT INTO mail_followers_mail_message_subtype_rel (mail_followers_id, mail_message_subtype_id)"
        " SELECT %s, unnest(%s::int[])",
        [follower, list(subtypes)],
    )


def add_leads(conn: psycopg.Connection, *names: str) -> list[tuple[int, str]]:
    """Leads without followers or messages, as (id, name)."""
    rows = conn.execute(
        "INSERT INTO crm_lead (name, type) SELECT name, 'lead' FROM unnest(%s::text[]) AS name RETURNING id, name",
        [list(names)],
    )
    return rows.fetchall()


def tell_of(conn: psycopg.Connection, context: CrmContext, *names: str) -> list[int]:
    """Leads as they are loaded, as far as people are told of them; their ids."""
    leads = add_leads(conn, *names)
    add_followers(conn, context, [lead_id for lead_id, _ in leads])
    notify_salesperson(conn, context, leads)
    post_messages(conn, context, [Message(lead_id, name, CREATED, "") for lead_id, name in leads])
    return [lead_id for lead_id, _ in leads]


def add_company(conn: psycopg.Connection) -> int:
    """A company, "Other", that nobody may work for yet."""
    return int(
        scalar(
            conn,
            "INSERT INTO res_company (name, partner_id, currency_id, layout_background, active)"
            " VALUES ('Other', 1, 1, 'Blank', true) RETURNING id",
        )
    )


def set_alias_domain(conn: psycopg.Connection) -> int:
    """The company's mail domain becomes acme.test, with the addresses of the teams that have a name there."""
    domain = scalar(
        conn,
        "INSERT INTO mail_alias_domain (name, bounce_alias, catchall_alias, sequence)"
        " VALUES ('acme.test', 'bounce', 'catchall', 10) RETURNING id",
    )
    conn.execute("UPDATE res_company SET alias_domain_id = %s", [domain])
    conn.execute("UPDATE mail_alias SET alias_domain_id = %s, alias_full_name = alias_name || '@acme.test'", [domain])
    return int(domain)
