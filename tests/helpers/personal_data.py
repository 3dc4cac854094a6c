"""Where personal data stands, found by a search of its own: every text of every table, and every file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from lead_mining import pipeline
from lead_mining.providers.odoo_iap import OdooIap

PEOPLE = {
    "countries": ["US", "DE", "IN"],
    "search_type": "people",
    "lead_number": 20,
    "contact_number": 3,
    "preferred_role": "CEO",
    "other_roles": ["Marketing", "Sale"],
}

_COLUMNS = """
    SELECT c.relnamespace::regnamespace::text AS schema, c.relname AS "table", a.attname AS "column"
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('public'::regnamespace, 'lead_mining'::regnamespace)
      AND ('S' IN (t.typcategory, e.typcategory) OR 'json' IN (left(t.typname, 4), left(e.typname, 4)))
    ORDER BY 1, 2, 3
"""


def occurrences(conn: psycopg.Connection, needles: Sequence[str], docs: Path | None = None) -> list[str]:
    """'schema.table.column' and file names in which any of the texts stands, in whatever case."""
    found = []
    with conn.cursor(row_factory=dict_row) as cursor:
        columns = cursor.execute(_COLUMNS).fetchall()
    for column in columns:
        query = sql.SQL(
            "SELECT count(*) FROM {} AS t, unnest(%s::text[]) AS needle WHERE strpos(lower({}::text), lower(needle)) > 0"
        ).format(sql.Identifier(column["schema"], column["table"]), sql.Identifier(column["column"]))
        row = conn.execute(query, [list(needles)]).fetchone()
        if row and row[0]:
            found.append("{schema}.{table}.{column}".format(**column))
    for path in sorted(docs.rglob("*")) if docs else ():
        text = path.read_bytes().decode("utf-8", "replace").lower() if path.is_file() else ""
        found += [f"file {path.name}" for needle in needles if needle.lower() in text]
    return found


def mine_people(conn: psycopg.Connection, url: str, docs: Path, key: str = "lead_mining/people", **params: Any) -> int:
    """A run from prepare_request to the notes, with contacts; its id."""
    provider = OdooIap(url, f"trial-{conn.info.dbname}", "2a8a5d34-0000-4000-8000-000000000001")
    run_id = int(pipeline.prepare_request(conn, key, PEOPLE | params)["run_id"])
    pipeline.extract(conn, run_id, provider)
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, key)
    return run_id


def someone(conn: psycopg.Connection, run_id: int) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """A lead whose first contact has an address, a name like nobody else and colleagues; these, if they have one too."""
    rows = conn.execute(
        "SELECT lead_id, company->'contacts' FROM lead_mining.candidate AS c WHERE run_id = %s AND state = 'loaded'"
        " AND jsonb_array_length(company->'contacts') > 1 AND company->'contacts'->0->>'email' IS NOT NULL"
        " AND (SELECT count(*) FROM lead_mining.candidate AS any_of_that_name"
        "      WHERE strpos(any_of_that_name.company::text, c.company->'contacts'->0->>'full_name') > 0) = 1 ORDER BY id",
        [run_id],
    )
    for lead_id, (contact, *others) in rows:
        colleagues = [other for other in others if other["email"]]
        if colleagues:
            return lead_id, contact, colleagues
    raise AssertionError("nobody has a colleague")
