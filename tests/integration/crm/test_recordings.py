"""What we write against recordings of what Odoo 17's own lead mining writes for the same answer of the provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from odoo_recordings import FOLDER, Recording, meaning_here

from lead_mining.crm.leads import load_leads
from lead_mining.crm.notes import write_notes

Rows = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"no recordings in {FOLDER}")

SCORES = {"probability", "automated_probability"}  # by a history of won and lost leads: not done yet
TIMES = {"create_date", "write_date", "date_open", "date_last_stage_update", "date"}
OWN_IDS = {"id", "res_id", "parent_id", "lead_mining_request_id", "message_id"}


class Mined:
    """A recording, mined here: the recorded rows and ours, in the provider's order."""

    def __init__(self, name: str, conn: psycopg.Connection, rows: Rows, users: Any, teams: Any, requested: Any) -> None:
        self.name, self.recording = name, Recording(name)
        self.conn, self.rows, self.users, self.teams = conn, rows, users, teams
        if name in ("l", "o"):
            with_alias_domain(conn)
        self.first_message = rows("SELECT coalesce(max(id), 0) AS id FROM mail_message")[0]["id"]
        self.first_follower = rows("SELECT coalesce(max(id), 0) AS id FROM mail_followers")[0]["id"]
        self.context, self.request_id = requested(**self.recording.params(users, teams))
        leads = load_leads(conn, self.context, self.request_id, list(enumerate(self.recording.companies)))
        self.lead_ids = list(leads.values())
        self.notes = write_notes(conn, self.context, [(lead_id, "<p>Note</p>") for lead_id in self.lead_ids])

    def compare(self, recorded: list[dict[str, Any]], ours: list[dict[str, Any]], left_out: set[str]) -> None:
        assert len(ours) == len(recorded) == len(self.recording.companies)
        for company, expected, found in zip(self.recording.companies, recorded, ours, strict=True):
            assert found.keys() == expected.keys()
            expected = self.recording.meaning(expected, company)
            found = meaning_here(self.conn, found, self.users, self.teams)
            assert {key: value for key, value in found.items() if key not in left_out} == {
                key: value for key, value in expected.items() if key not in left_out
            }


def with_alias_domain(conn: psycopg.Connection) -> None:
    row = conn.execute(
        "INSERT INTO mail_alias_domain (name, bounce_alias, catchall_alias)"
        " VALUES ('acme.test', 'bounce', 'catchall') RETURNING id"
    ).fetchone()
    assert row
    conn.execute("UPDATE res_company SET alias_domain_id = %s", row)
    conn.execute("UPDATE mail_alias SET alias_domain_id = %s, alias_full_name = alias_name || '@acme.test'", row)


@pytest.fixture(params=["a", "b", "f1", "f3", "l", "o"])
def mined(
    request: pytest.FixtureRequest,
    crm: psycopg.Connection,
    rows: Rows,
    users: tuple[str, str],
    teams: tuple[str, str],
    requested: Callable[..., Any],
) -> Mined:
    return Mined(request.param, crm, rows, users, teams, requested)


def test_the_request(mined: Mined, rows: Rows) -> None:
    (row,) = rows("SELECT * FROM crm_iap_lead_mining_request WHERE id = %s", mined.request_id)
    expected = mined.recording.request_row
    assert row.keys() == expected.keys()
    left_out = {"id", "name", "state", "create_date", "write_date"}
    row = meaning_here(mined.conn, row, mined.users, mined.teams)
    expected = mined.recording.meaning(expected, mined.recording.companies[0])
    assert {k: v for k, v in row.items() if k not in left_out} == {
        k: v for k, v in expected.items() if k not in left_out
    }
    assert (row["state"], expected["state"]) == ("draft", "done")  # done once the leads are in: set_state
    for table, change in mined.recording.related.items():
        if table.endswith("_rel"):
            found = rows(
                f"SELECT count(*) AS n FROM {table} WHERE crm_iap_lead_mining_request_id = %s", mined.request_id
            )
            assert found == [{"n": len(change["inserted"])}], table


def test_leads(mined: Mined, rows: Rows) -> None:
    recorded = sorted(mined.recording.inserted("crm_lead"), key=lambda lead: lead["id"])
    ours = rows("SELECT * FROM crm_lead WHERE lead_mining_request_id = %s ORDER BY id", mined.request_id)
    mined.compare(recorded, ours, SCORES | TIMES | OWN_IDS)
    assert [lead["id"] for lead in ours] == mined.lead_ids
    (now,) = rows("SELECT now() AT TIME ZONE 'utc' AS at")
    for lead, expected in zip(ours, recorded, strict=True):
        for column in TIMES - {"date"}:
            assert lead[column] == (expected[column] and now["at"]), column
        assert lead["automated_probability"] == lead["probability"] == 50


def test_tags(mined: Mined, rows: Rows) -> None:
    ours = rows(
        "SELECT r.lead_id, t.name->>'en_US' AS tag FROM crm_tag_rel r JOIN crm_tag t ON t.id = r.tag_id"
        " WHERE lead_id = ANY(%s) ORDER BY lead_id, tag",
        mined.lead_ids,
    )
    tags = {1: "Lead mining", 2: "US & Canada"}
    recorded = mined.recording.inserted("crm_tag_rel")
    first = min((row["lead_id"] for row in recorded), default=0)
    expected = sorted((mined.lead_ids[row["lead_id"] - first], tags[row["tag_id"]]) for row in recorded)
    assert [(row["lead_id"], row["tag"]) for row in ours] == expected


@pytest.mark.parametrize(("subtype", "note"), [(5, False), (2, True)])
def test_messages(mined: Mined, rows: Rows, subtype: int, note: bool) -> None:
    recorded = [
        message
        for message in sorted(mined.recording.inserted("mail_message"), key=lambda m: m["id"])
        if message["subtype_id"] == subtype and message["message_type"] == "notification"
    ]
    ours = rows(
        "SELECT * FROM mail_message WHERE id > %s AND subtype_id = %s ORDER BY id", mined.first_message, subtype
    )
    left_out = TIMES | OWN_IDS | ({"body"} if note else set())
    if not note and mined.name == "o":
        left_out |= {"subject", "write_uid"}  # touched when followers of the team are notified: not done yet
    mined.compare(recorded, ours, left_out)
    assert [message["res_id"] for message in ours] == mined.lead_ids
    (now,) = rows("SELECT now() AT TIME ZONE 'utc' AS at")
    form = r"<\d{15}\.\d{10}\.\d{15}-openerp-%d-crm\.lead@[^@>]+>"
    for message, expected in zip(ours, recorded, strict=True):
        assert (message["create_date"], message["write_date"]) == (now["at"], now["at"])
        assert message["date"] == now["at"].replace(microsecond=0)
        assert re.fullmatch(form % message["res_id"], message["message_id"])
        assert re.fullmatch(form % expected["res_id"], expected["message_id"])
    assert len({message["message_id"] for message in ours}) == len(ours)
    if note:
        assert [message["id"] for message in ours] == list(mined.notes.values())
        logs = rows("SELECT id FROM mail_message WHERE id > %s AND subtype_id = 5 ORDER BY id", mined.first_message)
        assert [message["parent_id"] for message in ours] == [log["id"] for log in logs]


def test_followers(mined: Mined, rows: Rows) -> None:
    people = {3: "admin", 7: "salesperson 1"}  # the others follow the team: not done yet
    recorded = sorted(mined.recording.inserted("mail_followers"), key=lambda f: f["id"])
    ids = sorted({follower["res_id"] for follower in recorded})
    expected = [
        (mined.lead_ids[ids.index(follower["res_id"])], people[follower["partner_id"]], follower["res_model"])
        for follower in recorded
        if follower["partner_id"] in people
    ]
    ours = [
        meaning_here(mined.conn, follower, mined.users, mined.teams)
        for follower in rows("SELECT * FROM mail_followers WHERE id > %s ORDER BY id", mined.first_follower)
    ]
    assert [(follower["res_id"], follower["partner_id"], follower["res_model"]) for follower in ours] == expected
    subtypes = rows(
        "SELECT mail_followers_id AS id, mail_message_subtype_id AS subtype"
        " FROM mail_followers_mail_message_subtype_rel WHERE mail_followers_id > %s ORDER BY 1",
        mined.first_follower,
    )
    assert [(row["id"], row["subtype"]) for row in subtypes] == [(follower["id"], 1) for follower in ours]
