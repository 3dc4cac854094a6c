"""What the privacy DAGs share: their session on the CRM, their fields, their folder.

DAG files import it, so it imports nothing heavy at its top.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lead_mining.exceptions import InvalidRequest
from lead_mining.form_fields import CRM_CONNECTION, text
from lead_mining.hooks import crm_session

if TYPE_CHECKING:
    import psycopg

CONNECTION = "lead_mining_privacy"

PRIVACY_CONNECTION: dict[str, Any] = CRM_CONNECTION | {
    "default": CONNECTION,
    "title": "CRM connection with the role lead_mining_privacy",
    "description": "The Airflow connection to the CRM's database whose role may empty what people stand in.",
}
SUBJECTS_FILE: dict[str, Any] = {
    "default": None,
    "type": ["null", "string"],
    "title": "File with people and companies",
    "description": "The path, on the worker, of a CSV file with the columns kind (email, domain or lead) and value. No"
    " addresses here: Airflow keeps what is typed into this form.",
    "pattern": r"^/[^@\x00]+$",
    "maxLength": 1000,
}
LEAD_IDS: dict[str, Any] = {
    "default": None,
    "type": ["null", "array"],
    "title": "Leads",
    "description": "The number of each lead whose people are meant, one a line: 1234 for .../web#id=1234&model=crm.lead"
    " in Odoo. No addresses: these go into the file.",
    "maxItems": 1000,
    # In allOf: with `items` of another type than string, the form would ask for JSON.
    "allOf": [{"items": {"type": ["integer", "string"], "minimum": 1, "pattern": "^[1-9][0-9]{0,9}$"}}],
}


def plain_text(title: str, description: str, **more: Any) -> dict[str, Any]:
    """One line without an `@`, so that nobody's address gets into what Airflow keeps."""
    return text(title, description, pattern=r"^[^\s@]([^@\r\n]*[^\s@])?$", **more)


@contextmanager
def privacy_session(conn_id: str) -> Iterator[psycopg.Connection]:
    """A CRM session for one task, with all the rights that erasing needs. Where not, the error says what to do."""
    from lead_mining.erasing import check_rights

    try:
        with crm_session(conn_id) as connection:
            check_rights(connection)
            yield connection
    except Exception as error:
        if not _has_no_connection(error, conn_id):
            raise
        how = (
            f"Let a superuser run include/sql/role.sql and set a password for the role {CONNECTION} that it makes; then"
            f" make the Airflow connection {conn_id} (type postgres) with it. With the embedded CRM, whose owner may do"
            " all, choose lead_mining_crm"
        )
        raise type(error)(f"{error}\n{how}") from error.__cause__


def _has_no_connection(error: Exception, conn_id: str) -> bool:
    cause = error.__cause__
    return isinstance(cause, InvalidRequest) and [(p.field, p.value) for p in cause.problems] == [
        ("crm_conn_id", conn_id)
    ]


def exports_folder() -> Path:
    """Where exports are written: LEAD_MINING_EXPORTS, by default `exports` in AIRFLOW_HOME."""
    airflow_home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return Path(os.environ.get("LEAD_MINING_EXPORTS") or airflow_home / "exports")
