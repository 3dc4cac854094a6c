"""Leads and partners put into a CRM by SQL."""

from __future__ import annotations

from psycopg import Connection

from lead_mining.crm.requests import CrmRequest


def add_lead(crm: Connection, **columns: object) -> int:
    """A lead with these columns; its id."""
    return _add(crm, "crm_lead", {"name": "Lead", "type": "lead", "active": True} | columns)


def add_partner(crm: Connection, **columns: object) -> int:
    """A partner, a company unless said otherwise, with these columns; its id."""
    return _add(
        crm, "res_partner", {"name": "Partner", "type": "contact", "active": True, "is_company": True} | columns
    )


def request_with_id(crm: Connection, id_: int) -> CrmRequest:
    """The request as the run that made it knows it; one that was deleted is known too."""
    row = crm.execute("SELECT name, create_date FROM crm_iap_lead_mining_request WHERE id = %s", [id_]).fetchone()
    return CrmRequest(id_, *(row or ("LMR001", None)))


def _add(crm: Connection, table: str, values: dict[str, object]) -> int:
    names, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    row = crm.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id".encode(), values).fetchone()
    assert row
    return int(row[0])
