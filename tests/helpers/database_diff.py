"""What was inserted, updated and deleted in a database: every row of every table, all columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, Any]
Tables = dict[str, dict[Any, Row]]


@dataclass
class Changes:
    """Rows of one table. `updated`: before and after."""

    inserted: list[Row] = field(default_factory=list)
    updated: list[tuple[Row, Row]] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)


def read_tables(conn: psycopg.Connection, schema: str = "public") -> Tables:
    """All rows of all tables of a schema, by id; rows of a table without one by all they hold."""
    names = conn.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        [schema],
    ).fetchall()
    tables: Tables = {}
    with conn.cursor(row_factory=dict_row) as cursor:
        for (name,) in names:
            rows = cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))).fetchall()
            tables[name] = {row["id"] if "id" in row else repr(row): row for row in rows}
    return tables


def changes(before: Tables, after: Tables) -> dict[str, Changes]:
    """By table, where there are any; inserted rows in the order of their ids."""
    found: dict[str, Changes] = {}
    for table in before.keys() | after.keys():
        old, new = before.get(table, {}), after.get(table, {})
        change = Changes(
            inserted=[new[key] for key in sorted(new.keys() - old.keys())],
            updated=[(old[key], new[key]) for key in sorted(new.keys() & old.keys()) if old[key] != new[key]],
            deleted=[old[key] for key in sorted(old.keys() - new.keys())],
        )
        if change.inserted or change.updated or change.deleted:
            found[table] = change
    return found
