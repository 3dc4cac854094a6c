"""Who is told of loaded leads, on both kinds of CRM; the rules are Odoo 17's."""

from __future__ import annotations

import re
from collections.abc import Callable
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
    tell_of,
)
from statement_counter import counted_statements

from lead_mining.crm.context import CrmContext
from lead_mining.crm.followers import add_followers
from lead_mining.crm.messages import Message
from lead_mining.crm.notes import write_notes
from lead_mining.crm.notifications import notify_salesperson, post_messages

Rows = Callable[..., list[dict[str, Any]]]
Requested = Callable[..., tuple[CrmContext, int]]

NOTES = 2


@pytest.fixture
def own(requested: Requested, teams: tuple[str, str]) -> CrmContext:
    """The acting user is the salesperson, so that followers of the team alone are told."""
    return requested(team=teams[0])[0]


def told(rows: Rows, leads: list[int]) -> list[dict[str, Any]]:
    """The notifications of these leads' messages."""
    return rows(
        """
        SELECT n.*, m.message_type, m.subtype_id, m.subject FROM mail_notification n
        JOIN mail_message m ON m.id = n.mail_message_id
        WHERE m.model = 'crm.lead' AND m.res_id = ANY(%s) ORDER BY n.id
        """,
        leads,
    )


# -- the salesperson


def test_the_message_to_the_salesperson(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    (lead_id,) = tell_of(crm, context, "Señor Taco & Co")
    (message,) = rows(
        "SELECT * FROM mail_message WHERE model = 'crm.lead' AND res_id = %s AND message_type = 'user_notification'",
        lead_id,
    )
    (now,) = rows("SELECT now() AT TIME ZONE 'utc' AS at")
    name = scalar(crm, "SELECT name FROM res_partner WHERE id = %s", context.salesperson_partner_id)
    assert re.fullmatch(r"<\d{15}\.\d{10}\.\d{15}-openerp-message-notify@[^@>]+>", message.pop("message_id"))
    message_id = message.pop("id")
    assert {column: value for column, value in message.items() if value is not None} == {
        "model": "crm.lead",
        "res_id": lead_id,
        "record_name": "Señor Taco & Co",
        "subject": "You have been assigned to Señor Taco & Co",
        "body": f"<p>Dear {name},</p>\n<p>You have been assigned to the Lead/Opportunity Señor Taco &amp; Co.</p>",
        "message_type": "user_notification",
        "subtype_id": NOTES,
        "is_internal": True,
        "email_layout_xmlid": "mail.mail_notification_layout",
        "email_add_signature": True,
        "author_id": context.acting_partner_id,
        "email_from": context.email_from,
        "reply_to": context.email_from,
        "record_company_id": 1,
        "date": now["at"].replace(microsecond=0),
        **dict.fromkeys(["create_uid", "write_uid"], context.acting_user_id),
        **dict.fromkeys(["create_date", "write_date"], now["at"]),
    }
    assert rows("SELECT * FROM mail_message_res_partner_rel WHERE mail_message_id = %s", message_id) == [
        {"mail_message_id": message_id, "res_partner_id": context.salesperson_partner_id}
    ]


def test_a_salesperson_who_reads_mails(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    (notice,) = told(rows, tell_of(crm, context, "Acme"))
    (now,) = rows("SELECT now() AT TIME ZONE 'utc' AS at")
    (mail,) = rows("SELECT id, mail_message_id FROM mail_mail WHERE mail_message_id = %s", notice["mail_message_id"])
    del notice["id"], notice["subject"]
    assert {column: value for column, value in notice.items() if value is not None} == {
        "author_id": context.acting_partner_id,
        "mail_message_id": mail["mail_message_id"],
        "mail_mail_id": mail["id"],
        "res_partner_id": context.salesperson_partner_id,
        "notification_type": "email",
        "notification_status": "ready",
        "is_read": True,
        "read_date": now["at"].replace(microsecond=0),
        "message_type": "user_notification",
        "subtype_id": NOTES,
    }


def test_a_salesperson_who_reads_in_the_inbox(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    crm.execute("UPDATE res_users SET notification_type = 'inbox' WHERE id = %s", [context.salesperson_id])
    mails = scalar(crm, "SELECT count(*) FROM mail_mail")
    (notice,) = told(rows, tell_of(crm, context, "Acme"))
    assert (notice["notification_type"], notice["notification_status"]) == ("inbox", "sent")
    assert (notice["is_read"], notice["read_date"], notice["mail_mail_id"]) == (None, None, None)
    assert scalar(crm, "SELECT count(*) FROM mail_mail") == mails


@pytest.mark.parametrize("salesperson", ["admin", "none"])
def test_the_acting_user_and_nobody_are_not_told(
    crm: psycopg.Connection, rows: Rows, requested: Requested, salesperson: str
) -> None:
    context, _ = requested(salesperson=salesperson)
    (lead_id,) = tell_of(crm, context, "Acme")
    assert told(rows, [lead_id]) == []
    assert [
        m["message_type"]
        for m in rows("SELECT message_type FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", lead_id)
    ] == ["notification"]


def test_a_salesperson_archived_meanwhile_is_not_told(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    crm.execute("UPDATE res_users SET active = false WHERE id = %s", [context.salesperson_id])
    leads = tell_of(crm, context, "Acme")
    assert told(rows, leads) == []
    assert (
        rows(
            "SELECT FROM mail_message WHERE model = 'crm.lead' AND res_id = %s AND message_type = 'user_notification'",
            leads[0],
        )
        == []
    )


def test_an_archived_partner_of_an_active_salesperson_has_the_message_alone(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    crm.execute("UPDATE res_partner SET active = false WHERE id = %s", [context.salesperson_partner_id])
    leads = tell_of(crm, context, "Acme")
    assert told(rows, leads) == []
    assert (
        len(
            rows(
                "SELECT FROM mail_message WHERE model = 'crm.lead' AND res_id = %s AND message_type = 'user_notification'",
                leads[0],
            )
        )
        == 1
    )


def test_a_salesperson_who_shares_the_acting_users_partner_is_not_told(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    query = "UPDATE res_users SET partner_id = %s WHERE id = %s"
    crm.execute(query, [context.acting_partner_id, context.salesperson_id])
    assert told(rows, tell_of(crm, context, "Acme")) == []


def test_a_salesperson_without_an_address_is_left_to_odoo_to_report(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    query = "UPDATE res_partner SET email = NULL, email_normalized = NULL WHERE id = %s"
    crm.execute(query, [context.salesperson_partner_id])
    (notice,) = told(rows, tell_of(crm, context, "Acme"))
    assert (notice["notification_status"], notice["failure_type"]) == ("ready", None)
    assert notice["mail_mail_id"] is not None


def test_assignments_come_before_creation_messages(crm: psycopg.Connection, rows: Rows, context: CrmContext) -> None:
    leads = tell_of(crm, context, "A", "B")
    messages = rows(
        "SELECT res_id, subtype_id FROM mail_message WHERE model = 'crm.lead' AND res_id = ANY(%s) ORDER BY id", leads
    )
    assert [(m["res_id"], m["subtype_id"]) for m in messages] == [
        (lead, subtype) for subtype in (NOTES, CREATED) for lead in leads
    ]


def test_no_leads(crm: psycopg.Connection, context: CrmContext) -> None:
    with counted_statements(crm) as sent:
        notify_salesperson(crm, context, [])
        assert sent == []


# -- followers


def test_followers_of_the_team_are_told_of_the_creation(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    partner = add_partner(crm, "Sam", share=False)
    add_user(crm, partner)
    follow(crm, "crm.team", context.team_id, partner, TEAM_DEFAULT)
    leads = tell_of(crm, context, "Lotus & Co", "Two\nlines")
    notices = told(rows, leads)
    assert [(n["message_type"], n["res_partner_id"], n["subject"]) for n in notices] == [
        ("user_notification", context.salesperson_partner_id, "You have been assigned to Lotus & Co"),
        ("user_notification", context.salesperson_partner_id, "You have been assigned to Two lines"),
        ("notification", partner, "Lotus & Co"),
        ("notification", partner, "Two lines"),
    ]
    assert {(n["notification_type"], n["notification_status"], n["author_id"]) for n in notices} == {
        ("email", "ready", context.acting_partner_id)
    }
    assert len({n["mail_mail_id"] for n in notices}) == 4
    assert rows("SELECT name FROM crm_lead WHERE id = %s", leads[1]) == [{"name": "Two\nlines"}]


def test_a_creation_that_nobody_is_mailed_of_has_no_subject(
    crm: psycopg.Connection, rows: Rows, own: CrmContext
) -> None:
    reader = add_partner(crm, "Reads in the inbox", share=False)
    add_user(crm, reader, reads="inbox")
    follow(crm, "crm.team", own.team_id, reader, TEAM_DEFAULT)
    (notice,) = told(rows, tell_of(crm, own, "Acme"))
    assert (notice["res_partner_id"], notice["notification_type"], notice["subject"]) == (reader, "inbox", None)


def test_mail_and_inbox_readers_of_one_message(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    inbox, mail = (add_partner(crm, name, share=False) for name in ("Inbox", "Mail"))
    for partner, reads in ((inbox, "inbox"), (mail, "email")):
        add_user(crm, partner, reads=reads)
        follow(crm, "crm.team", own.team_id, partner, TEAM_DEFAULT)
    notices = told(rows, tell_of(crm, own, "Acme"))
    assert [(n["res_partner_id"], n["notification_type"], n["mail_mail_id"] is None) for n in notices] == [
        (inbox, "inbox", True),
        (mail, "email", False),
    ]
    assert {n["subject"] for n in notices} == {"Acme"}


def test_who_follows_only_discussions_is_not_told(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    follow(crm, "crm.team", own.team_id, add_partner(crm, "A", share=False), [1, 11])
    assert told(rows, tell_of(crm, own, "Acme")) == []


def test_the_acting_user_is_not_told_of_their_own_doing(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    follow(crm, "crm.team", own.team_id, own.acting_partner_id, [*TEAM_DEFAULT, NOTES])
    leads = tell_of(crm, own, "Acme")
    write_notes(crm, own, [(leads[0], "<p>Note</p>")])
    assert told(rows, leads) == []


def test_the_salesperson_who_follows_the_team_is_told_twice(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    assert context.salesperson_partner_id
    follow(crm, "crm.team", context.team_id, context.salesperson_partner_id, TEAM_DEFAULT)
    notices = told(rows, tell_of(crm, context, "Acme"))
    assert [(n["res_partner_id"], n["subtype_id"]) for n in notices] == [
        (context.salesperson_partner_id, NOTES),
        (context.salesperson_partner_id, CREATED),
    ]


def test_archived_followers_of_a_lead_are_not_told(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    partner = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", own.team_id, partner, [*TEAM_DEFAULT, NOTES])
    leads = tell_of(crm, own, "Acme")
    assert len(told(rows, leads)) == 1
    crm.execute("UPDATE res_partner SET active = false WHERE id = %s", [partner])
    write_notes(crm, own, [(leads[0], "<p>Note</p>")])
    assert len(told(rows, leads)) == 1


@pytest.mark.parametrize("has_user", [True, False], ids=["portal", "customer"])
def test_outsiders_are_mailed_of_the_creation_and_never_of_notes(
    crm: psycopg.Connection, rows: Rows, own: CrmContext, has_user: bool
) -> None:
    outsider, insider = add_partner(crm, "Outside"), add_partner(crm, "Inside", share=False)
    if has_user:
        add_user(crm, outsider, share=True)
    add_user(crm, insider)
    for partner in (outsider, insider):
        follow(crm, "crm.team", own.team_id, partner, [*TEAM_DEFAULT, NOTES])
    (lead,) = tell_of(crm, own, "Acme")
    follow(crm, "crm.lead", lead, late := add_partner(crm, "Late"), [NOTES])
    write_notes(crm, own, [(lead, "<p>Note</p>")])
    assert [(n["res_partner_id"], n["subtype_id"]) for n in told(rows, [lead])] == [
        (outsider, CREATED),
        (insider, CREATED),
        (insider, NOTES),
    ]
    assert late not in {n["res_partner_id"] for n in told(rows, [lead])}


def test_of_several_users_of_a_partner_the_active_internal_one_counts(
    crm: psycopg.Connection, rows: Rows, own: CrmContext
) -> None:
    partner = add_partner(crm, "A", share=False)
    add_user(crm, partner, reads="email", active=False)
    add_user(crm, partner, reads="email", share=True)
    add_user(crm, partner, reads="inbox")
    follow(crm, "crm.team", own.team_id, partner, TEAM_DEFAULT)
    (notice,) = told(rows, tell_of(crm, own, "Acme"))
    assert notice["notification_type"] == "inbox"


def test_who_follows_notes_gets_them(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    partner = add_partner(crm, "A", share=False)
    add_user(crm, partner)
    follow(crm, "crm.team", own.team_id, partner, [NOTES])
    leads = tell_of(crm, own, "One", "Two")
    assert told(rows, leads) == []
    notes = write_notes(crm, own, [(lead_id, f"<p>Note of {lead_id}</p>") for lead_id in leads])
    assert [(n["mail_message_id"], n["subject"]) for n in told(rows, leads)] == [
        (notes[leads[0]], "One"),
        (notes[leads[1]], "Two"),
    ]


def test_messages_keep_their_order_and_subject(crm: psycopg.Connection, rows: Rows, own: CrmContext) -> None:
    ((lead, name),) = add_leads(crm, "Acme")
    follow(crm, "crm.lead", lead, add_partner(crm, "A", share=False), [CREATED])
    ids = post_messages(
        crm,
        own,
        [
            Message(lead, name, NOTES, "<p>1</p>"),
            Message(lead, name, CREATED, "<p>2</p>", subject="Two"),
            Message(lead, name, CREATED, "<p>3</p>"),
        ],
    )
    assert ids == sorted(ids)
    messages = rows("SELECT body, subject FROM mail_message WHERE id = ANY(%s) ORDER BY id", ids)
    assert [tuple(m.values()) for m in messages] == [("<p>1</p>", None), ("<p>2</p>", "Two"), ("<p>3</p>", "Acme")]


# -- cost


def test_statements_do_not_grow_with_leads_or_followers(
    crm: psycopg.Connection, rows: Rows, context: CrmContext
) -> None:
    for n, share in enumerate([False, False, True]):
        partner = add_partner(crm, f"P{n}", share=share)
        add_user(crm, partner, share=share, reads="inbox" if n == 0 else "email")
        follow(crm, "crm.team", context.team_id, partner, [*TEAM_DEFAULT, NOTES])

    def statements(number: int) -> int:
        with counted_statements(crm) as sent:
            leads = tell_of(crm, context, *(f"Lead {n}" for n in range(number)))
            write_notes(crm, context, [(lead, "<p>Note</p>") for lead in leads])
            assert len(told(rows, leads)) == number * (1 + 3 + 2)  # assigned, created, noted but for the outsider
            return len(sent)

    few = statements(2)
    assert statements(500) == few


def test_when_nobody_is_told_it_costs_one_statement(crm: psycopg.Connection, own: CrmContext) -> None:
    leads = add_leads(crm, "Acme")
    add_followers(crm, own, [leads[0][0]])
    with counted_statements(crm) as sent:
        post_messages(crm, own, [Message(*leads[0], CREATED, "")])
        assert len(sent) == 3  # looking for followers; ids and COPY of the messages
