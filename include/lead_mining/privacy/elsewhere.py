"""What the CRM holds of persons beyond what was mined. It is not ours to change: a person decides on what is found."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from lead_mining.privacy.crm_columns import LOOKED_AT, LOOKED_AT_IF_THERE
from lead_mining.privacy.finding import Found
from lead_mining.privacy.scrub import Needles

_MOST_IDS = 1_000  # named of a column


def find_in_crm(conn: Connection, found: Found) -> tuple[dict[str, list[Any]], list[str]]:
    """('table.column' to the ids of rows, tables that there are and that could not be read).

    Names count everywhere, so some may be namesakes. With partners that are the persons come the leads that were made
    theirs and what they follow.
    """
    places: dict[str, list[Any]] = {}
    not_looked_at = []
    for table, columns in (LOOKED_AT | LOOKED_AT_IF_THERE).items():
        readable = _readable(conn, table, columns)
        if readable is False:
            not_looked_at.append(f"public.{table}")
        for column in columns if readable else ():
            if ids := _rows_with(conn, table, column, found.needles):
                places[f"{table}.{column}"] = ids[:_MOST_IDS]
    partners = {id_ for place, ids in places.items() if place.startswith("res_partner.") for id_ in ids}
    for table in ("crm_lead", "mail_followers"):
        query = sql.SQL("SELECT id FROM public.{} WHERE partner_id = ANY(%s) ORDER BY id LIMIT %s")
        rows = conn.execute(query.format(sql.Identifier(table)), [list(partners), _MOST_IDS])
        if ids := [row[0] for row in rows]:
            places[f"{table}.partner_id"] = ids
    return places, not_looked_at


def _readable(conn: Connection, table: str, columns: tuple[str, ...]) -> bool | None:
    """None: there is no such table."""
    row = conn.execute(
        """
        SELECT bool_and(coalesce(has_column_privilege(c.oid, a.attnum, 'SELECT'), false))
        FROM pg_class c CROSS JOIN unnest(%s::text[]) AS needed (name)
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = needed.name AND NOT a.attisdropped
        WHERE c.oid = to_regclass(%s)
        """,
        [["id", *columns], f"public.{table}"],
    ).fetchone()
    assert row
    readable: bool | None = row[0]
    return readable


def _rows_with(conn: Connection, table: str, column: str, needles: Needles) -> list[int]:
    query = sql.SQL("SELECT id, {0} FROM public.{1} WHERE lower({0}) LIKE ANY(%s) ORDER BY id").format(
        sql.Identifier(column), sql.Identifier(table)
    )
    return [id_ for id_, text in conn.execute(query, [needles.patterns(names=True)]) if _is_in(needles, column, text)]


def _is_in(needles: Needles, column: str, text: str) -> bool:
    return needles.within(text, names=True) or (column == "name" and needles.is_name(text))
