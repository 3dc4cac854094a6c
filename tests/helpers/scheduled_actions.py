"""Scheduled actions of Odoo, which its dump comes without and the embedded CRM has no table for."""

from __future__ import annotations

import psycopg


def add_cron(conn: psycopg.Connection, module: str, name: str, *, active: bool | None = True) -> int:
    """As much of one as can be triggered, and its XML id; returns its id. In the embedded CRM, the XML id alone."""
    in_odoo = conn.execute("SELECT to_regclass('ir_cron') IS NOT NULL").fetchone() == (True,)
    cron_id = _insert(conn, active) if in_odoo else 4242 + len(name)
    conn.execute(
        "INSERT INTO ir_model_data (module, name, model, res_id) VALUES (%s, %s, 'ir.cron', %s)",
        [module, name, cron_id],
    )
    return cron_id


def _insert(conn: psycopg.Connection, active: bool | None) -> int:
    row = conn.execute(
        """
        WITH action AS (
            INSERT INTO ir_act_server (type, name, binding_type, usage, state, model_id)
            SELECT 'ir.actions.server', '{"en_US": "Made for a test"}', 'action', 'ir_cron', 'code', id
            FROM ir_model WHERE model = 'crm.lead'
            RETURNING id
        )
        INSERT INTO ir_cron (ir_actions_server_id, user_id, nextcall, active) SELECT id, 1, now(), %s FROM action
        RETURNING id
        """,
        [active],
    ).fetchone()
    assert row is not None
    return int(row[0])
