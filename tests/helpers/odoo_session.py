"""One person at work in Odoo: units of work, each with the statements that Odoo 17 runs for it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

_NOW = "now() AT TIME ZONE 'utc'"


@dataclass
class Committed:
    """What the sessions wrote, noted, under the lock, once it was committed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    leads: dict[int, str] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    changes: Counter[int] = field(default_factory=Counter)
    messages: set[int] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    numbers: list[str] = field(default_factory=list)
    units: Counter[str] = field(default_factory=Counter)


@dataclass
class People:
    """Ids of the CRM's users with their partners, teams and stages."""

    users: list[tuple[int, int]]
    teams: list[int]
    stages: list[int]
    tags: list[int]
    team_of_all: int = 1

    @classmethod
    def of(cls, dsn: str) -> People:
        with psycopg.connect(dsn) as conn:
            users = "SELECT id, partner_id FROM res_users WHERE active AND NOT coalesce(share, false) ORDER BY id"
            return cls(
                users=conn.execute(users).fetchall(),
                teams=[r[0] for r in conn.execute("SELECT id FROM crm_team WHERE active ORDER BY id")],
                stages=[r[0] for r in conn.execute("SELECT id FROM crm_stage WHERE NOT coalesce(is_won, false)")],
                tags=[r[0] for r in conn.execute("SELECT id FROM crm_tag ORDER BY id")],
            )


Note = Callable[[], None]


class Session:
    """One session's units of work. Each returns what to note once it is committed.

    A session deletes only what no other session touches (`mine`): two of Odoo's own transactions can deadlock when one
    deletes a lead that the other writes on, and that is not what is tested.
    """

    def __init__(
        self, conn: psycopg.Connection, people: People, committed: Committed, shared_tags: Sequence[str], seed: int
    ) -> None:
        self.conn, self.people, self.committed, self.shared_tags = conn, people, committed, shared_tags
        self.random = random.Random(seed)
        self.slowest: tuple[float, str] = (0.0, "")
        self.mine: list[int] = []
        self.user, self.partner = self.random.choice(people.users)
        self.units: dict[str, tuple[int, Callable[[], Note | None]]] = {
            "create lead": (6, self.create_lead),
            "create lead to delete": (2, lambda: self.create_lead(shared=False)),
            "delete lead": (2, self.delete_lead),
            "move lead": (6, self.move_lead),
            "assign lead": (4, self.assign_lead),
            "convert lead": (2, self.convert_lead),
            "lose lead": (2, self.lose_lead),
            "enrich leads": (2, self.enrich_leads),
            "log in": (2, self.touch_user),
            "write partner": (2, self.touch_partner),
            "write team": (2, self.touch_team),
            "make tag": (2, self.make_tag),
            "mine leads": (2, self.create_request),
        }

    def choose(self) -> tuple[str, Callable[[], Note | None]]:
        names = list(self.units)
        name = self.random.choices(names, [self.units[n][0] for n in names])[0]
        return name, self.units[name][1]

    # -- statements

    def run(self, statement: str, *values: object) -> psycopg.Cursor[Any]:
        start = time.monotonic()
        try:
            return self.conn.execute(statement, values)  # type: ignore[arg-type]
        finally:
            self.slowest = max(self.slowest, (time.monotonic() - start, statement))

    def insert(self, table: str, **columns: object) -> int:
        names = ", ".join(columns)
        audit = (
            f"create_uid, write_uid, create_date, write_date) VALUES ({'%s, ' * len(columns)} %s, %s, {_NOW}, {_NOW})"
        )
        row = self.run(f"INSERT INTO {table} ({names}, {audit} RETURNING id", *columns.values(), self.user, self.user)
        return int(row.fetchone()[0])  # type: ignore[index]

    def write(self, table: str, ids: Sequence[int], assignments: str, *values: object) -> None:
        self.run(
            f"UPDATE {table} SET {assignments}, write_uid = %s, write_date = {_NOW} WHERE id = ANY(%s)",
            *values, self.user, list(ids),
        )  # fmt: skip

    def some_leads(self, number: int) -> list[int]:
        """Leads that anybody may write on: those of other sessions, and those that were mined."""
        with self.committed.lock:
            hidden = self.committed.deleted
            shared = [i for i in self.committed.leads if i not in hidden]
        mined = [
            r[0] for r in self.run("SELECT id FROM crm_lead WHERE reveal_id IS NOT NULL ORDER BY id DESC LIMIT 50")
        ]
        known = sorted({*shared[-50:], *mined})
        return sorted(self.random.sample(known, min(number, len(known))))

    def post(self, lead_id: int, kind: str = "notification", **columns: object) -> int:
        """A message in the chatter, as an answer to the first."""
        first = self.run(
            "SELECT min(id) FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", lead_id
        ).fetchone()
        return self.insert(
            "mail_message", model="crm.lead", res_id=lead_id, message_type=kind, author_id=self.partner,
            parent_id=first and first[0], subtype_id=2, body="", message_id=f"<{uuid4()}@odoo>", email_from="x", **columns,
        )  # fmt: skip

    def follow(self, lead_id: int, partner_id: int) -> None:
        row = self.run(
            "INSERT INTO mail_followers (res_model, res_id, partner_id) SELECT 'crm.lead', %s, %s WHERE NOT EXISTS"
            " (SELECT FROM mail_followers WHERE res_model = 'crm.lead' AND res_id = %s AND partner_id = %s) RETURNING id",
            lead_id, partner_id, lead_id, partner_id,
        ).fetchone()  # fmt: skip
        if row:
            self.run("INSERT INTO mail_followers_mail_message_subtype_rel VALUES (%s, 1)", row[0])

    def notify(self, lead_id: int, partner_id: int) -> None:
        message = self.post(lead_id, "user_notification", is_internal=True)
        self.run("INSERT INTO mail_message_res_partner_rel VALUES (%s, %s)", message, partner_id)
        self.run(
            "INSERT INTO mail_notification (mail_message_id, res_partner_id, author_id, notification_type,"
            " notification_status, is_read) VALUES (%s, %s, %s, 'email', 'ready', true)",
            message, partner_id, self.partner,
        )  # fmt: skip
        self.run("UPDATE mail_notification SET notification_status = 'sent' WHERE mail_message_id = %s", message)

    # -- units of work

    def create_lead(self, *, shared: bool = True) -> Note:
        user, partner = self.random.choice(self.people.users)
        name = f"by hand {uuid4()}"
        lead = self.insert(
            "crm_lead", name=name, type="lead", user_id=user, team_id=self.random.choice(self.people.teams),
            stage_id=self.people.stages[0], active=True, color=0, probability=10.0, automated_probability=10.0,
        )  # fmt: skip
        if self.people.tags:
            self.run("INSERT INTO crm_tag_rel VALUES (%s, %s)", lead, self.random.choice(self.people.tags))
        self.follow(lead, self.partner)
        message = self.post(lead)
        if partner != self.partner:
            self.follow(lead, partner)
            self.notify(lead, partner)

        def note() -> None:
            if shared:
                self.committed.leads[lead] = name
                self.committed.messages.add(message)
            else:
                self.mine.append(lead)

        return note

    def delete_lead(self) -> Note | None:
        if not self.mine:
            return None
        lead = self.mine[-1]
        self.run("DELETE FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", lead)
        self.run("DELETE FROM crm_lead WHERE id = ANY(%s)", [lead])
        self.run("DELETE FROM mail_followers WHERE res_model = 'crm.lead' AND res_id = %s", lead)

        def note() -> None:
            self.mine.remove(lead)
            self.committed.deleted.add(lead)

        return note

    def change(self, assignments: str, *values: object) -> tuple[int, Note] | None:
        """Write on one lead. Each change counts the lead's colour up, so that a lost one shows."""
        if not (leads := self.some_leads(1)):
            return None
        [lead] = leads
        self.write("crm_lead", [lead], f"color = coalesce(color, 0) + 1, {assignments}", *values)

        def note() -> None:
            self.committed.changes[lead] += 1

        return lead, note

    def move_lead(self) -> Note | None:
        stage, probability = self.random.choice(self.people.stages), float(self.random.randint(1, 99))
        changed = self.change(
            f"stage_id = %s, probability = %s, automated_probability = %s, date_last_stage_update = {_NOW}",
            stage, probability, probability,
        )  # fmt: skip
        if changed is None:
            return None
        lead, note = changed
        message = self.post(lead)

        def note_both() -> None:
            note()
            self.committed.messages.add(message)

        return note_both

    def assign_lead(self) -> Note | None:
        user, partner = self.random.choice(self.people.users)
        team = self.random.choice(self.people.teams)
        changed = self.change(f"user_id = %s, team_id = %s, date_open = {_NOW}", user, team)
        if changed is None:
            return None
        lead, note = changed
        self.follow(lead, partner)
        self.notify(lead, partner)
        return note

    def convert_lead(self) -> Note | None:
        changed = self.change(f"type = 'opportunity', date_conversion = {_NOW}")
        return changed and changed[1]

    def lose_lead(self) -> Note | None:
        changed = self.change("active = false, probability = 0, automated_probability = 0")
        if changed is None:
            return None
        self.run(
            "UPDATE crm_lead_scoring_frequency SET lost_count = lost_count + 1"
            " WHERE team_id IS NULL AND variable = 'stage_id' AND value = '1'"
        )
        return changed[1]

    def enrich_leads(self) -> None:
        """Leads that somebody is writing on are left for the next time."""
        leads = self.some_leads(5)
        try:
            with self.conn.transaction():
                self.run("SELECT 1 FROM crm_lead WHERE id = ANY(%s) FOR UPDATE NOWAIT", leads)
        except LockNotAvailable:
            return
        self.write("crm_lead", leads, "iap_enrich_done = true")

    def touch_user(self) -> None:
        user, _ = self.random.choice(self.people.users)
        self.run("SELECT id FROM res_users WHERE id = %s FOR NO KEY UPDATE NOWAIT", user)
        self.write("res_users", [user], "odoobot_state = 'idle'")

    def touch_partner(self) -> None:
        self.write("res_partner", [self.random.choice(self.people.users)[1]], "comment = 'seen'")

    def touch_team(self) -> None:
        self.write("crm_team", [self.random.choice(self.people.teams)], "color = 1")

    def make_tag(self) -> Note:
        name = self.random.choice([*self.shared_tags, f"tag {uuid4()}"])
        self.insert("crm_tag", name=Jsonb({"en_US": name}), color=1)

        def note() -> None:
            self.committed.tags.add(name)

        return note

    def create_request(self) -> Note:
        [number] = self.run("SELECT nextval('ir_sequence_001')").fetchone()  # type: ignore[misc]
        name = f"LMR{number:03d}"
        request = self.insert(
            "crm_iap_lead_mining_request", name=name, state="draft", search_type="companies", lead_number=3,
            lead_type="lead", user_id=self.user, team_id=self.people.team_of_all,
        )  # fmt: skip
        self.run("INSERT INTO crm_iap_lead_mining_request_res_country_rel VALUES (%s, 1)", request)

        def note() -> None:
            self.committed.numbers.append(name)

        return note
