"""Where people look at the CRM: its own web pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from psycopg import Connection

from lead_mining.crm import settings


def lead_address(conn: Connection) -> str | None:
    """A lead's page in Odoo, but for the lead's id at its end; None where there is no Odoo over the database."""
    row = conn.execute("SELECT to_regclass('public.ir_ui_view') IS NOT NULL").fetchone()  # which every Odoo has
    base = settings.read(conn, ["web.base.url"]).get("web.base.url", "")
    if not (row and row[0]) or urlsplit(base).scheme not in ("http", "https"):
        return None
    return f"{base.rstrip('/')}/mail/view?model=crm.lead&res_id="
