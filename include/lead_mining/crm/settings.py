"""Settings of the CRM: Odoo's system parameters (table `ir_config_parameter`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString

from psycopg import Connection

_VIEW: LiteralString = "SELECT key, value FROM lead_mining.crm_setting WHERE key = ANY(%s)"
_TABLE: LiteralString = "SELECT key, value FROM public.ir_config_parameter WHERE key = ANY(%s)"


def read(conn: Connection, keys: Collection[str]) -> dict[str, str]:
    """The values of those keys that exist. Reads only.

    The table holds secrets too, so a role of few privileges may not read it; where the view `lead_mining.crm_setting`
    (key, value) exists, which shows harmless keys alone, it is read instead.
    """
    row = conn.execute("SELECT to_regclass('lead_mining.crm_setting') IS NOT NULL").fetchone()
    assert row is not None
    return dict(conn.execute(_VIEW if row[0] else _TABLE, [list(keys)]).fetchall())
