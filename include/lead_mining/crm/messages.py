"""Messages in the chatter of leads (`mail_message`): the creation log and the enrichment note."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import randbelow
from time import time

from psycopg import Connection, sql

from lead_mining.crm.context import CrmContext

_COLUMNS = (
    "id", "parent_id", "res_id", "record_alias_domain_id", "record_company_id", "subtype_id", "author_id",
    "create_uid", "write_uid", "model", "record_name", "message_type", "email_from", "message_id", "reply_to", "body",
    "email_add_signature", "date", "create_date", "write_date",
)  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A message of the acting user on a lead. `body` is HTML."""

    lead_id: int
    lead_name: str
    subtype_id: int
    body: str
    parent_id: int | None


def write_messages(conn: Connection, context: CrmContext, messages: Sequence[Message]) -> list[int]:
    """Insert the messages; returns their ids, ascending, in the order given. The caller owns the transaction."""
    ids = new_ids(conn, "mail_message", len(messages))
    at, host = transaction_time(conn), socket.gethostname()
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    with (
        conn.cursor() as cursor,
        cursor.copy(sql.SQL("COPY mail_message ({}) FROM STDIN").format(columns)) as copy,
    ):
        for id_, message in zip(ids, messages, strict=True):
            copy.write_row(_row(context, id_, message, at, host))
    return ids


def _row(context: CrmContext, id_: int, message: Message, at: datetime, host: str) -> tuple[object, ...]:
    return (
        id_,
        message.parent_id,
        message.lead_id,
        context.alias_domain_id,
        context.record_company_id,
        message.subtype_id,
        context.acting_partner_id,
        context.acting_user_id,
        context.acting_user_id,
        "crm.lead",
        message.lead_name,
        "notification",
        context.email_from,
        _message_id(message.lead_id, host),
        context.reply_to(message.lead_name),
        message.body,
        True,
        at.replace(microsecond=0),
        at,
        at,
    )


def _message_id(lead_id: int, host: str) -> str:
    """The header Message-Id, in the form that Odoo's mail gateway recognises answers by."""
    return f"<{randbelow(10**15):015d}.{time():.15f}-openerp-{lead_id}-crm.lead@{host}>"


def new_ids(conn: Connection, table: str, number: int) -> list[int]:
    """So many ids for new rows of a table, ascending, from its own sequence: nobody else gets them."""
    query = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
    return sorted(row[0] for row in conn.execute(query, [f"public.{table}", number]))


def transaction_time(conn: Connection) -> datetime:
    """Now, as Odoo writes it: the transaction's time in UTC, without a time zone."""
    row = conn.execute("SELECT now() AT TIME ZONE 'utc'").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
