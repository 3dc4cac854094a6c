"""What Odoo would do with new leads and lead mining does not, or what of the CRM's own may stop it: no errors, notices.

Odoo runs these in Python when a lead is created; leads that are loaded with SQL do not pass there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from psycopg import Connection

from lead_mining.crm import crons
from lead_mining.crm.access import TABLES, TABLES_FOR_NOTICES
from lead_mining.crm.checks import missing_tables
from lead_mining.crm.privileges import column_grants, current_role, lacking

_ON_CREATION = (
    "on_create", "on_create_or_write", "on_stage_set", "on_user_set", "on_tag_set", "on_state_set", "on_priority_set",
)  # fmt: skip
"""Triggers of Odoo 17's automation rules that a new record pulls."""

_GIVEN = (
    "name", "type", "team_id", "user_id", "tag_ids", "lead_mining_request_id", "reveal_id", "partner_name", "website",
    "email_from", "phone", "street", "city", "zip", "country_id", "state_id", "contact_name", "function",
)  # fmt: skip
"""Fields that Odoo's own lead mining gives, so that no default is asked for."""

_ODOOS_RULES = (
    "crm_lead_check_probability", "crm_tag_name_uniq", "mail_followers_mail_followers_res_partner_res_model_id_uniq",
    "mail_notification_notification_partner_required", "unique_mail_message_id_res_partner_id_if_set",
)  # fmt: skip
"""Odoo 17's own checks and unique indexes on the tables that we insert into."""


def preflight(conn: Connection, team_id: int | None) -> list[str]:
    """Notices for a person, a sentence or two each, none where all is plain. Reads only.

    `team_id`: the team that the leads are for. To be called after `check_crm`.
    """
    return [
        *_automation_rules(conn),
        *_user_defined_defaults(conn),
        *_lead_properties(conn, team_id),
        *_own_rules(conn),
        *_mail_queue(conn),
    ]


def _automation_rules(conn: Connection) -> list[str]:
    def read() -> list[str]:
        rows = conn.execute(
            """
            SELECT coalesce(r.name->>'en_US', (SELECT min(value) FROM jsonb_each_text(r.name))), r.trigger
            FROM base_automation r JOIN ir_model m ON m.id = r.model_id
            WHERE m.model = 'crm.lead' AND r.active AND r.trigger = ANY(%s)
            ORDER BY 1
            """,
            [list(_ON_CREATION)],
        )
        return [
            f"Odoo's automation rule {name!r} ({trigger}) does not run for the leads of this run: Odoo runs it only for"
            " leads that are made in Odoo"
            for name, trigger in rows
        ]

    return _if_readable(conn, ("base_automation",), "automation rules", read)


def _user_defined_defaults(conn: Connection) -> list[str]:
    def read() -> list[str]:
        rows = conn.execute(
            """
            SELECT DISTINCT f.name FROM ir_default d JOIN ir_model_fields f ON f.id = d.field_id
            WHERE f.model = 'crm.lead' AND d.user_id IS NULL AND d.condition IS NULL AND f.name <> ALL(%s)
            ORDER BY 1
            """,
            [list(_GIVEN)],
        )
        fields = [row[0] for row in rows]
        return fields and [
            f"the CRM has user-defined defaults for new leads, which the leads of this run do not get: {_list(fields)}"
        ]

    return _if_readable(conn, ("ir_default", "ir_model_fields"), "user-defined defaults", read)


def _lead_properties(conn: Connection, team_id: int | None) -> list[str]:
    rows = conn.execute(
        """
        SELECT coalesce(nullif(p->>'string', ''), p->>'name')
        FROM crm_team, jsonb_array_elements(
            CASE jsonb_typeof(lead_properties_definition) WHEN 'array' THEN lead_properties_definition END) AS p
        WHERE id = %s AND p ? 'default' AND p->'default' NOT IN ('null', 'false', '0', '""', '[]')
        """,
        [team_id],
    )
    names = [row[0] for row in rows]
    return names and [
        f"the team's properties of leads have default values, which the leads of this run do not get: {_list(names)}"
    ]


def _own_rules(conn: Connection) -> list[str]:
    """Checks, unique indexes and triggers that neither Odoo 17 nor role.sql makes, on tables that we insert into.

    A unique index of all columns of a many-to-many table is what old Odoos made in place of its primary key.
    """
    rows = conn.execute(
        """
        WITH written AS (
            SELECT oid, relname FROM pg_class
            WHERE relnamespace = to_regnamespace('public') AND relname = ANY(%s)
        )
        SELECT relname, conname AS name, pg_get_constraintdef(c.oid)
        FROM written JOIN pg_constraint c ON conrelid = written.oid AND contype IN ('c', 'x')
        WHERE conname <> ALL(%s)
        UNION ALL
        SELECT written.relname, i.relname, pg_get_indexdef(i.oid)
        FROM written JOIN pg_index ON indrelid = written.oid AND indisunique AND NOT indisprimary
        JOIN pg_class i ON i.oid = indexrelid
        WHERE i.relname <> ALL(%s)
          AND NOT (right(written.relname, 4) = '_rel' AND indnkeyatts = 2 AND indnatts = 2 AND indpred IS NULL
                   AND indkey::int2[] @> ARRAY(SELECT attnum FROM pg_attribute
                                               WHERE attrelid = written.oid AND attnum > 0 AND NOT attisdropped))
        UNION ALL
        SELECT relname, tgname, pg_get_triggerdef(t.oid)
        FROM written JOIN pg_trigger t ON tgrelid = written.oid AND NOT tgisinternal
        JOIN pg_proc f ON f.oid = tgfoid AND f.pronamespace IS DISTINCT FROM to_regnamespace('lead_mining')
        ORDER BY 1, 2
        """,
        [[table for table, access in TABLES.items() if access.insert], list(_ODOOS_RULES), list(_ODOOS_RULES)],
    )
    return [
        f"the CRM's table {table} has a rule that Odoo 17 does not have, {name!r}: {definition}. A row that breaks it"
        " stops the run where it is written; in load_leads, nothing is then loaded or spent"
        for table, name, definition in rows
    ]


def _mail_queue(conn: Connection) -> list[str]:
    queue = crons.find(conn, *crons.MAIL_QUEUE)
    if queue is None:
        if missing_tables(conn, ["ir_cron"]):  # the embedded CRM sends no mails
            return []
        return [
            "Odoo has no scheduled action that sends queued mails ('Mail: Email Queue Manager'), somebody deleted it:"
            " the notices to salespeople and followers wait in Odoo's outgoing mails until somebody sends them there."
            " To have it back, update Odoo's app mail"
        ]
    if queue.active:
        return []
    return [
        "Odoo's scheduled action that sends queued mails ('Mail: Email Queue Manager') is switched off: the notices to"
        " salespeople and followers wait in Odoo's outgoing mails until somebody sends them there"
    ]


def _if_readable(conn: Connection, tables: Collection[str], what: str, read: Callable[[], list[str]]) -> list[str]:
    """What `read` says, nothing where there are no such tables, and the missing privileges where there are."""
    lacks = lacking(conn, {table: TABLES_FOR_NOTICES[table] for table in tables})
    if any(not lack.exists for lack in lacks):
        return []
    if lacks:
        statements = " ".join(column_grants(lacks, current_role(conn)))
        return [f"whether Odoo has {what} for new leads cannot be seen by this role; to see it: {statements}"]
    return read()


def _list(names: list[str]) -> str:
    """Names between quotes, ten at most: they are what somebody typed."""
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
