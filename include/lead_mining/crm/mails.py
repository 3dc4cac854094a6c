"""Mails about leads, left in Odoo's outgoing queue (`mail_mail`): Odoo's own scheduled action sends them.

Odoo sends each row of the queue, a mail of its own to every recipient, finishes the notifications that name the row and
deletes it; where a recipient has no address, it marks that notification as failed. Nothing is sent from here.

The markup is our own, in English: Odoo keeps the translations of its templates outside the database. All that is not
made here is escaped. Odoo's links to convert, win or lose a lead are left out: the CRM signs them with a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment, StrictUndefined, Template
from psycopg import Connection

from lead_mining.crm import crons, settings
from lead_mining.crm.context import CrmContext
from lead_mining.crm.messages import Message, WrittenMessage, copy_rows, new_ids
from lead_mining.plain import one_line

_COLUMNS = (
    "state", "is_notification", "auto_delete", "create_uid", "write_uid", "create_date", "write_date",
    "id", "mail_message_id", "body_html", "references", "headers",
)  # fmt: skip


class Reader(NamedTuple):
    """Who is notified of a message. `is_internal`: has an internal user. `in_inbox`: reads in Odoo, not by mail."""

    partner_id: int
    is_internal: bool
    in_inbox: bool


class Sender(NamedTuple):
    """From whom the mails are. `base_url`: the CRM's web address. `bounce_address`: where undeliverable ones return."""

    author: str
    company: str
    bounce_address: str | None
    base_url: str | None


def queue_mails(
    conn: Connection, context: CrmContext, mailed: Sequence[tuple[WrittenMessage, Reader]]
) -> dict[tuple[int, int], int]:
    """Queue one mail of each message for its internal readers and one for the others.

    Returns (mail_message.id, res_partner.id) to mail_mail.id. The caller owns the transaction.
    """
    if not mailed:
        return {}
    written = {(w.id, reader.is_internal): w for w, reader in mailed}
    new, at = new_ids(conn, "mail_mail", len(written))
    ids = dict(zip(written, new, strict=True))
    sender = _sender(conn, context)
    parents = _message_ids(conn, {w.message.parent_id for w in written.values() if w.message.parent_id})
    uid = context.acting_user_id
    rows = (
        (
            *("outgoing", True, True, uid, uid, at, at),
            ids[key],
            w.id,
            mail_body(
                w.message,
                sender,
                lead_type=context.lead_type,
                is_note=w.message.subtype_id == context.note_subtype_id,
                is_internal=key[1],
            ),
            " ".join(filter(None, (parents.get(w.message.parent_id), w.message_id))),
            mail_headers(w.message.lead_id, sender.bounce_address),
        )
        for key, w in written.items()
    )
    copy_rows(conn, "mail_mail", _COLUMNS, rows)
    mail_ids = {(w.id, reader.partner_id): ids[w.id, reader.is_internal] for w, reader in mailed}
    addressed = ((mail_id, partner_id) for (_, partner_id), mail_id in mail_ids.items())
    copy_rows(conn, "mail_mail_res_partner_rel", ("mail_mail_id", "res_partner_id"), addressed)
    crons.wake(conn, uid, *crons.MAIL_QUEUE)
    return mail_ids


def _sender(conn: Connection, context: CrmContext) -> Sender:
    row = conn.execute(
        """
        SELECT (SELECT name FROM res_partner WHERE id = %s),
               (SELECT name FROM res_company WHERE id = %s),
               (SELECT nullif(bounce_alias, '') || '@' || name FROM mail_alias_domain WHERE id = %s)
        """,
        [context.acting_partner_id, context.record_company_id, context.alias_domain_id],
    ).fetchone()
    assert row is not None
    author, company, bounce_address = row
    base_url = settings.read(conn, ["web.base.url"]).get("web.base.url")
    return Sender(author or "", company or "", bounce_address, base_url)


def _message_ids(conn: Connection, ids: Collection[int]) -> dict[int | None, str]:
    """The headers Message-Id of messages that were there before."""
    rows = conn.execute("SELECT id, message_id FROM mail_message WHERE id = ANY(%s)", [list(ids)]) if ids else ()
    return {id_: message_id for id_, message_id in rows if message_id}


def mail_headers(lead_id: int, bounce_address: str | None) -> str:
    """Headers that Odoo's mails about a lead have, as the text of a Python dict, in which Odoo keeps them."""
    bounce = {"Return-Path": bounce_address} if bounce_address else {}
    return repr(bounce | {"X-Odoo-Objects": f"crm.lead-{lead_id}"})


def mail_body(message: Message, sender: Sender, *, lead_type: str, is_note: bool, is_internal: bool) -> str:
    """HTML of a mail. A message without a body, such as a creation log, says that the lead was created.

    Only internal users get links, for others cannot open leads. The link to unfollow is Odoo's to finish: in sending,
    it signs it for a follower and takes it out for all others.
    """
    view_url = None
    if is_internal and sender.base_url:
        query = urlencode({"model": "crm.lead", "res_id": message.lead_id})
        view_url = f"{sender.base_url.rstrip('/')}/mail/view?{query}"
    return _template("mail").render(
        subject=one_line(message.subject or message.lead_name),
        lead_name=message.lead_name,
        lead_type=lead_type,
        view_url=view_url,
        body=message.html,  # made here, or by notes.render: HTML, and what is not ours in it escaped
        is_note=is_note,
        author=sender.author,
        company=sender.company,
        is_internal=is_internal,
    )


def assignment_body(salesperson: str, lead_name: str) -> str:
    """HTML of the message to a salesperson who was assigned a lead."""
    return _template("assignment").render(salesperson=salesperson, lead_name=lead_name)


@cache
def _template(name: str) -> Template:
    source = files(__package__).joinpath("templates", f"{name}.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
