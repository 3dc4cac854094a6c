"""What the CRM knows, kept in our own schema in the form that candidates are compared in (`known_company`).

The CRM need not tell what changed: a digest of each record is compared, so that whatever wrote it, Odoo, an import or
SQL by hand, is noticed. Reading 5,000,000 leads and their digests takes seconds; normalising happens once a change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from lead_mining.identifiers import registered_domain
from lead_mining.matching.likeness import normalised_place, normalised_zip
from lead_mining.matching.names import blocks, words

log = logging.getLogger(__name__)

VERSION = 1
"""Of how records are normalised: a new one makes all of `known_company` anew."""

_IDS_AT_ONCE = 200_000  # so many records of the CRM at most are compared, and changed, in a transaction


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
    """Bring `known_company` in step with the CRM; returns how many records were new, changed or gone.

    In transactions of its own, some thousands of records each: killed, it goes on from there. One caller at a time.
    """
    changed = 0
    for source in _SOURCES:
        last = conn.execute(
            f"SELECT greatest((SELECT max(id) FROM {source.table}),"
            " (SELECT max(record_id) FROM lead_mining.known_company WHERE model = %s))",
            [source.model],
        ).fetchone()
        for first in range(1, ((last and last[0]) or 0) + 1, _IDS_AT_ONCE):
            with conn.transaction():
                changed += _refresh_range(conn, source, first, first + _IDS_AT_ONCE - 1)
    if changed:
        log.info("the CRM's leads and partners: %s new, changed or gone since the last run", f"{changed:,}")
    return changed


def _refresh_range(conn: Connection, source: _Source, first: int, last: int) -> int:
    bounds = {"model": source.model, "first": first, "last": last, "version": VERSION}
    gone = conn.execute(
        "DELETE FROM lead_mining.known_company k WHERE k.model = %(model)s AND k.record_id BETWEEN %(first)s AND"
        f" %(last)s AND NOT EXISTS (SELECT FROM {source.table} r WHERE r.id = k.record_id)",
        bounds,
    ).rowcount
    changed = conn.execute(
        f"""
        SELECT r.id, d.digest, {source.columns.rpartition(",")[0]}, c.code
        FROM {source.table} r
        LEFT JOIN res_country c ON c.id = r.country_id
        CROSS JOIN LATERAL (
            SELECT hashtextextended(ROW({source.columns})::text, %(version)s) AS digest
        ) d
        LEFT JOIN lead_mining.known_company k ON k.model = %(model)s AND k.record_id = r.id
        WHERE r.id BETWEEN %(first)s AND %(last)s AND k.digest IS DISTINCT FROM d.digest
        """,
        bounds,
    ).fetchall()
    if changed:
        _store(conn, source.model, (_Record(*row) for row in changed))
    return gone + len(changed)


def _store(conn: Connection, model: str, records: Iterable[_Record]) -> None:
    with conn.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS changed_company (record_id int, digest bigint, reveal_id text,"
            " domain text, email text, phone text, name text, country text, city text, zip text, block_1 text,"
            " block_2 text) ON COMMIT DELETE ROWS"
        )
        cursor.execute("TRUNCATE changed_company")
        with cursor.copy("COPY changed_company FROM STDIN") as copy:
            for row in _normalised(records):
                copy.write_row(row)
        cursor.execute(
            """
            INSERT INTO lead_mining.known_company
                (model, record_id, digest, reveal_id, domain, email, phone, name, country, city, zip, block_1, block_2)
            SELECT %s, record_id, digest, hashtextextended(reveal_id, 0), hashtextextended(domain, 0),
                   hashtextextended(email, 0), hashtextextended(phone, 0), name, country, city, zip,
                   hashtextextended(block_1, 0), hashtextextended(block_2, 0)
            FROM changed_company ORDER BY record_id
            ON CONFLICT (model, record_id) DO UPDATE SET
                digest = excluded.digest, reveal_id = excluded.reveal_id, domain = excluded.domain,
                email = excluded.email, phone = excluded.phone, name = excluded.name, country = excluded.country,
                city = excluded.city, zip = excluded.zip, block_1 = excluded.block_1, block_2 = excluded.block_2
            """,
            [model],
        )


def _normalised(records: Iterable[_Record]) -> Iterator[tuple[Any, ...]]:
    for r in records:
        name, country = words(r.name or ""), (r.country or "").upper()
        block_1, block_2 = name_blocks(name, country) or (None, None)
        yield (
            r.record_id,
            r.digest,
            r.reveal_id or None,
            registered_domain(r.website) if r.website else None,
            r.email or None,
            r.phone or None,
            " ".join(name),
            country,
            normalised_place(r.city),
            normalised_zip(r.zip),
            block_1,
            block_2,
        )


def name_blocks(name: tuple[str, ...], country: str) -> tuple[str, ...]:
    """The blocks of a name in a country: two texts, or none for no name."""
    return tuple(f"{country} {block}" for block in blocks(name))
