"""What a mail about a lead says, without a database."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from mail_reader import Mail

from lead_mining.crm.mails import Sender, assignment_body, mail_body, mail_headers
from lead_mining.crm.messages import Message
from lead_mining.plain import one_line

SENDER = Sender("Ada O'Hara", "Acme & Sons", None, "https://crm.example.com/")
CREATED = Message(7, "Lotus & Co", 5, "")

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "--><!-- {{ 7 * 7 }} {% raw %} ${x} %s",
    "<p>",
    "</body></html>",
    "javascript:alert(1)",
    "x\r\nBcc: victim@example.com\r\n\r\nbody",
    "🦊 Zoë ‮ ‏ \u0301 \u2028 \x85",
    "&lt;b&gt; &amp;amp; &#60;",
    "<" * 20_000,
]  # fmt: skip


def body(message: Message = CREATED, sender: Sender = SENDER, **options: bool | str) -> str:
    defaults: dict[str, bool | str] = {"lead_type": "lead", "is_note": False, "is_internal": True}
    return mail_body(message, sender, **(defaults | options))  # type: ignore[arg-type]


def test_a_creation_says_which_lead_by_whom_and_links_to_it() -> None:
    mail = Mail(body())
    assert mail.text.split("\n") == [
        "Lotus & Co",
        "View the lead",
        "A new lead was created: Lotus & Co.",
        "Ada O'Hara",
        "Acme & Sons",
        "Unfollow",
    ]
    assert mail.links["View the lead"] == "https://crm.example.com/mail/view?model=crm.lead&res_id=7"
    assert (mail.title, mail.lang) == ("Lotus & Co", "en")


def test_an_opportunity_is_called_one() -> None:
    mail = Mail(body(lead_type="opportunity"))
    assert "View the opportunity" in mail.links
    assert "A new opportunity was created: Lotus & Co." in mail.text


def test_an_assignment() -> None:
    message = replace(CREATED, body=assignment_body("Mia Müller", "Lotus & Co"), subject="Assigned: Lotus")
    mail = Mail(body(message, is_note=True))
    assert mail.text.split("\n")[2:5] == [
        "Dear Mia Müller,",
        "You have been assigned to the Lead/Opportunity Lotus & Co.",
        "Answers to this mail become internal notes of the lead.",
    ]
    assert mail.title == "Assigned: Lotus"
    assert "created" not in mail.text


def test_outsiders_get_no_links() -> None:
    mail = Mail(body(is_internal=False))
    assert mail.links == {}
    assert "A new lead was created: Lotus & Co." in mail.text


def test_odoo_can_finish_the_link_to_unfollow() -> None:
    """When sending, it takes this span out, or puts its own path in place of this one."""
    assert '<span id="mail_unfollow"><a href="/mail/unfollow">Unfollow</a></span>' in body()


@pytest.mark.parametrize("base_url", [None, ""])
def test_without_a_web_address_there_is_no_link_to_the_lead(base_url: str | None) -> None:
    assert list(Mail(body(sender=SENDER._replace(base_url=base_url))).links) == ["Unfollow"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_text(hostile: str) -> None:
    for message in (
        replace(CREATED, lead_name=hostile),
        replace(CREATED, lead_name=hostile, subject=hostile, body=assignment_body(hostile, hostile)),
    ):
        mail = Mail(body(message, Sender(hostile, hostile, hostile, f"https://crm.example.com/{hostile}")))
        assert mail.title == one_line(hostile)
        assert list(mail.links) == ["View the lead", "Unfollow"]
        plain = " ".join(hostile.split())
        assert " ".join(mail.text.split()).count(plain) >= 4  # the heading, the text, the author, the company


def test_one_line_leaves_no_line_break() -> None:
    assert one_line("a\r\nb\nc\rd\x0be\x0cf\x1cg\x85h\u2028i\u2029j\n") == "a b c d e f g h i j"
    assert one_line("plain, with  spaces ") == "plain, with  spaces "


def test_headers_are_a_dict_as_odoo_reads_it() -> None:
    assert ast.literal_eval(mail_headers(7, None)) == {"X-Odoo-Objects": "crm.lead-7"}
    bounce = "it's\"odd@acme.test"
    assert ast.literal_eval(mail_headers(7, bounce)) == {"Return-Path": bounce, "X-Odoo-Objects": "crm.lead-7"}
