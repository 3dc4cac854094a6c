"""Who is notified of what happens to a lead (`mail_notification`): the salesperson and the followers, as in Odoo 17.

Users who chose so read it in Odoo's inbox, all others get a mail (`lead_mining.crm.mails`). What Odoo pushes to open
browsers is not written: the inbox shows the same when it is next loaded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from psycopg import Connection

from lead_mining.crm.context import CrmContext
from lead_mining.crm.mails import Reader, assignment_body, queue_mails
from lead_mining.crm.messages import Message, WrittenMessage, copy_rows, write_messages
from lead_mining.plain import one_line

_COLUMNS = (
    "author_id", "mail_message_id", "res_partner_id", "mail_mail_id", "notification_type", "notification_status",
    "is_read", "read_date",
)  # fmt: skip

# A Reader, of the partner p. Of several users of a partner, an internal one speaks for it.
_READER = """
    p.id, NOT coalesce(u.share, false) AND NOT coalesce(p.partner_share, false),
    coalesce(u.notification_type = 'inbox', false)
"""
_USER = """
    LEFT JOIN LATERAL (
        SELECT share, notification_type FROM res_users
        WHERE partner_id = p.id AND active
        ORDER BY share NULLS FIRST, id LIMIT 1
    ) AS u ON true
"""


def notify_salesperson(conn: Connection, context: CrmContext, leads: Sequence[tuple[int, str]]) -> None:
    """Tell the salesperson of each (lead id, lead name) that it was assigned to them.

    Nothing for the acting user, nor for a user who is archived by now. A salesperson without an e-mail address is
    mailed too: Odoo then marks the notification as failed. The caller owns the transaction.
    """
    if not leads or context.salesperson_id in (None, context.acting_user_id):
        return
    row = conn.execute(
        f"""
        SELECT coalesce(p.name, ''), p.active IS NOT FALSE, {_READER}
        FROM res_users salesperson
        JOIN res_partner p ON p.id = salesperson.partner_id
        {_USER}
        WHERE salesperson.id = %s AND salesperson.active
        """,
        [context.salesperson_id],
    ).fetchone()
    if row is None:
        return
    name, is_active, *columns = row
    reader = Reader(*columns)
    written = write_messages(conn, context, [_assignment(context, name, *lead) for lead in leads])
    addressed = ((w.id, reader.partner_id) for w in written)
    copy_rows(conn, "mail_message_res_partner_rel", ("mail_message_id", "res_partner_id"), addressed)
    if is_active and reader.partner_id != context.acting_partner_id:
        _notify(conn, context, [(w, reader) for w in written])


def _assignment(context: CrmContext, salesperson: str, lead_id: int, lead_name: str) -> Message:
    return Message(
        lead_id,
        lead_name,
        context.note_subtype_id,
        assignment_body(salesperson, lead_name),
        subject=one_line(f"You have been assigned to {lead_name}"),
        message_type="user_notification",
    )


def post_messages(conn: Connection, context: CrmContext, messages: Sequence[Message]) -> list[int]:
    """Insert messages into the chatter of leads, and notify those who follow the lead and the message's subtype.

    Returns the messages' ids, ascending, in the order given. Those that go out as mails get a subject, the lead's name.
    Not notified are the acting user and archived people, and of internal subtypes partners without an internal user.
    The caller owns the transaction.
    """
    readers = _followers(conn, context, messages)
    by_mail = {key for key, found in readers.items() if not all(reader.in_inbox for reader in found)}
    for message in messages:
        if not message.subject and _followed(message) in by_mail:
            message.subject = one_line(message.lead_name)
    written = write_messages(conn, context, messages)
    _notify(conn, context, [(w, reader) for w in written for reader in readers.get(_followed(w.message), ())])
    return [w.id for w in written]


def _followed(message: Message) -> tuple[int, int]:
    return message.lead_id, message.subtype_id


def _followers(
    conn: Connection, context: CrmContext, messages: Iterable[Message]
) -> Mapping[tuple[int, int], list[Reader]]:
    """(Lead id, subtype id) to who is to be told."""
    # unnest, not ANY: where PostgreSQL 12 and 13 filter by an array, they compare each row with each element.
    rows = conn.execute(
        f"""
        SELECT f.res_id, s.id, {_READER}
        FROM unnest(%s::int[]) AS told (lead_id)
        JOIN mail_followers f ON f.res_model = 'crm.lead' AND f.res_id = told.lead_id
        JOIN mail_followers_mail_message_subtype_rel r ON r.mail_followers_id = f.id
        JOIN mail_message_subtype s ON s.id = r.mail_message_subtype_id
        JOIN res_partner p ON p.id = f.partner_id
        {_USER}
        WHERE s.id = ANY(%s) AND p.id <> %s AND p.active IS NOT FALSE
          AND NOT (coalesce(s.internal, false) AND coalesce(p.partner_share, false))
        ORDER BY f.id
        """,
        [list({m.lead_id for m in messages}), list({m.subtype_id for m in messages}), context.acting_partner_id],
    )
    readers = defaultdict(list)
    for lead_id, subtype_id, *reader in rows:
        readers[lead_id, subtype_id].append(Reader(*reader))
    return readers


def _notify(conn: Connection, context: CrmContext, notices: Sequence[tuple[WrittenMessage, Reader]]) -> None:
    """A mail counts as read, so that it does not stand in the inbox too; when it is sent, Odoo says so."""
    if not notices:
        return
    mail_ids = queue_mails(conn, context, [(w, reader) for w, reader in notices if not reader.in_inbox])
    now = notices[0][0].at.replace(microsecond=0)
    inbox, mail = ("inbox", "sent", None, None), ("email", "ready", True, now)
    rows = (
        (
            *(context.acting_partner_id, w.id, reader.partner_id, mail_ids.get((w.id, reader.partner_id))),
            *(inbox if reader.in_inbox else mail),
        )
        for w, reader in notices
    )
    copy_rows(conn, "mail_notification", _COLUMNS, rows)
