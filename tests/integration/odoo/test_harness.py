"""The comparison can fail: what is done to the rows after a run is what it reports, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from databases import new_database
from odoo_recordings import FOLDER, recordings

from lead_mining.credits import ledger
from provider_simulator.testing import Simulator

from .comparison import CHANGED, OPENING, ORDER, ROW
from .conftest import Dump
from .mining import Mined, mine
from .report import failing
from .starting_state import set_starting_state

RECORDED = next((recording for recording in recordings() if recording.name == "o_team_followed"), None)

pytestmark = pytest.mark.skipif(RECORDED is None, reason=f"no recording of a followed team in {FOLDER}")

NOTE = "subtype_id = 2 AND message_type = 'notification' AND model = 'crm.lead'"
FIRST = "(SELECT min(id) FROM crm_lead)"


@pytest.fixture(scope="module")
def mined(
    postgres_server: str,
    crm_template: Callable[[str], str],
    dump: Dump,
    simulator: Simulator,
    load_all_that_odoo_loads: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mined]:
    """A recording with all that there is: an alias domain, an assignment, a follower of the team, a history."""
    assert RECORDED
    with (
        new_database(postgres_server, crm_template("odoo17")) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        with conn.transaction():
            ledger.top_up(conn, "default", 100, key="trial", reference="trial")
        set_starting_state(conn, RECORDED, dump.names)
        yield mine(conn, RECORDED, dump.names, simulator, tmp_path_factory.mktemp("docs"))


def reported(mined: Mined, dump: Dump, *statements: str) -> set[tuple[str, str, str]]:
    """Table, column and row of every difference that is not allowed, once these statements were run."""
    with mined.conn.transaction(force_rollback=True):
        mined.conn.execute("SET LOCAL session_replication_role = replica")  # no constraint stands in the way
        for statement in statements:
            assert mined.conn.execute(statement).rowcount > 0
        return {(d.table, d.column, d.row) for d in failing(mined.compare(dump.schema))}


def test_as_it_is_nothing_fails(mined: Mined, dump: Dump) -> None:
    assert reported(mined, dump) == set()


CHANGES = [
    (f"UPDATE crm_lead SET city = 'Gent' WHERE id = {FIRST} + 1", "crm_lead", "city", "lead 2"),
    (f"UPDATE crm_lead SET phone = NULL WHERE id = {FIRST}", "crm_lead", "phone", "lead 1"),
    (f"UPDATE crm_lead SET team_id = 6 WHERE id = {FIRST}", "crm_lead", "team_id", "lead 1"),
    (f"UPDATE crm_lead SET probability = 50 WHERE id = {FIRST} + 2", "crm_lead", "probability", "lead 3"),
    (
        f"UPDATE crm_lead SET date_open = date_open + interval '1 microsecond' WHERE id = {FIRST}",
        "crm_lead", "date_open", "lead 1",
    ),
    (
        f"UPDATE mail_message SET parent_id = parent_id + 1 WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", "parent_id", "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET date = date + interval '1 hour' WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", "date", "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET message_id = '<1@host>' WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", "message_id", "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET body = replace(body, '&lt;in', '<in') WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", "body", "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET body = replace(body, 'Founded', '1986') WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", "body", "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET body = replace(body, '<p>Lead created', '<p>Lead made') WHERE {NOTE} AND res_id = {FIRST}",
        "mail_message", OPENING, "note of lead 1",
    ),
    (
        f"UPDATE mail_message SET subject = 'You' WHERE message_type = 'user_notification' AND res_id = {FIRST}",
        "mail_message", "subject", "assignment of lead 1",
    ),
    (
        f"UPDATE mail_message SET body = 'Dear Mia' WHERE message_type = 'user_notification' AND res_id = {FIRST}",
        "mail_message", "body", "assignment of lead 1",
    ),
    (
        "UPDATE mail_notification SET is_read = NULL WHERE id = (SELECT min(id) FROM mail_notification)",
        "mail_notification", "is_read", "assignment of lead 1, Mia Müller",
    ),
    (
        "DELETE FROM mail_notification WHERE id = (SELECT min(id) FROM mail_notification)",
        "mail_notification", ROW, "assignment of lead 1, Mia Müller",
    ),
    ("UPDATE mail_mail SET state = 'sent' WHERE id = (SELECT min(id) FROM mail_mail)", "mail_mail", ROW, "assignment of lead 1"),
    (
        "DELETE FROM mail_followers_mail_message_subtype_rel WHERE mail_message_subtype_id = 6 AND mail_followers_id ="
        " (SELECT min(mail_followers_id) FROM mail_followers_mail_message_subtype_rel WHERE mail_message_subtype_id = 6)",
        "mail_followers_mail_message_subtype_rel", ROW, "lead 1, Sam O'Neil, crm.lead: Stage Changed",
    ),
    (
        "UPDATE mail_followers SET partner_id = 7 WHERE res_model = 'res.partner' AND res_id = 7",
        "mail_followers", CHANGED, "one",
    ),
    ("UPDATE crm_iap_lead_mining_request SET state = 'draft'", "crm_iap_lead_mining_request", "state", "the request"),
    ("UPDATE crm_iap_lead_mining_request SET name = '1'", "crm_iap_lead_mining_request", "name", "the request"),
    ("UPDATE res_country SET phone_code = 0 WHERE code = 'BE'", "res_country", CHANGED, "one"),
    ("DELETE FROM crm_lead_scoring_frequency WHERE id = (SELECT min(id) FROM crm_lead_scoring_frequency)", "crm_lead_scoring_frequency", CHANGED, "one"),
    ("INSERT INTO utm_tag (name) VALUES ('{}')", "utm_tag", ROW, "row"),
    (
        "UPDATE ir_cron_trigger SET call_at = '2000-01-01' WHERE id = (SELECT min(id) FROM ir_cron_trigger)",
        "ir_cron_trigger", ROW, "mail.ir_cron_mail_scheduler_action",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "table", "column", "row"), CHANGES, ids=[f"{n}-{c[1]}-{c[2]}" for n, c in enumerate(CHANGES, start=1)]
)
def test_a_change_is_reported_as_what_it_is(
    mined: Mined, dump: Dump, statement: str, table: str, column: str, row: str
) -> None:
    assert reported(mined, dump, statement) == {(table, column, row)}


def test_ids_in_another_order(mined: Mined, dump: Dump) -> None:
    swap = """
        WITH first AS (SELECT min(id) AS id FROM mail_notification)
        UPDATE mail_notification n SET id = -(2 * first.id + 1 - n.id) FROM first WHERE n.id <= first.id + 1
    """
    found = reported(mined, dump, swap, "UPDATE mail_notification SET id = -id WHERE id < 0")
    assert found == {("mail_notification", ORDER, "all")}


def test_a_lead_that_is_missing(mined: Mined, dump: Dump) -> None:
    found = reported(mined, dump, f"DELETE FROM crm_lead WHERE id = {FIRST}")
    assert ("crm_lead", ROW, "lead 1") in found


def test_a_mail_that_is_not_in_the_queue(mined: Mined, dump: Dump) -> None:
    found = reported(mined, dump, "DELETE FROM mail_mail WHERE id = (SELECT min(id) FROM mail_mail)")
    row = "assignment of lead 1, Mia Müller"
    assert ("mail_notification", "mail_mail_id", row) in found
    assert ("mail_notification", "notification_status", row) in found


def test_a_call_of_the_provider_that_asks_for_something_else(mined: Mined, dump: Dump) -> None:
    data = mined.sent[0]["params"]["data"]
    data["lead_number"] += 1
    try:
        found = reported(mined, dump)
    finally:
        data["lead_number"] -= 1
    assert found == {("(call of the provider)", "params.data.lead_number", "the call")}
