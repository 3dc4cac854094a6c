"""What lies in Odoo's outgoing queue after leads were loaded, on both kinds of CRM: what its scheduled action needs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import psycopg
import pytest
from crm_people import (
    CREATED,
    TEAM_DEFAULT,
    add_leads,
    add_partner,
    add_user,
    follow,
    scalar,
    set_alias_domain,
    tell_of,
)
from mail_reader import Mail

from lead_mining.crm.context import CrmContext
from lead_mining.crm.messages import Message
from lead_mining.crm.notes import write_notes
from lead_mining.crm.notifications import notify_salesperson, post_messages

Rows = Callable[..., list[dict[str, Any]]]
Requested = Callable[..., tuple[CrmContext, int]]

NOTES = 2


def queued(rows: Rows, leads: list[int]) -> list[dict[str, Any]]:
    """What Odoo sends: mails of the queue, with their message and all recipients."""
    return rows(
        """
        SELECT mail.*, m.subject, m.message_id, m.reply_to, m.email_from, m.subtype_id, m.res_id, m.message_type,
               ARRAY(SELECT res_partner_id FROM mail_mail_res_partner_rel WHERE mail_mail_id = mail.id ORDER BY 1) AS "to"
        FROM mail_mail mail JOIN mail_message m ON m.id = mail.mail_message_id
        WHERE mail.state = 'outgoing' AND mail.scheduled_date IS NULL AND m.model = 'crm.lead' AND m.res_id = ANY(%s)
        ORDER BY mail.id
        """,
        leads,
    )


def test_the_row_of_a_mail(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    (mail,) = queued(rows, tell_of(crm, context, "Lotus & Co"))
    (now,) = rows("SELECT now() AT TIME ZONE 'utc' AS at")
    columns = rows("SELECT * FROM mail_mail WHERE id = %s", mail["id"])[0]
    del columns["id"], columns["body_html"]
    assert {column: value for column, value in columns.items() if value is not None} == {
        "mail_message_id": mail["mail_message_id"],
        "state": "outgoing",
        "is_notification": True,
        "auto_delete": True,
        "references": mail["message_id"],
        "headers": f"{{'X-Odoo-Objects': 'crm.lead-{mail['res_id']}'}}",
        **dict.fromkeys(["create_uid", "write_uid"], context.acting_user_id),
        **dict.fromkeys(["create_date", "write_date"], now["at"]),
    }
    assert mail["to"] == [context.salesperson_partner_id]
    assert mail["subject"] == "You have been assigned to Lotus & Co"


def test_what_the_mail_to_the_salesperson_says(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    (mail,) = queued(rows, tell_of(crm, context, "Lotus & Co"))
    name = scalar(crm, "SELECT name FROM res_partner WHERE id = %s", context.salesperson_partner_id)
    read = Mail(mail["body_html"])
    assert read.text.split("\n") == [
        "Lotus & Co",
        "View the lead",
        f"Dear {name},",
        "You have been assigned to the Lead/Opportunity Lotus & Co.",
        "Answers to this mail become internal notes of the lead.",
        "Administrator",
        "My Company",
        "Unfollow",
    ]
    base = scalar(crm, "SELECT value FROM ir_config_parameter WHERE key = 'web.base.url'")
    assert read.links["View the lead"] == f"{base}/mail/view?model=crm.lead&res_id={mail['res_id']}"


def test_every_notification_by_mail_names_a_mail_to_its_reader(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    """By this Odoo's queue finds what to mark as sent, or as failed."""
    for n in range(3):
        follow(crm, "crm.team", context.team_id, add_partner(crm, f"P{n}", share=n == 0), TEAM_DEFAULT)
    leads = tell_of(crm, context, "One", "Two")
    mails = queued(rows, leads)
    notices = rows(
        "SELECT n.mail_mail_id, n.mail_message_id, n.res_partner_id, n.notification_type, n.notification_status"
        " FROM mail_notification n JOIN mail_message m ON m.id = n.mail_message_id"
        " WHERE m.model = 'crm.lead' AND m.res_id = ANY(%s)",
        leads,
    )
    assert {(n["notification_type"], n["notification_status"]) for n in notices} == {("email", "ready")}
    addressed = [(mail["id"], mail["mail_message_id"], partner) for mail in mails for partner in mail["to"]]
    assert sorted(tuple(n.values())[:3] for n in notices) == sorted(addressed)
    assert len(addressed) == 2 * (1 + 3)


def test_one_mail_for_internal_readers_and_one_for_others(
    crm: psycopg.Connection, rows: Rows, requested: Requested, teams: tuple[str, str]
) -> None:
    context, _ = requested(team=teams[0])
    partners = [add_partner(crm, f"P{n}", share=n % 2 == 1) for n in range(4)]
    add_user(crm, partners[0])
    add_user(crm, partners[1], share=True)
    for partner in partners:
        follow(crm, "crm.team", context.team_id, partner, TEAM_DEFAULT)
    internal, others = queued(rows, tell_of(crm, context, "Acme"))
    assert (internal["to"], others["to"]) == (partners[0::2], partners[1::2])
    assert internal["mail_message_id"] == others["mail_message_id"]
    assert list(Mail(internal["body_html"]).links) == ["View the lead", "Unfollow"]
    assert Mail(others["body_html"]).links == {}
    for mail in (internal, others):
        assert "A new lead was created: Acme." in Mail(mail["body_html"]).text


def test_the_mail_of_a_note_answers_the_creation(
    crm: psycopg.Connection, rows: Rows, requested: Requested, teams: tuple[str, str]
) -> None:
    context, _ = requested(team=teams[0])
    follow(crm, "crm.team", context.team_id, add_partner(crm, "A", share=False), [10, NOTES])
    leads = tell_of(crm, context, "Acme")
    notes = write_notes(crm, context, [(leads[0], "<p>Enrichment <span>note</span></p>")])
    creation, note = queued(rows, leads)
    assert creation["references"] == creation["message_id"]
    assert note["references"] == f"{creation['message_id']} {note['message_id']}"
    assert (note["mail_message_id"], note["subject"]) == (notes[leads[0]], "Acme")
    assert "<p>Enrichment <span>note</span></p>" in note["body_html"]
    assert "Enrichment note\nAnswers to this mail become internal notes" in Mail(note["body_html"]).text


def test_with_an_alias_domain(crm: psycopg.Connection, rows: Rows, requested: Requested) -> None:
    set_alias_domain(crm)
    context, _ = requested(team="none")
    (lead,) = add_leads(crm, "Acme")
    follow(crm, "crm.lead", lead[0], add_partner(crm, "A", share=False), [CREATED])
    post_messages(crm, context, [Message(*lead, CREATED, "")])
    (mail,) = queued(rows, [lead[0]])
    assert mail["reply_to"] == '"My Company Acme" <catchall@acme.test>'
    assert ast.literal_eval(mail["headers"]) == {
        "Return-Path": "bounce@acme.test",
        "X-Odoo-Objects": f"crm.lead-{lead[0]}",
    }


def test_the_assignment_is_answered_to_the_alias_domain(
    crm: psycopg.Connection, rows: Rows, requested: Requested, users: tuple[str, str], teams: tuple[str, str]
) -> None:
    set_alias_domain(crm)
    context, _ = requested(salesperson=users[0], team=teams[0])
    (mail,) = queued(rows, tell_of(crm, context, "Acme"))
    assert mail["reply_to"] == f'"My Company {teams[0]}" <catchall@acme.test>'
    assert (mail["email_from"], mail["message_type"]) == ('"Administrator" <admin@example.com>', "user_notification")


def test_without_a_web_address_of_the_crm(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    crm.execute("DELETE FROM ir_config_parameter WHERE key = 'web.base.url'")
    (mail,) = queued(rows, tell_of(crm, context, "Acme"))
    assert list(Mail(mail["body_html"]).links) == ["Unfollow"]


HOSTILE = [
    "<script>alert(1)</script>",
    "x\r\nBcc: victim@example.com\r\n\r\n<b>body</b>",
    "\n\r\x0b\x0c\x85\u2028 end",
    "'; DROP TABLE mail_mail; -- %s {{ 7 * 7 }}",
    "\\.\n\\N\t\\",
    "🦊 Zoë ‮ \u0301" * 20,
    '"quoted" <a@b.test>, other@c.test',
    "x" * 50_000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text_and_cannot_add_headers(
    crm: psycopg.Connection, rows: Rows, requested: Requested, users: tuple[str, str], hostile: str
) -> None:
    set_alias_domain(crm)
    context, _ = requested(salesperson=users[0], team="none")  # without a team, answers go to the lead's name
    leads = add_leads(crm, hostile)
    follow(crm, "crm.lead", leads[0][0], add_partner(crm, hostile, share=False), [CREATED])
    notify_salesperson(crm, context, leads)
    post_messages(crm, context, [Message(*leads[0], CREATED, "")])
    mails = queued(rows, [leads[0][0]])
    assert len(mails) == 2
    for mail in mails:
        read = Mail(mail["body_html"])
        assert list(read.links) == ["View the lead", "Unfollow"]
        assert " ".join(hostile.split()) in " ".join(read.text.split())
        message = EmailMessage(policy=SMTP)  # as Odoo builds it: raises on a line break in a header
        for header, column in [("Subject", "subject"), ("Reply-To", "reply_to"), ("References", "references")]:
            message[header] = mail[column]
        for header, value in ast.literal_eval(mail["headers"]).items():
            message[header] = value
        assert message["Bcc"] is None
        assert [address.addr_spec for address in message["Reply-To"].addresses] == ["catchall@acme.test"]


@pytest.fixture
def queue_cron(crm: psycopg.Connection, crm_kind: str) -> int:
    """Odoo's scheduled action that sends mails, which the dump comes without; its id."""
    id_ = 4242
    crm.execute(
        "INSERT INTO ir_model_data (module, name, model, res_id)"
        " VALUES ('mail', 'ir_cron_mail_scheduler_action', 'ir.cron', %s)",
        [id_],
    )
    if crm_kind == "odoo17":
        crm.execute(
            """
            WITH action AS (
                INSERT INTO ir_act_server (type, name, binding_type, usage, state, model_id)
                SELECT 'ir.actions.server', '{}', 'action', 'ir_cron', 'code', id FROM ir_model WHERE model = 'mail.mail'
                RETURNING id
            )
            INSERT INTO ir_cron (id, ir_actions_server_id, user_id, nextcall, active)
            SELECT %s, id, 1, now(), true FROM action
            """,
            [id_],
        )
    return id_


def test_the_queues_scheduled_action_is_woken_once_for_many_mails(
    crm: psycopg.Connection, rows: Rows, context: CrmContext, queue_cron: int
) -> None:
    assert len(queued(rows, tell_of(crm, context, "One", "Two", "Three"))) == 3
    assert rows("SELECT cron_id, create_uid FROM ir_cron_trigger") == [
        {"cron_id": queue_cron, "create_uid": context.acting_user_id}
    ]


def test_without_mails_nothing_is_woken(
    crm: psycopg.Connection, rows: Rows, context: CrmContext, queue_cron: int
) -> None:
    crm.execute("UPDATE res_users SET notification_type = 'inbox' WHERE id = %s", [context.salesperson_id])
    assert queued(rows, tell_of(crm, context, "Acme")) == []
    assert rows("SELECT FROM ir_cron_trigger WHERE cron_id = %s", queue_cron) == []
