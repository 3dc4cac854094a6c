"""People, followers and bare leads in a CRM, made for a test; and counting the statements that something takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

TEAM_DEFAULT = (1, 10, 11, 12)
"""What one follows of a team by default: discussions; leads created, changing stage, won."""


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


@contextmanager
def counted_statements(conn: psycopg.Connection) -> Iterator[Callable[[], int]]:
    """Counts what is sent to the database through this connection, COPY included."""
    count = 0

    class Counting(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            return super().execute(*args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            return super().copy(*args, **kwargs)

    before, conn.cursor_factory = conn.cursor_factory, Counting
    try:
        yield lambda: count
    finally:
        conn.cursor_factory = before
