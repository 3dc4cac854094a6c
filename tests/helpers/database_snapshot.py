"""All rows of all tables, as one hash a table: two equal snapshots mean that nothing was changed."""

from __future__ import annotations

import psycopg
from psycopg import sql


def snapshot(conn: psycopg.Connection, schema: str | None = None) -> dict[str, str]:
    """'schema.table' to row count and hash of its rows, for `schema` or for the CRM's and ours."""
    tables = conn.execute(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema = ANY(%s) ORDER BY 1, 2",
        [[schema] if schema else ["public", "lead_mining"]],
    ).fetchall()
    found = {}
    for table in tables:
        query = sql.SQL(
            "SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
        )
        row = conn.execute(query.format(sql.Identifier(*table))).fetchone()
        assert row is not None
        found[".".join(table)] = row[0]
    return found
