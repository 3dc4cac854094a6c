"""Writing enrichment notes into the chatter of leads. What a note says is not decided here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import Connection
from psycopg.errors import ForeignKeyViolation

from lead_mining.crm.context import CrmContext
from lead_mining.crm.messages import Message, forget_plans
from lead_mining.crm.notifications import post_messages

_LOOKS_AGAIN = 3


Body = str | Callable[[], str]
"""HTML, or what makes it."""


def write_notes(conn: Connection, context: CrmContext, notes: Sequence[tuple[int, Body]]) -> dict[int, int]:
    """Insert a note for each (lead id, body), in that order; returns lead id to mail_message.id.

    A note answers the lead's first message, as in Odoo. A lead that somebody deleted meanwhile gets none and is not in
    the result. Who follows notes is notified. The caller owns the transaction.
    """
    forget_plans(conn)
    for _ in range(_LOOKS_AGAIN):
        try:
            with conn.transaction():
                return _write_notes(conn, context, notes)
        except ForeignKeyViolation:  # Odoo deletes a lead's messages first; we waited for that, and now see it gone
            continue
    return _write_notes(conn, context, notes)


def _write_notes(conn: Connection, context: CrmContext, notes: Sequence[tuple[int, Body]]) -> dict[int, int]:
    leads = _leads(conn, [lead_id for lead_id, _ in notes])
    messages = [
        Message(lead_id, name, context.note_subtype_id, body, parent_id)
        for lead_id, body in notes
        if (found := leads.get(lead_id))
        for name, parent_id in [found]
    ]
    ids = post_messages(conn, context, messages)
    return {message.lead_id: id_ for message, id_ in zip(messages, ids, strict=True)}


def _leads(conn: Connection, lead_ids: Sequence[int]) -> dict[int, tuple[str, int | None]]:
    """Name and first message of each lead."""
    rows = conn.execute(
        """
        SELECT l.id, l.name, min(m.id)
        FROM crm_lead l
        LEFT JOIN mail_message m
               ON m.model = 'crm.lead' AND m.res_id = l.id AND m.message_type <> 'user_notification'
        WHERE l.id = ANY(%s)
        GROUP BY l.id
        """,
        [list(lead_ids)],
    )
    return {id_: (name, parent_id) for id_, name, parent_id in rows}
