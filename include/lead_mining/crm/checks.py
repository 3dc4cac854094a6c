"""Whether a database is a CRM that can be mined into, by who is connected: an Odoo 17 with the apps it takes, or the
embedded CRM. Asked before anything is charged; reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg import Connection

from lead_mining.crm.access import SETTINGS_VIEW, TABLES, TABLES_OF_ODOO
from lead_mining.crm.privileges import (
    Lack,
    column_grants,
    id_sequences,
    lacking,
    request_sequence_grants,
    sequence_grants,
    settings_readable,
)
from lead_mining.exceptions import CrmError

MODULES = {"crm": "CRM", "crm_iap_mine": "Lead Generation"}
"""Odoo's technical names to what to look for in its Apps."""

MIN_POSTGRES = 12
"""Odoo 17's floor, and ours: the schema lead_mining has generated columns."""


def check_crm(conn: Connection) -> None:
    """Raises CrmError that says, all at once, what the database lacks or forbids, and what to do about it."""
    session = _session(conn)
    lacks = lacking(conn, TABLES)
    problems = _server(session)
    if any(lack.table == "ir_module_module" and not lack.exists for lack in lacks):
        problems.append(
            "it is not a CRM: it has no table ir_module_module. Point the connection at an Odoo 17 database, or at one"
            " with the embedded CRM"
        )
    elif not session.sees_tables:
        problems.append(_too_little(session.role, [f"GRANT USAGE ON SCHEMA public TO {session.role};"]))
    else:
        problems += _modules(conn, lacks) or _structure(conn, lacks)
        problems += _privileges(conn, session, lacks)
    if problems:
        raise CrmError("This database cannot be mined into:\n" + "\n".join(f"  - {problem}" for problem in problems))


class _Session(NamedTuple):
    """Facts of the server, the database and the role. Names as SQL writes them."""

    major: int
    version: str
    standby: bool
    read_only: bool
    role: str
    database: str
    sees_tables: bool
    temporary: bool


def _session(conn: Connection) -> _Session:
    row = conn.execute(
        """
        SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'),
               pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
               quote_ident(current_user), quote_ident(current_database()),
               coalesce(has_schema_privilege(to_regnamespace('public'), 'USAGE'), false),
               has_database_privilege(current_database(), 'TEMPORARY')
        """
    ).fetchone()
    assert row is not None
    return _Session(*row)


def _server(session: _Session) -> list[str]:
    problems = []
    if session.major < MIN_POSTGRES:
        problems.append(f"its server is PostgreSQL {session.version}; {MIN_POSTGRES} or newer is supported")
    if session.standby:
        problems.append("its server is a standby, which can only be read: point the connection at the primary server")
    elif session.read_only:
        problems.append(
            f"its role {session.role} can only read: switch off default_transaction_read_only for the role or the"
            " database"
        )
    return problems


def _modules(conn: Connection, lacks: Iterable[Lack]) -> list[str]:
    """What is wrong with the CRM's version and apps, as far as the role may know."""
    if any(lack.table == "ir_module_module" for lack in lacks):
        return []
    rows = conn.execute("SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'")
    installed: dict[str, str | None] = {row[0]: row[1] for row in rows}
    problems = []
    version = installed.get("base") or ""
    if version and not version.startswith("17.0."):
        problems.append(f"it is an Odoo {version}; only Odoo 17.0 is supported")
    if absent := [f"{name} ({title})" for name, title in MODULES.items() if name not in installed]:
        problems.append(f"{' and '.join(absent)} not installed: install it in Odoo, under Apps")
    return problems


def _structure(conn: Connection, lacks: Sequence[Lack]) -> list[str]:
    """Tables and columns of an Odoo 17 that are not there, and columns that we would have to fill and do not know."""
    problems = []
    if tables := dict.fromkeys(lack.table for lack in lacks if not lack.table_exists):
        problems.append(f"it lacks tables of an Odoo 17: {', '.join(tables)}. Update the apps crm and crm_iap_mine")
    columns = dict.fromkeys(f"{lack.table}.{lack.column}" for lack in lacks if lack.table_exists and not lack.exists)
    if columns:
        problems.append(f"it lacks columns of an Odoo 17: {', '.join(columns)}. Update the apps crm and crm_iap_mine")
    if without := [table for table, sequence, _ in id_sequences(conn) if sequence is None]:
        problems.append(f"new rows can get no id in {', '.join(without)}: the column id owns no sequence")
    if required := _unknown_required(conn):
        problems.append(
            f"it wants values that lead mining does not know: {', '.join(required)} may not be NULL and has no default."
            " Another app or a customisation added it: give the column a default in the database"
        )
    return problems


def _unknown_required(conn: Connection) -> list[str]:
    """Columns of the tables that we insert into, not filled by us, NOT NULL and without a default."""
    written = [(table, column) for table, access in TABLES.items() for column in access.insert]
    rows = conn.execute(
        """
        SELECT c.relname || '.' || a.attname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY(%(tables)s)
          AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
          AND (c.relname::text, a.attname::text) NOT IN (SELECT * FROM unnest(%(tables)s::text[], %(columns)s::text[]))
        ORDER BY 1
        """,
        {"tables": [table for table, _ in written], "columns": [column for _, column in written]},
    )
    return [row[0] for row in rows]


def _privileges(conn: Connection, session: _Session, lacks: Sequence[Lack]) -> list[str]:
    """What the connected role may not do, as the statements that would allow it."""
    forbidden = [lack for lack in (*lacks, *lacking(conn, TABLES_OF_ODOO)) if lack.exists]
    statements = column_grants(forbidden, session.role) + sequence_grants(conn, session.role)
    if not session.temporary:
        statements.append(f"GRANT TEMPORARY ON DATABASE {session.database} TO {session.role};")
    if not any(lack.table == "ir_sequence" for lack in lacks):
        statements += request_sequence_grants(conn, session.role)
    problems = [_too_little(session.role, statements)] if statements else []
    if not settings_readable(conn):
        problems.append(
            f"its role {session.role} may not read the CRM's settings: let a superuser run include/sql/role.sql, which"
            f" makes the view {SETTINGS_VIEW} for it"
        )
    return problems


def _too_little(role: str, statements: Iterable[str]) -> str:
    listed = "".join(f"\n      {statement}" for statement in statements)
    return f"its role {role} may do too little. Let a superuser run include/sql/role.sql, or this:{listed}"


def missing_tables(conn: Connection, tables: list[str] | tuple[str, ...]) -> list[str]:
    """Those of the tables that the schema `public` does not have."""
    query = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass('public.' || quote_ident(name)) IS NULL"
    return [row[0] for row in conn.execute(query, [list(tables)])]


def xml_id(conn: Connection, module: str, name: str) -> int:
    """The id that an XML id of Odoo stands for. Raises CrmError where there is none."""
    row = conn.execute("SELECT res_id FROM ir_model_data WHERE module = %s AND name = %s", [module, name]).fetchone()
    if row is None or row[0] is None:
        raise CrmError(f"The CRM has no record {module}.{name} (table ir_model_data): update Odoo's app {module}")
    return int(row[0])
