"""The embedded CRM: the part of Odoo 17's schema that lead mining reads and writes, in a database that has no Odoo.

Same names, types, constraints and indexes as in a real Odoo 17 (SQL in `include/sql/crm`), so one loader serves both.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from lead_mining import vocabulary
from lead_mining.exceptions import CrmError

_LOCK = 0x6C656463  # one creation at a time a database


def create(conn: Connection) -> bool:
    """Create the embedded CRM in one transaction; True if it was created now.

    A database that has a table `crm_lead` is left as it is (False). Raises CrmError where other tables of Odoo stand in
    the way (that is an Odoo without its CRM, and not ours to change), and where an older version of this made it.
    """
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        tables = table_names()
        if _existing(conn, ["crm_lead"]):
            _check_up_to_date(conn, tables)
            return False
        if in_the_way := _existing(conn, tables):
            raise CrmError(
                f"There is no table crm_lead, but {', '.join(in_the_way)}: if it is Odoo's, install its app CRM;"
                " if not, choose an empty database for the embedded CRM"
            )
        conn.execute("SET LOCAL search_path TO public")
        conn.execute(_sql("tables"))
        conn.execute(_sql("rows"))
        _insert_vocabulary(conn)
        for table in tables:
            _finish_rows(conn, table)
        conn.execute(_sql("keys_and_indexes"))
    return True


def _check_up_to_date(conn: Connection, tables: list[str]) -> None:
    """It holds trial data, so a new one is made rather than the old one changed."""
    missing = set(tables) - set(_existing(conn, tables))
    if missing and not _existing(conn, ["ir_ui_view"]):  # which every Odoo has
        raise CrmError(
            f"The embedded CRM in this database was made by an older version and lacks {', '.join(sorted(missing))}:"
            " remove it (in this project: make clean) or choose an empty database"
        )


def table_names() -> list[str]:
    """The tables of the embedded CRM, in the order in which they are created."""
    return re.findall(r"^CREATE TABLE (\w+)", _sql("tables"), flags=re.MULTILINE)


def _sql(name: str) -> LiteralString:
    return files("lead_mining.sql").joinpath("crm", f"{name}.sql").read_text(encoding="utf-8")


def _existing(conn: Connection, tables: list[str]) -> list[str]:
    query = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass('public.' || quote_ident(name)) IS NOT NULL"
    return [row[0] for row in conn.execute(query, [tables])]


def _insert_vocabulary(conn: Connection) -> None:
    """Countries, states, industries, roles and seniorities: the vocabulary's, in its order."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO res_country (code, name) VALUES (%s, %s)",
            [(code, _translated(name)) for code, name in sorted(vocabulary.countries().items())],
        )
        cursor.executemany(
            "INSERT INTO res_country_state (country_id, code, name) SELECT id, %s, %s FROM res_country WHERE code = %s",
            [(vocabulary.crm_state_code(iso), name, iso.split("-")[0]) for iso, name in vocabulary.states().items()],
        )
        cursor.executemany(
            "INSERT INTO crm_iap_lead_industry (name, reveal_ids, sequence) VALUES (%s, %s, %s)",
            [
                (_translated(industry.name), ",".join(industry.reveal_ids), sequence)
                for sequence, industry in enumerate(vocabulary.industries().values(), start=1)
            ],
        )
        cursor.executemany(
            "INSERT INTO crm_iap_lead_role (name, reveal_id) VALUES (%s, %s)",
            [(_translated(name), reveal_id) for name, reveal_id in vocabulary.roles().items()],
        )
        cursor.executemany(
            "INSERT INTO crm_iap_lead_seniority (name, reveal_id) VALUES (%s, %s)",
            [(_translated(name), reveal_id) for name, reveal_id in vocabulary.seniorities().items()],
        )


def _translated(text: str) -> Jsonb:
    return Jsonb({"en_US": text})


def _finish_rows(conn: Connection, table: str) -> None:
    """Audit columns as for rows that OdooBot made, and the sequence behind the ids given."""
    columns = {r[0] for r in conn.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass", [table])}
    name = sql.Identifier(table)
    if "create_uid" in columns:
        conn.execute(
            sql.SQL(
                "UPDATE {} SET create_uid = 1, write_uid = 1,"
                " create_date = now() AT TIME ZONE 'utc', write_date = now() AT TIME ZONE 'utc'"
            ).format(name)
        )
    if "id" in columns:
        conn.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence(%s, 'id'), max(id)) FROM {} HAVING max(id) > 0").format(name),
            [table],
        )
