"""Our own schema, `lead_mining`, made and changed by numbered SQL files (`include/sql/migrations`).

A runner of our own and not a migration library: the CRM's database is Odoo's, so nothing may be created outside our
schema (yoyo and Alembic put their tables into the connection's default schema), and there are no models to compare.
"""

from __future__ import annotations

import re
from importlib.resources import files

from psycopg import Connection

_LOCK = 0x6C65616D  # one migration at a time a database
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


def migrations() -> dict[int, tuple[str, str]]:
    """Number to (file name, SQL), in order. Raises ValueError where two files have one number."""
    found: dict[int, tuple[str, str]] = {}
    for file in files("lead_mining.sql").joinpath("migrations").iterdir():
        if match := _NUMBERED.match(file.name):
            number = int(match[1])
            if number in found:
                raise ValueError(f"two migrations have the number {number}: {found[number][0]} and {file.name}")
            found[number] = (file.name, file.read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def migrate(conn: Connection) -> list[str]:
    """Bring the schema up to date in one transaction; returns the names of the files applied now."""
    applied_now = []
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        conn.execute("CREATE SCHEMA IF NOT EXISTS lead_mining")
        conn.execute(
            "CREATE TABLE IF NOT EXISTS lead_mining.migration"
            " (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row[0] for row in conn.execute("SELECT number FROM lead_mining.migration")}
        for number, (name, sql) in migrations().items():
            if number not in done:
                conn.execute(sql)
                conn.execute("INSERT INTO lead_mining.migration (number, name) VALUES (%s, %s)", [number, name])
                applied_now.append(name)
    return applied_now
