"""Whether our schema stands in the CRM that it was set up for: what is bought in a copy is bought twice."""

from __future__ import annotations

from psycopg import Connection

from lead_mining.crm import settings
from lead_mining.crm.access import DATABASE_UUID, NEUTRALIZED
from lead_mining.exceptions import CrmError


def check_installation(conn: Connection) -> None:
    """Raises CrmError in a copy of the CRM, a CRM that was moved and not adopted, and a neutralised one.

    Asked by everything that may hold credits or buy. Reads only.
    """
    found = settings.read(conn, [DATABASE_UUID, NEUTRALIZED])
    kept = conn.execute("SELECT database_uuid FROM lead_mining.installation").fetchone()
    if found.get(NEUTRALIZED, "").lower() not in ("", "false"):
        raise CrmError(
            f"The database {conn.info.dbname!r} is neutralised (system parameter {NEUTRALIZED}), as Odoo's copies for"
            " tests are: nothing is bought for it. Let the Airflow connection lead to the CRM that people work in"
        )
    if kept is None:
        raise CrmError(
            f"Lead mining was not set up for the database {conn.info.dbname!r}: let a superuser run"
            " include/sql/role.sql there"
        )
    if kept[0] != found.get(DATABASE_UUID):
        raise CrmError(
            f"This database is a copy of the CRM that lead mining was set up for, or was moved: the {DATABASE_UUID} of"
            f" {conn.info.dbname!r} is {found.get(DATABASE_UUID)}, and lead mining was set up for {kept[0]}. Nothing is"
            " bought, as the other one has the same ledger and the same account at the provider. If this is a copy,"
            " mine in the other one; if the other one is gone, let a superuser run include/sql/adopt.sql here"
        )
