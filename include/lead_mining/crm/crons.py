"""Waking scheduled actions of Odoo (table `ir_cron_trigger`): its cron workers look for such rows every minute."""

from __future__ import annotations

from psycopg import Connection

from lead_mining.crm import settings

ENRICH_SETTING = "crm.iap.lead.enrich.setting"


def wake_enrichment(conn: Connection, acting_user_id: int) -> None:
    """What Odoo 17's app crm_iap_enrich does whenever leads are made: unless set otherwise, its action runs soon."""
    if (settings.read(conn, [ENRICH_SETTING]).get(ENRICH_SETTING) or "auto") == "auto":
        wake(conn, acting_user_id, "crm_iap_enrich", "ir_cron_lead_enrichment")


def wake(conn: Connection, acting_user_id: int, module: str, name: str) -> None:
    """Let the scheduled action with this XML id run now; nothing where there is none, or where it is switched off.

    One row a transaction, at second precision as Odoo writes it. The caller owns the transaction.
    """
    cron_id = _find(conn, module, name)
    if cron_id is None:
        return
    conn.execute(
        """
        INSERT INTO ir_cron_trigger (cron_id, call_at, create_uid, write_uid, create_date, write_date)
        SELECT %(cron)s, date_trunc('second', now_utc), %(uid)s, %(uid)s, now_utc, now_utc
        FROM (SELECT now() AT TIME ZONE 'utc') AS t (now_utc)
        WHERE NOT EXISTS (SELECT FROM ir_cron_trigger WHERE cron_id = %(cron)s AND create_date = now_utc)
        """,
        {"cron": cron_id, "uid": acting_user_id},
    )


def _find(conn: Connection, module: str, name: str) -> int | None:
    """The id of the scheduled action, if it is there and active."""
    found = conn.execute(
        "SELECT res_id, to_regclass('public.ir_cron') IS NOT NULL FROM ir_model_data"
        " WHERE module = %s AND name = %s AND model = 'ir.cron' AND res_id IS NOT NULL",
        [module, name],
    ).fetchone()
    if found is None:
        return None
    cron_id, in_odoo = found
    if in_odoo:  # the embedded CRM has no table of scheduled actions
        active = conn.execute("SELECT active FROM ir_cron WHERE id = %s", [cron_id]).fetchone()
        if active is None or not active[0]:
            return None
    return int(cron_id)
