"""Waking scheduled actions of Odoo (table `ir_cron_trigger`): its cron workers look for such rows every minute."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Connection

from lead_mining.crm import settings

ENRICH_SETTING = "crm.iap.lead.enrich.setting"

ENRICHMENT = ("crm_iap_enrich", "ir_cron_lead_enrichment")
MAIL_QUEUE = ("mail", "ir_cron_mail_scheduler_action")
"""XML ids of the scheduled actions that loading wakes."""


class Cron(NamedTuple):
    """A scheduled action: its id, and whether it is switched on."""

    id: int
    active: bool


def wake_enrichment(conn: Connection, acting_user_id: int) -> None:
    """What Odoo 17's app crm_iap_enrich does whenever leads are made: unless set otherwise, its action runs soon."""
    if (settings.read(conn, [ENRICH_SETTING]).get(ENRICH_SETTING) or "auto") == "auto":
        wake(conn, acting_user_id, *ENRICHMENT)


def wake(conn: Connection, acting_user_id: int, module: str, name: str) -> None:
    """Let the scheduled action with this XML id run now; nothing where there is none, or where it is switched off.

    One row a transaction, at second precision as Odoo writes it. The caller owns the transaction.
    """
    cron = find(conn, module, name)
    if cron is None or not cron.active:
        return
    conn.execute(
        """
        INSERT INTO ir_cron_trigger (cron_id, call_at, create_uid, write_uid, create_date, write_date)
        SELECT %(cron)s, date_trunc('second', now_utc), %(uid)s, %(uid)s, now_utc, now_utc
        FROM (SELECT now() AT TIME ZONE 'utc') AS t (now_utc)
        WHERE NOT EXISTS (SELECT FROM ir_cron_trigger WHERE cron_id = %(cron)s AND create_date = now_utc)
        """,
        {"cron": cron.id, "uid": acting_user_id},
    )


def find(conn: Connection, module: str, name: str) -> Cron | None:
    """The scheduled action with this XML id; None where there is none. Reads only."""
    found = conn.execute(
        "SELECT res_id, to_regclass('public.ir_cron') IS NOT NULL FROM ir_model_data"
        " WHERE module = %s AND name = %s AND model = 'ir.cron' AND res_id IS NOT NULL",
        [module, name],
    ).fetchone()
    if found is None:
        return None
    cron_id, in_odoo = found
    if not in_odoo:  # the embedded CRM has no table of scheduled actions
        return Cron(cron_id, True)
    row = conn.execute("SELECT id, coalesce(active, false) FROM ir_cron WHERE id = %s", [cron_id]).fetchone()
    return Cron(*row) if row else None
