"""What the privacy DAGs share: their session on the CRM, and their folder.

DAG files import it, so it imports nothing heavy at its top.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lead_mining.exceptions import InvalidRequest
from lead_mining.hooks import crm_session
from lead_mining.privacy_forms import CONNECTION

if TYPE_CHECKING:
    import psycopg


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
