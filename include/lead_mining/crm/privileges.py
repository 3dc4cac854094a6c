"""What the connected role may do in the CRM, and the statements that would allow it what it needs. Reads catalogs only,
but for `ir_sequence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from lead_mining.crm.access import REQUEST_SEQUENCE, SETTINGS_VIEW, TABLES, Access, needs


class Lack(NamedTuple):
    """A need that is not met: no table, no column, or no privilege. Names as SQL writes them."""

    table: str
    column: str
    privilege: str
    table_exists: bool
    exists: bool


def lacking(conn: Connection, tables: Mapping[str, Access]) -> list[Lack]:
    """What these tables need and who is connected does not have, in one query."""
    wanted = list(needs(tables))
    with conn.cursor(row_factory=class_row(Lack)) as cursor:
        return cursor.execute(
            """
            SELECT quote_ident(need.tab) AS "table", quote_ident(need.col) AS "column", need.privilege,
                   c.oid IS NOT NULL AS table_exists, a.attnum IS NOT NULL AS "exists"
            FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS need (tab, col, privilege, position)
            LEFT JOIN pg_class c
                   ON c.relname = need.tab AND c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace('public')
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = need.col AND NOT a.attisdropped
            WHERE has_column_privilege(c.oid, a.attnum, need.privilege) IS NOT TRUE
            ORDER BY need.position
            """,
            [list(column) for column in zip(*wanted, strict=True)],
        ).fetchall()


def column_grants(lacks: Iterable[Lack], role: str) -> list[str]:
    """The SQL statements, one a table and privilege, that give a role (a name as SQL writes it) what it lacks."""
    return [
        f"GRANT {privilege} ({', '.join(lack.column for lack in group)}) ON public.{table} TO {role};"
        for (table, privilege), group in groupby(lacks, key=lambda lack: (lack.table, lack.privilege))
    ]


def id_sequences(conn: Connection) -> list[tuple[str, str | None, bool | None]]:
    """(table, the sequence of its ids as SQL writes it, whether the role may use it), of tables that we insert into."""
    return conn.execute(
        """
        SELECT c.relname, s.name, has_sequence_privilege(s.name, 'USAGE')
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id'
        CROSS JOIN LATERAL (SELECT pg_get_serial_sequence(c.oid::regclass::text, 'id')) AS s (name)
        WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY(%s) ORDER BY 1
        """,
        [[table for table, access in TABLES.items() if access.ids]],
    ).fetchall()


def sequence_grants(conn: Connection, role: str) -> list[str]:
    """The grants that the role lacks on the sequences behind ids."""
    return [_usage(name, role) for _, name, allowed in id_sequences(conn) if name and not allowed]


def request_sequence_grants(conn: Connection, role: str) -> list[str]:
    """The grants that the role lacks for numbering requests, in every company: on PostgreSQL's sequence behind Odoo's,
    or on the row of `ir_sequence` where numbers are counted there, without gaps."""
    rows = conn.execute(
        """
        SELECT s.implementation = 'no_gap', 'public.' || quote_ident(c.relname), has_sequence_privilege(c.oid, 'USAGE'),
               has_column_privilege('public.ir_sequence', 'number_next', 'UPDATE')
        FROM public.ir_sequence s
        LEFT JOIN pg_class c ON c.relkind = 'S' AND c.relnamespace = to_regnamespace('public')
              AND c.relname = 'ir_sequence_' || lpad(s.id::text, greatest(3, length(s.id::text)), '0')
        WHERE s.code = %s AND s.active ORDER BY s.id
        """,
        [REQUEST_SEQUENCE],
    ).fetchall()
    statements = [_usage(name, role) for gapless, name, usable, _ in rows if not gapless and name and not usable]
    if any(gapless and not updatable for gapless, _, _, updatable in rows):
        statements.append(f"GRANT UPDATE (number_next) ON public.ir_sequence TO {role};")
    return statements


def settings_readable(conn: Connection) -> bool:
    """Whether `settings.read` can read: the view where there is one, else the table itself."""
    row = conn.execute(
        """
        SELECT CASE WHEN has_schema_privilege(to_regnamespace(%s), 'USAGE') IS NOT FALSE THEN
                   coalesce(has_table_privilege(to_regclass(%s), 'SELECT'),
                            has_column_privilege(parameters, 'key', 'SELECT')
                            AND has_column_privilege(parameters, 'value', 'SELECT'))
               END
        FROM to_regclass('public.ir_config_parameter') AS parameters
        """,
        [SETTINGS_VIEW.partition(".")[0], SETTINGS_VIEW],
    ).fetchone()
    return row is not None and bool(row[0])


def _usage(sequence: str, role: str) -> str:
    return f"GRANT USAGE ON SEQUENCE {sequence} TO {role};"


def current_role(conn: Connection) -> str:
    """The connected role's name, as SQL writes it."""
    row = conn.execute("SELECT quote_ident(current_user)").fetchone()
    assert row is not None
    name: str = row[0]
    return name
