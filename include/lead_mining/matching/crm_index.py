"""What the CRM knows, kept in our own schema in the form that candidates are compared in (`known_company`).

The CRM need not tell what changed, and no trigger is put into it: PostgreSQL keeps with each row the transaction that
wrote it, so that reading the table once shows what has changed since the last time, be it by Odoo or SQL by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from lead_mining.identifiers import registered_domain
from lead_mining.matching.likeness import normalised_place, normalised_zip
from lead_mining.matching.names import blocks, words
from lead_mining.plain import logger

log = logger(__name__)

VERSION = 1
"""Of how records are normalised: a new one makes all of `known_company` anew."""

_AT_ONCE = 200_000  # records that are compared, and normalised, in a transaction


class _Source(NamedTuple):
    """One of the CRM's tables. `columns`: in the order of _Record, the country as its id."""

    model: str
    table: LiteralString
    columns: LiteralString


_SOURCES = (
    _Source(
        "crm.lead",
        "crm_lead",
        "r.reveal_id, r.website, r.email_normalized, r.phone_sanitized, r.partner_name, r.city, r.zip, r.country_id",
    ),
    _Source(
        "res.partner",
        "res_partner",
        "NULL::varchar, r.website, r.email_normalized, r.phone_sanitized,"
        " CASE WHEN r.is_company THEN r.name ELSE r.company_name END, r.city, r.zip, r.country_id",
    ),
)


class _Record(NamedTuple):
    record_id: int
    digest: int
    reveal_id: str | None
    website: str | None
    email: str | None
    phone: str | None
    name: str | None
    city: str | None
    zip: str | None
    country: str | None


def refresh(conn: Connection) -> int:
    """Bring `known_company` in step with the CRM; returns how many records were new or changed.

    In transactions of its own, some thousands of records each; one caller at a time. Records that the CRM no longer has
    stay until `forget_gone`: they are seen to be gone when they are compared.
    """
    changed = sum(_refresh(conn, source) for source in _SOURCES)
    if changed:
        log.info("the CRM's leads and partners: %s are new or changed since the last run", f"{changed:,}")
    return changed


def _refresh(conn: Connection, source: _Source) -> int:
    with conn.transaction():  # the horizon first: what is written meanwhile is looked at again the next time
        horizon = _value(conn, "SELECT txid_snapshot_xmin(txid_current_snapshot())")
        since = _in_step_since(conn, source.model)
        ids = None if since is None else _written_since(conn, source, since)
    if ids is None:
        last = _value(conn, f"SELECT max(id) FROM {source.table}") or 0
        bounds = [(first, first + _AT_ONCE - 1) for first in range(1, last + 1, _AT_ONCE)]
        changed = sum(_look_at(conn, source, "r.id BETWEEN %(first)s AND %(last)s", first=f, last=z) for f, z in bounds)
    else:
        starts = range(0, len(ids), _AT_ONCE)
        changed = sum(_look_at(conn, source, "r.id = ANY(%(ids)s)", ids=ids[s : s + _AT_ONCE]) for s in starts)
        if not ids:
            return 0  # the horizon before does as well, and costs no wait for the disk
    conn.execute(
        "INSERT INTO lead_mining.known_company_state (model, version, horizon) VALUES (%s, %s, %s)"
        " ON CONFLICT (model) DO UPDATE SET version = excluded.version, horizon = excluded.horizon,"
        " written_by = txid_current()",
        [source.model, VERSION, horizon],
    )
    return changed


def forget_gone(conn: Connection) -> int:
    """Forget records that the CRM no longer has; returns how many."""
    return sum(
        conn.execute(
            "DELETE FROM lead_mining.known_company k WHERE k.model = %s"
            f" AND NOT EXISTS (SELECT FROM {source.table} r WHERE r.id = k.record_id)",
            [source.model],
        ).rowcount
        for source in _SOURCES
    )


def _value(conn: Connection, query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    return row and row[0]


def _in_step_since(conn: Connection, model: str) -> int | None:
    """None: never, or not in this database: it is a copy of another, where transactions are counted otherwise."""
    row = conn.execute(
        "SELECT horizon FROM lead_mining.known_company_state WHERE model = %s AND version = %s"
        " AND xmin::text::bigint = written_by %% 4294967296"
        " AND txid_snapshot_xmax(txid_current_snapshot()) - horizon < 2147483648",  # further back, ids begin anew
        [model, VERSION],
    ).fetchone()
    return int(row[0]) if row else None


def _written_since(conn: Connection, source: _Source, horizon: int) -> list[int]:
    """Ids of the records that a transaction has written which had not ended at `horizon`. Reads all of the table."""
    rows = conn.execute(
        f"SELECT id FROM {source.table} WHERE age(xmin) <= age((%s %% 4294967296)::text::xid)",
        [horizon],
    )
    return [record_id for (record_id,) in rows]


def _look_at(conn: Connection, source: _Source, which: LiteralString, **values: Any) -> int:
    """Compare some records' digests, and normalise those that changed."""
    with conn.transaction():
        changed = conn.execute(
            f"""
            SELECT r.id, d.digest, {source.columns.rpartition(",")[0]}, c.code
            FROM {source.table} r
            LEFT JOIN res_country c ON c.id = r.country_id
            CROSS JOIN LATERAL (SELECT hashtextextended(ROW({source.columns})::text, %(version)s) AS digest) d
            LEFT JOIN lead_mining.known_company k ON k.model = %(model)s AND k.record_id = r.id
            WHERE {which} AND k.digest IS DISTINCT FROM d.digest
            """,
            {"model": source.model, "version": VERSION, **values},
        ).fetchall()
        if changed:
            _store(conn, source.model, (_Record(*row) for row in changed))
    return len(changed)


_HASHED = ("reveal_id", "domain", "email", "phone", "city", "zip", "block_1", "block_2")


def _store(conn: Connection, model: str, records: Iterable[_Record]) -> None:
    columns = ("record_id", "digest", "name", *_HASHED)
    hashes = ", ".join(f"hashtextextended({column}, 0)" for column in _HASHED)
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    with conn.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS changed_company (record_id int, digest bigint, name text,"
            f" {' text, '.join(_HASHED)} text) ON COMMIT DELETE ROWS"
        )
        cursor.execute("TRUNCATE changed_company")
        with cursor.copy("COPY changed_company FROM STDIN") as copy:
            for row in _normalised(records):
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO lead_mining.known_company (model, {', '.join(columns)})"
            f" SELECT %s, record_id, digest, name, {hashes} FROM changed_company ORDER BY record_id"
            f" ON CONFLICT (model, record_id) DO UPDATE SET {changes}",
            [model],
        )


def _normalised(records: Iterable[_Record]) -> Iterator[tuple[Any, ...]]:
    for r in records:
        name, country = words(r.name or ""), (r.country or "").upper()
        block_1, block_2 = name_blocks(name, country) or (None, None)
        yield (
            r.record_id,
            r.digest,
            " ".join(name),
            r.reveal_id or None,
            registered_domain(r.website) if r.website else None,
            r.email or None,
            r.phone or None,
            normalised_place(r.city),
            normalised_zip(r.zip),
            block_1,
            block_2,
        )


def name_blocks(name: tuple[str, ...], country: str) -> tuple[str, ...]:
    """The blocks of a name in a country: two texts, or none for no name."""
    return tuple(f"{country} {block}" for block in blocks(name))
