"""The CRM as it was when a recording was made: what the dump of the Odoo does not hold, and what was set in between."""

from __future__ import annotations

import psycopg
from crm_people import set_alias_domain
from odoo_recordings import Recording
from scheduled_actions import add_cron

from .schema import Names

ENRICHMENT_CRON = ("crm_iap_enrich", "ir_cron_lead_enrichment")
MAIL_CRON = ("mail", "ir_cron_mail_scheduler_action")

MADE_LATER: Names = {"ir_cron": {18: ".".join(ENRICHMENT_CRON)}, "mail_alias_domain": {1: "acme.test"}}
"""Ids in recordings that the dump cannot explain: it leaves scheduled actions out, and the domain was made afterwards."""

HISTORY = {"stages": 4, "won": 4, "lost": 2}
"""The only history that gives the recorded 66.13 % to a lead in the first stage: 4.1 / (4.1 + 2.1). GOLDEN.md, k."""


def set_starting_state(conn: psycopg.Connection, recording: Recording, names: Names) -> None:
    """`names`: what the ids in the recording stand for."""
    complete(conn)
    written = recording.written
    messages = written.get("mail_message", [])
    if any(message["record_alias_domain_id"] for message in messages):
        set_alias_domain(conn)
    team, salesperson = recording.request_row["team_id"], recording.request_row["user_id"]
    own = {names["res_users"][user] for user in (recording.request_row["create_uid"], salesperson) if user}
    own_partners = {row[0] for row in conn.execute(_PARTNERS_OF, [list(own)])}
    following = {names["res_partner"][row["partner_id"]] for row in written.get("mail_followers", [])} - own_partners
    for partner in sorted(following):
        follow_team(conn, partner, names["crm_team"][team])
    if any(row["notification_type"] == "inbox" for row in written.get("mail_notification", [])):
        read_in_inbox(conn, names["res_users"][salesperson])
    leads = written.get("crm_lead", [])
    if leads and leads[0]["probability"] is not None:  # without a history Odoo leaves the first one empty
        add_history(conn)


def complete(conn: psycopg.Connection) -> None:
    """The same people, teams, tags and scheduled actions in both kinds of CRM."""
    if conn.execute("SELECT to_regclass('ir_cron') IS NULL").fetchone() == (True,):
        name_as_in_the_dump(conn)
    for module, name in (ENRICHMENT_CRON, MAIL_CRON):
        add_cron(conn, module, name)


_PARTNERS_OF = "SELECT p.name FROM res_users u JOIN res_partner p ON p.id = u.partner_id WHERE u.login = ANY(%s)"


def name_as_in_the_dump(conn: psycopg.Connection) -> None:
    """The embedded CRM has the same people and teams under other names, no tags, and no app that enriches leads."""
    for login, new_login, name in (("alex", "mia", "Mia Müller"), ("kim", "sam", "Sam O'Neil")):
        email = f"{new_login}@yourcompany.example.com"
        conn.execute(
            "UPDATE res_partner SET name = %s, complete_name = %s, email = %s, email_normalized = %s"
            " WHERE id = (SELECT partner_id FROM res_users WHERE login = %s)",
            [name, name, email, email, login],
        )
        conn.execute("UPDATE res_users SET login = %s WHERE login = %s", [new_login, login])
    for team, new_name in (("Americas", "West Coast"), ("Europe", "East Coast")):
        conn.execute(
            "UPDATE crm_team SET name = jsonb_build_object('en_US', %s::text) WHERE name->>'en_US' = %s",
            [new_name, team],
        )
    for tag in ("Lead mining", "US & Canada"):
        conn.execute("INSERT INTO crm_tag (name) VALUES (jsonb_build_object('en_US', %s::text))", [tag])
    conn.execute("INSERT INTO ir_module_module (name, state) VALUES ('crm_iap_enrich', 'installed')")
    conn.execute("INSERT INTO ir_config_parameter (key, value) VALUES ('crm.iap.lead.enrich.setting', 'auto')")


def read_in_inbox(conn: psycopg.Connection, login: str) -> None:
    conn.execute("UPDATE res_users SET notification_type = 'inbox' WHERE login = %s", [login])


def follow_team(conn: psycopg.Connection, partner: str, team: str) -> None:
    """With the subtypes that GOLDEN.md names: discussions, and what the team's subtypes 10, 11, 12 are."""
    conn.execute(
        """
        WITH follower AS (
            INSERT INTO mail_followers (res_model, res_id, partner_id)
            SELECT 'crm.team', t.id, p.id FROM crm_team t, res_partner p WHERE t.name->>'en_US' = %s AND p.name = %s
            RETURNING id
        )
        INSERT INTO mail_followers_mail_message_subtype_rel (mail_followers_id, mail_message_subtype_id)
        SELECT follower.id, subtype FROM follower, unnest(ARRAY[1, 10, 11, 12]) AS subtype
        """,
        [team, partner],
    )


def add_history(conn: psycopg.Connection) -> None:
    """Won leads have gone through all stages, lost ones were in the first; Odoo adds a tenth to each count."""
    conn.execute(
        """
        INSERT INTO crm_lead_scoring_frequency (team_id, variable, value, won_count, lost_count)
        SELECT t.id, 'stage_id', s.id::text, %(won)s + 0.1, CASE WHEN s.id = %(first)s THEN %(lost)s + 0.1 ELSE 0.1 END
        FROM crm_team t, crm_stage s WHERE t.name->>'en_US' = 'Sales'
        """,
        {"won": HISTORY["won"], "lost": HISTORY["lost"], "first": 1},
    )
