"""What the roles may write into Odoo's messages, mails and followers: what belongs to leads of lead mining, no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from crm_role import PASSWORD, apply_role, dsn_of, is_refused, logged_in
from personal_data import mine_people

from lead_mining.credits import ledger
from provider_simulator.testing import Simulator, running_simulator

HTML = "<a href=https://example.org>Your account is locked: log in here</a>"
MESSAGE = "INSERT INTO mail_message (model, res_id, message_type, body) VALUES ({}, 'notification', '" + HTML + "')"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def owner(crm_dsn: str, simulator: Simulator, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """A superuser in a CRM with leads of lead mining, one lead of somebody else's and a message on it."""
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        apply_role(conn)
        with conn.transaction():
            ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
        mine_people(conn, simulator.url, tmp_path)
        conn.execute(f"ALTER ROLE lead_mining_privacy PASSWORD '{PASSWORD}'")
        conn.execute("INSERT INTO crm_lead (id, name, type, active) VALUES (900001, 'By hand', 'lead', true)")
        conn.execute(
            "INSERT INTO mail_message (id, model, res_id, message_type)"
            " VALUES (900001, 'crm.lead', 900001, 'comment'), (900002, 'res.partner', 1, 'comment')"
        )
        conn.execute("INSERT INTO mail_mail (id, mail_message_id) VALUES (900002, 900002)")
        yield conn


def test_who_mines_adds_to_leads_of_lead_mining_alone(owner: psycopg.Connection) -> None:
    elsewhere = {
        "a message on a contact": MESSAGE.format("'res.partner', 1"),
        "a message on nothing": MESSAGE.format("NULL, NULL"),
        "a message on somebody else's lead": MESSAGE.format("'crm.lead', 900001"),
        "a mail of somebody else's message": "INSERT INTO mail_mail (mail_message_id, body_html) VALUES (900001, 'x')",
        "who is told of somebody else's message": "INSERT INTO mail_notification (mail_message_id, res_partner_id,"
        " notification_type, notification_status) VALUES (900002, 3, 'inbox', 'sent')",
        "who somebody else's message is for": "INSERT INTO mail_message_res_partner_rel VALUES (900002, 3)",
        "a follower of a user": "INSERT INTO mail_followers (res_model, res_id, partner_id) VALUES ('res.users', 1, 3)",
        "a follower of somebody else's lead": "INSERT INTO mail_followers (res_model, res_id, partner_id)"
        " VALUES ('crm.lead', 900001, 3)",
    }
    with logged_in(owner) as role:
        assert [what for what, statement in elsewhere.items() if not is_refused(role, statement)] == []
        own = owner.execute("SELECT min(lead_id) FROM lead_mining.candidate").fetchone()
        assert own
        assert not is_refused(role, MESSAGE.format(f"'crm.lead', {own[0]}"))
    assert not is_refused(owner, elsewhere["a message on a contact"])


def test_who_erases_changes_messages_and_mails_of_leads_alone(owner: psycopg.Connection) -> None:
    dsn = dsn_of(owner, user="lead_mining_privacy", password=PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as role:
        assert is_refused(role, "UPDATE mail_message SET body = '' WHERE id = 900002")
        assert is_refused(role, "UPDATE mail_mail SET body_html = '' WHERE id = 900002")
        assert not is_refused(role, "UPDATE mail_message SET body = '' WHERE model = 'crm.lead'")
