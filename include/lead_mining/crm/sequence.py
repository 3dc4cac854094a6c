"""Odoo's own numbering of mining requests: LMR001, LMR002, ... (table `ir_sequence`, and a PostgreSQL sequence)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql

from lead_mining.crm.access import REQUEST_SEQUENCE as CODE
from lead_mining.crm.checks import missing_tables
from lead_mining.exceptions import CrmError

_DATE_PARTS = {
    "year": "%Y", "month": "%m", "day": "%d", "y": "%y", "doy": "%j", "woy": "%W", "weekday": "%w",
    "h24": "%H", "h12": "%I", "min": "%M", "sec": "%S",
}  # fmt: skip
"""What a prefix or suffix may contain, as `%(year)s`, by strftime's codes (Odoo's legend of sequences)."""


@dataclass(frozen=True)
class Sequence:
    """A row of `ir_sequence`. `gapless`: numbers come from the row itself, under a lock; else from PostgreSQL."""

    id: int
    prefix: str
    suffix: str
    padding: int
    gapless: bool

    @property
    def postgres_name(self) -> str:
        """The name that Odoo gives the PostgreSQL sequence behind it."""
        return f"ir_sequence_{self.id:03d}"


def find_sequence(conn: Connection, company_id: int) -> Sequence:
    """The company's sequence, else that of all companies. Raises CrmError where there is none that can be used."""
    row = conn.execute(
        """
        SELECT id, coalesce(prefix, ''), coalesce(suffix, ''), padding, implementation = 'no_gap',
               coalesce(use_date_range, false)
        FROM ir_sequence
        WHERE code = %s AND active AND (company_id = %s OR company_id IS NULL)
        ORDER BY company_id, id LIMIT 1
        """,
        [CODE, company_id],
    ).fetchone()
    if row is None:
        raise CrmError(f"The CRM has no sequence with code {CODE} (table ir_sequence): update Odoo's app crm_iap_mine")
    *values, by_date_range = row
    sequence = Sequence(*values)
    if by_date_range:
        raise CrmError(
            f"The CRM's sequence {CODE} numbers by date ranges, which is not supported: in Odoo, under Settings /"
            " Technical / Sequences, switch off 'Use subsequences per date_range'"
        )
    if not sequence.gapless and missing_tables(conn, [sequence.postgres_name]):
        raise CrmError(f"The CRM lacks the PostgreSQL sequence {sequence.postgres_name} of its sequence {CODE}")
    return sequence


def next_number(conn: Connection, company_id: int) -> str:
    """The next number, with prefix, padding and suffix. Raises CrmError as `find_sequence` does."""
    sequence = find_sequence(conn, company_id)
    row = conn.execute("SELECT now() AT TIME ZONE 'utc'").fetchone()
    assert row is not None
    today: datetime = row[0]
    number = _from_row(conn, sequence) if sequence.gapless else _from_postgres(conn, sequence)
    return f"{_dated(sequence.prefix, today)}{number:0{sequence.padding}d}{_dated(sequence.suffix, today)}"


def _from_postgres(conn: Connection, sequence: Sequence) -> int:
    query = sql.SQL("SELECT nextval({}::regclass)").format(sql.Literal(f"public.{sequence.postgres_name}"))
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _from_row(conn: Connection, sequence: Sequence) -> int:
    row = conn.execute(
        "UPDATE ir_sequence SET number_next = number_next + number_increment WHERE id = %s"
        " RETURNING number_next - number_increment",
        [sequence.id],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _dated(text: str, today: datetime) -> str:
    """Fill in `%(year)s` and the like; `range_` and `current_` before a name mean the same without date ranges."""
    parts = {name: today.strftime(code) for name, code in _DATE_PARTS.items()}
    parts |= {f"{kind}_{name}": value for name, value in parts.items() for kind in ("range", "current")}
    try:
        return text % parts
    except (KeyError, ValueError, TypeError):
        raise CrmError(f"The CRM's sequence {CODE} has a prefix or suffix that cannot be filled in: {text!r}") from None
