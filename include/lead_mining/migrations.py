"""Our own schema, `lead_mining`, made and changed by numbered SQL files (`include/sql/migrations`).

A runner of our own and not a migration library: the CRM's database is Odoo's, so nothing may be created outside our
schema (yoyo and Alembic put their tables into the connection's default schema), and there are no models to compare.
"""

from __future__ import annotations

import re
from importlib.resources import files

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

from lead_mining.exceptions import CrmError

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
    """Bring the schema up to date in one transaction; returns the names of the files applied now.

    Raises CrmError where there is no schema and the role may make none.
    """
    applied_now = []
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        _create_schema(conn)
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


def check_migrated(conn: Connection) -> None:
    """Raises CrmError where our schema is absent, of an older version, or closed to who is connected."""
    how = "`python -m local_stack prepare-crm` makes and updates it, and so do `make mine` and `make up`"
    row = conn.execute(
        "SELECT current_user, has_schema_privilege(to_regnamespace('lead_mining'), 'USAGE'),"
        " EXISTS (SELECT FROM pg_class WHERE relname = 'migration' AND relnamespace = to_regnamespace('lead_mining'))"
    ).fetchone()
    assert row is not None
    role, usable, begun = row
    if not begun:
        raise CrmError(f"The database {conn.info.dbname!r} has no schema lead_mining with our own tables: {how}")
    if not usable:
        raise CrmError(
            f"The role {role!r} may not use the schema lead_mining: connect as its owner, or let a superuser run"
            " include/sql/role.sql"
        )
    done = {row[0] for row in conn.execute("SELECT number FROM lead_mining.migration")}
    if missing := [name for number, (name, _) in migrations().items() if number not in done]:
        raise CrmError(f"The schema lead_mining is of an older version, without {', '.join(missing)}: {how}")


def _create_schema(conn: Connection) -> None:
    """Only where there is none: CREATE SCHEMA IF NOT EXISTS wants the right to create schemas, needed or not."""
    row = conn.execute("SELECT to_regnamespace('lead_mining') IS NULL").fetchone()
    if row and row[0]:
        try:
            conn.execute("CREATE SCHEMA lead_mining")
        except InsufficientPrivilege as error:
            raise CrmError(
                f"The role {conn.info.user!r} may not create the schema lead_mining in the database"
                f" {conn.info.dbname!r}: let a superuser run include/sql/role.sql there"
            ) from error
