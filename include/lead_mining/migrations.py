"""Our own schema, `lead_mining`, made and changed by numbered SQL files (`include/sql/migrations`).

A runner of our own and not a migration library: the CRM's database is Odoo's, so nothing may be created outside our
schema (yoyo and Alembic put their tables into the connection's default schema), and there are no models to compare.

The schema's owner migrates it. In a CRM of the user's own that is `lead_mining_owner`, whom nobody logs in as: there a
superuser runs `include/sql/role.sql`, which includes all migrations in the form of `as_psql`. After a change of these:
`python -m lead_mining.migrations > include/sql/role_migrations.sql`.
"""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from typing import NamedTuple

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

from lead_mining.exceptions import CrmError
from lead_mining.plain import logger

log = logger(__name__)

_LOCK = 0x6C65616D  # one migration at a time a database; role.sql takes it too
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")
_TRIGGER = re.compile(
    r"^CREATE (?:CONSTRAINT )?TRIGGER (\w+)\b[^;]*?\bON lead_mining\.(\w+)[^;]*;"
    r"|^DROP TRIGGER (?:IF EXISTS )?(\w+) ON lead_mining\.(\w+)",
    re.MULTILINE,
)
_PREPARE = "`python -m local_stack prepare-crm` makes and updates it, and so do `make mine` and `make up`"


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


def guards() -> dict[tuple[str, str], str]:
    """The triggers that keep our tables true: (table, name) to the statement that makes it."""
    found: dict[tuple[str, str], str] = {}
    for _, sql in migrations().values():
        for match in _TRIGGER.finditer(sql):
            name, table, dropped, of = match.groups()
            if dropped:
                found.pop((of, dropped), None)
            else:
                found[table, name] = match[0]
    return found


def as_psql() -> str:
    """All migrations, each handed to the procedure of role.sql that applies it where it is pending; then the guards,
    each to the one that makes it anew where it is gone, or switched off."""
    calls = (
        f"\nCALL pg_temp.apply_migration({number}, '{name}', $migration$\n{sql.rstrip()}\n$migration$);\n"
        for number, (name, sql) in migrations().items()
    )
    kept = (
        f"\nCALL pg_temp.keep_guard('{table}', '{name}', $guard$\n{sql}\n$guard$);\n"
        for (table, name), sql in guards().items()
    )
    head = "-- Made of migrations/ by `python -m lead_mining.migrations`, for role.sql.\n"
    return head + "".join(calls) + "".join(kept)


def migrate(conn: Connection) -> list[str]:
    """Bring the schema up to date in one transaction; returns the names of the files applied now.

    Raises CrmError where something is pending and who is connected is not the schema's owner, may not use the schema,
    or may make none where there is none.
    """
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        schema = _look(conn)
        if schema.owner is None:
            _create_schema(conn)
        elif schema.role != schema.owner:  # not even a superuser: what it made would not be the owner's
            if missing := _missing(conn, schema):
                raise _outdated(schema, missing)
            return []
        conn.execute(
            "CREATE TABLE IF NOT EXISTS lead_mining.migration"
            " (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        pending = _missing(conn, _look(conn))
        for number, (name, sql) in pending.items():
            conn.execute(sql)
            conn.execute("INSERT INTO lead_mining.migration (number, name) VALUES (%s, %s)", [number, name])
        return [name for name, _ in pending.values()]


def check_migrated(conn: Connection) -> None:
    """Raises CrmError where our schema is absent, of an older version, or closed to who is connected.

    Warns in the log where who is connected could unguard the ledger.
    """
    schema = _look(conn)
    if not schema.begun:
        raise CrmError(
            f"The database {conn.info.dbname!r} has no schema lead_mining with our own tables: in a CRM of your own,"
            f" let a superuser run include/sql/role.sql; elsewhere, {_PREPARE}"
        )
    if missing := _missing(conn, schema):
        raise _outdated(schema, missing)
    if schema.owns_ledger:
        log.warning(
            "The role %r owns the credit ledger, and so could switch off what keeps it append-only: let a superuser run"
            " include/sql/role.sql, and connect as lead_mining",
            schema.role,
        )


class _Schema(NamedTuple):
    """Our schema, seen by who is connected."""

    role: str
    owner: str | None
    """None: there is no schema."""
    begun: bool
    """Whether it has the table of what was applied."""
    readable: bool
    owns_ledger: bool
    """As a plain role, that is: a superuser can do all anyway."""


def _look(conn: Connection) -> _Schema:
    with conn.cursor(row_factory=class_row(_Schema)) as cursor:
        schema = cursor.execute(
            """
            SELECT current_user::text AS role, pg_get_userbyid(n.nspowner)::text AS owner,
                   applied.oid IS NOT NULL AS begun,
                   coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(applied.oid, 'SELECT'), false)
                       AS readable,
                   coalesce(pg_has_role(ledger.relowner, 'MEMBER') AND NOT r.rolsuper, false) AS owns_ledger
            FROM pg_roles r
            LEFT JOIN pg_namespace n ON n.nspname = 'lead_mining'
            LEFT JOIN pg_class applied ON applied.relnamespace = n.oid AND applied.relname = 'migration'
            LEFT JOIN pg_class ledger ON ledger.relnamespace = n.oid AND ledger.relname = 'ledger_entry'
            WHERE r.rolname = current_user
            """
        ).fetchone()
    assert schema is not None
    return schema


def _missing(conn: Connection, schema: _Schema) -> dict[int, tuple[str, str]]:
    """The migrations that were not applied. Raises CrmError where that cannot be read."""
    if schema.begun and not schema.readable:
        raise CrmError(
            f"The role {schema.role!r} may not use the schema lead_mining: let a superuser run include/sql/role.sql,"
            " and connect as lead_mining, the role that it makes"
        )
    done = {row[0] for row in conn.execute("SELECT number FROM lead_mining.migration")} if schema.begun else set()
    return {number: migration for number, migration in migrations().items() if number not in done}


def _outdated(schema: _Schema, missing: dict[int, tuple[str, str]]) -> CrmError:
    names = ", ".join(name for name, _ in missing.values())
    how = (
        _PREPARE
        if schema.role == schema.owner
        else f"it is {schema.owner}'s, so let a superuser run include/sql/role.sql again"
    )
    return CrmError(f"The schema lead_mining is of an older version, without {names}: {how}")


def _create_schema(conn: Connection) -> None:
    """Only where there is none: CREATE SCHEMA IF NOT EXISTS wants the right to create schemas, needed or not."""
    try:
        conn.execute("CREATE SCHEMA lead_mining")
    except InsufficientPrivilege as error:
        raise CrmError(
            f"The role {conn.info.user!r} may not create the schema lead_mining in the database"
            f" {conn.info.dbname!r}: let a superuser run include/sql/role.sql there"
        ) from error


if __name__ == "__main__":
    sys.stdout.write(as_psql())
