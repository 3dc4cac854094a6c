"""Every text and JSON column of our own schema, of tables added later too (the view `lead_mining.text_column`)."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from lead_mining.privacy.finding import Found
from lead_mining.privacy.scrub import Needles

Places = dict[str, list[Any]]
"""'table.column' to the rows in which something was found: their primary keys, as text."""


class _Column(NamedTuple):
    table: str
    column: str
    kind: str
    changeable: bool
    """Whether it may be written into."""
    of_run: str | None
    of_candidate: str | None
    """The columns by which a row belongs to a run or a candidate, if it does."""
    key: list[str]


def scrub_everywhere(conn: Connection, found: Found) -> Counter[str]:
    """Take the persons out of all columns that may be changed; 'table.column' to the rows that were.

    A rejection that is about a person loses its value too, which may be a part of an address. To be called in the
    transaction that erases.
    """
    changed: Counter[str] = Counter()
    for column in _columns(conn):
        if column.changeable:
            changed[f"{column.table}.{column.column}"] += _scrub(conn, column, found)
    return +changed


def find_everywhere(conn: Connection, found: Found) -> Places:
    """Where mentions are, in all columns: after `scrub_everywhere`, what it may not change."""
    places: Places = {}
    for column in _columns(conn):
        rows = _mentions(conn, column, found, lock=False)
        if keys := [key for _, key, value, scrubbed in rows if scrubbed != value]:
            places[f"{column.table}.{column.column}"] = keys
    return places


def _columns(conn: Connection) -> list[_Column]:
    rows = conn.execute(
        """
        SELECT c.table_name, c.column_name, c.kind, c.changeable,
               CASE WHEN c.table_name = 'run' THEN 'id' ELSE (
                   SELECT attname::text FROM pg_attribute WHERE attrelid = t.oid AND attname = 'run_id') END,
               CASE WHEN c.table_name = 'candidate' THEN 'id' ELSE (
                   SELECT attname::text FROM pg_attribute WHERE attrelid = t.oid AND attname = 'candidate_id') END,
               coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_constraint k
                         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                         WHERE k.conrelid = t.oid AND k.contype = 'p'), '{}')
        FROM lead_mining.text_column c
        JOIN pg_class t ON t.relname = c.table_name AND t.relnamespace = 'lead_mining'::regnamespace
        ORDER BY 1, 2
        """
    )
    return [_Column(*row) for row in rows]


def _mentions(conn: Connection, column: _Column, found: Found, *, lock: bool) -> list[tuple[str, str, Any, Any]]:
    """(ctid, primary key, value, the value without the persons) of the rows that may mention one.

    Names count in rows of the candidates found, in pages on which values came for these later, in rows of their runs
    that are of no candidate, and beside an address or a number.
    """
    related = sql.SQL("coalesce({candidate} = ANY(%(candidates)s), {run} = ANY(%(runs)s), false)").format(
        candidate=sql.Identifier(column.of_candidate) if column.of_candidate else sql.SQL("NULL::bigint"),
        run=sql.Identifier(column.of_run) if column.of_run else sql.SQL("NULL::bigint"),
    )
    query = sql.SQL(
        "SELECT ctid::text, concat_ws(' ', {key}), {value}, {related} FROM lead_mining.{table}"
        " WHERE lower({value}::text) LIKE ANY(%(certain)s) OR {related} AND lower({value}::text) LIKE ANY(%(named)s)"
        " {lock}"
    ).format(
        key=sql.SQL(", ").join(map(sql.Identifier, column.key or ["ctid"])),
        value=sql.Identifier(column.column),
        related=related,
        table=sql.Identifier(column.table),
        lock=sql.SQL("FOR UPDATE" if lock else ""),
    )
    rows = conn.execute(
        query,
        {
            "certain": found.needles.patterns(names=False),
            "named": found.needles.patterns(names=True),
            "candidates": [candidate.id for candidate in found.candidates],
            "runs": found.run_ids,
        },
    )
    late = {f"{run_id} {number}" for run_id, number in found.late_pages} if column.table == "raw_page" else set()
    return [
        (ctid, key, value, _scrubbed(found.needles.on_their_pages if key in late else found.needles, related, value))
        for ctid, key, value, related in rows
    ]


def _scrubbed(needles: Needles, related: bool, value: Any) -> Any:
    return needles.scrubbed(value, names=_names_count(needles, related, value))


def _names_count(needles: Needles, related: bool, value: Any) -> bool:
    return (related and needles.may_be_about(value)) or next(needles.excerpts(value, names=False), None) is not None


def _scrub(conn: Connection, column: _Column, found: Found) -> int:
    about_contact = (column.table, column.column) == ("rejection", "record")
    changed = 0
    for ctid, _, value, scrubbed in _mentions(conn, column, found, lock=True):
        if scrubbed == value:
            continue
        changed += conn.execute(
            sql.SQL("UPDATE lead_mining.{table} SET {column} = %s{value} WHERE ctid = %s::tid").format(
                table=sql.Identifier(column.table),
                column=sql.Identifier(column.column),
                value=sql.SQL(", value = NULL" if about_contact else ""),
            ),
            [Jsonb(scrubbed) if column.kind == "json" else scrubbed, ctid],
        ).rowcount
    return changed
