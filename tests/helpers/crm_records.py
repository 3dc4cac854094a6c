"""Leads and partners put into a CRM by SQL."""

from __future__ import annotations

from psycopg import Connection


def add_lead(crm: Connection, **columns: object) -> int:
    """A lead with these columns; its id."""
    return _add(crm, "crm_lead", {"name": "Lead", "type": "lead", "active": True} | columns)


def add_partner(crm: Connection, **columns: object) -> int:
    """A partner, a company unless said otherwise, with these columns; its id."""
    return _add(
        crm, "res_partner", {"name": "Partner", "type": "contact", "active": True, "is_company": True} | columns
    )


def _add(crm: Connection, table: str, values: dict[str, object]) -> int:
    names, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    row = crm.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id".encode(), values).fetchone()
    assert row
    return int(row[0])
