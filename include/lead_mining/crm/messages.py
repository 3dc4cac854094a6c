"""Messages on leads (`mail_message`): the creation log, the enrichment note, the assignment to a salesperson."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from secrets import randbelow
from time import time
from typing import Literal, NamedTuple

from psycopg import Connection, sql

from lead_mining.crm.context import CrmContext
from lead_mining.crm.values import clean
from lead_mining.plain import one_line

_COLUMNS = (
    "id", "parent_id", "res_id", "record_alias_domain_id", "record_company_id", "subtype_id", "author_id",
    "create_uid", "write_uid", "subject", "model", "record_name", "message_type", "email_from", "message_id",
    "reply_to", "email_layout_xmlid", "body", "is_internal", "email_add_signature", "date", "create_date", "write_date",
)  # fmt: skip


@dataclass
class Message:
    """A message of the acting user on a lead. `body` is HTML, or makes it: when it is first asked for, and once.

    A `notification` stands in the lead's chatter; a `user_notification` is for those alone whom it is sent to.
    """

    lead_id: int
    lead_name: str
    subtype_id: int
    body: str | Callable[[], str]
    parent_id: int | None = None
    subject: str | None = None
    message_type: Literal["notification", "user_notification"] = "notification"

    @cached_property
    def html(self) -> str:
        return clean(self.body if isinstance(self.body, str) else self.body()) or ""


class WrittenMessage(NamedTuple):
    """A message as a row of `mail_message`: its id, its header Message-Id, and when it was written."""

    id: int
    message_id: str
    at: datetime
    message: Message


def write_messages(conn: Connection, context: CrmContext, messages: Sequence[Message]) -> list[WrittenMessage]:
    """Insert the messages, in the order given, with ascending ids. Notifies nobody. The caller owns the transaction."""
    host = socket.gethostname()
    ids, at = new_ids(conn, "mail_message", len(messages))
    written = [
        WrittenMessage(id_, _message_id(message, host), at, message) for id_, message in zip(ids, messages, strict=True)
    ]
    # Row by row: bodies are made here while PostgreSQL stores those before.
    copy_rows(conn, "mail_message", _COLUMNS, (_row(context, w) for w in written))
    return written


def _row(context: CrmContext, written: WrittenMessage) -> tuple[object, ...]:
    message, at = written.message, written.at
    to_user = message.message_type == "user_notification"
    return (
        written.id,
        message.parent_id,
        message.lead_id,
        context.alias_domain_id,
        context.record_company_id,
        message.subtype_id,
        context.acting_partner_id,
        context.acting_user_id,
        context.acting_user_id,
        message.subject,
        "crm.lead",
        message.lead_name,
        message.message_type,
        context.email_from,
        written.message_id,
        context.reply_to(one_line(message.lead_name)),
        "mail.mail_notification_layout" if to_user else None,
        message.html,
        True if to_user else None,
        True,
        at.replace(microsecond=0),
        at,
        at,
    )


def _message_id(message: Message, host: str) -> str:
    """The header Message-Id, in the form that Odoo's mail gateway recognises answers by."""
    about = "message-notify" if message.message_type == "user_notification" else f"{message.lead_id}-crm.lead"
    return f"<{randbelow(10**15):015d}.{time():.15f}-openerp-{about}@{host}>"


def copy_rows(conn: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert rows with COPY: one statement, however many."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def forget_plans(conn: Connection) -> None:
    """To be called before many rows are inserted. A session keeps the plans of foreign keys' checks, and one that was
    made while a table was small reads all of the table for each new row, however large it has become.
    """
    conn.execute("DISCARD PLANS")


def new_ids(conn: Connection, table: str, number: int) -> tuple[list[int], datetime]:
    """So many ids for new rows of a table, ascending, from its own sequence: nobody else gets them.

    With them comes now, as Odoo writes it into such rows: the transaction's time in UTC, without a time zone.
    """
    row = conn.execute(
        """
        SELECT array_agg(nextval(s.name)), now() AT TIME ZONE 'utc'
        FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass OFFSET 0) AS s (name), generate_series(1, %s)
        """,
        [f"public.{table}", number],
    ).fetchone()
    assert row is not None
    ids, at = row
    return sorted(ids or ()), at
