"""Whether our schema stands in the CRM that it was set up for, and as role.sql made it.

What is bought in a copy is bought twice; and after a back-up was restored, who owns our tables can change the ledger.
"""

from __future__ import annotations

from psycopg import Connection

from lead_mining.crm import settings
from lead_mining.crm.access import DATABASE_UUID, NEUTRALIZED
from lead_mining.exceptions import CrmError
from lead_mining.migrations import guards

OWNER = "lead_mining_owner"
"""The role that owns our tables where role.sql made them."""

# Whom any of it belongs to. The view of settings is the superuser's, who alone may read what is behind it.
_OWNERS = """
SELECT DISTINCT pg_get_userbyid(owner)::text
FROM (
    SELECT nspowner FROM pg_namespace WHERE nspname = 'lead_mining'
    UNION ALL
    SELECT relowner FROM pg_class
    WHERE relnamespace = to_regnamespace('lead_mining') AND relkind IN ('r', 'p', 'v', 'm', 'S')
      AND oid IS DISTINCT FROM to_regclass('lead_mining.crm_setting')
    UNION ALL
    SELECT proowner FROM pg_proc WHERE pronamespace = to_regnamespace('lead_mining')
) AS ours (owner)
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND CASE WHEN to_regclass('public.ir_ui_view') IS NULL  -- the embedded CRM may be its owner's own
           THEN pg_get_userbyid(owner) <> %(owner)s AND NOT pg_has_role(owner, 'MEMBER')
           ELSE pg_get_userbyid(owner) <> %(owner)s OR pg_has_role(owner, 'MEMBER') END
ORDER BY 1
"""
_GUARDS_AT_WORK = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace('lead_mining') AND t.tgenabled IN ('O', 'A')
"""


def check_installation(conn: Connection) -> None:
    """Raises CrmError in a copy of the CRM, a CRM that was moved and not adopted, a neutralised one, and one in which
    the ledger is not guarded.

    Asked by everything that may hold credits or buy. Reads only.
    """
    _check_guarded(conn)
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


def _check_guarded(conn: Connection) -> None:
    if owners := [row[0] for row in conn.execute(_OWNERS, {"owner": OWNER})]:
        raise CrmError(
            f"The credit ledger is not guarded: of the schema lead_mining something belongs to {', '.join(owners)}, as"
            " after Odoo's own back-up and restore, or who is connected can become its owner. Let a superuser run"
            f" include/sql/role.sql, which gives all of it to {OWNER}, and connect as lead_mining"
        )
    if missing := guards().keys() - set(conn.execute(_GUARDS_AT_WORK).fetchall()):
        named = ", ".join(f"{name} on {table}" for table, name in sorted(missing))
        raise CrmError(
            f"The credit ledger is not guarded: triggers are gone or switched off ({named}). Let a superuser run"
            " include/sql/role.sql, which makes them anew"
        )
