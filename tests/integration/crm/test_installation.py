"""Whether our schema is as role.sql made it, in the CRM that it was set up for."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from crm_role import PASSWORD, apply_role, dsn_of, logged_in
from databases import new_database

from lead_mining import migrations
from lead_mining.crm import embedded
from lead_mining.crm.installation import check_installation
from lead_mining.exceptions import CrmError

TRIGGERS = """
    SELECT c.relname, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE c.relnamespace = 'lead_mining'::regnamespace AND NOT tgisinternal ORDER BY 1, 2
"""


@pytest.fixture
def superuser(crm_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA lead_mining CASCADE")
        apply_role(conn)
        yield conn


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_the_guards_that_are_looked_for_are_all_triggers_of_the_migrations(conn: psycopg.Connection) -> None:
    made = {(table, name) for table, name, *_ in conn.execute(TRIGGERS)}
    assert migrations.guards().keys() == made


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_without_any_one_of_its_guards_nothing_is_mined_and_role_sql_makes_them_anew(
    superuser: psycopg.Connection,
) -> None:
    before = superuser.execute(TRIGGERS).fetchall()
    with logged_in(superuser) as miner:
        check_installation(miner)
        for table, name in migrations.guards():
            for how in (f"DISABLE TRIGGER {name}", f"ENABLE REPLICA TRIGGER {name}"):
                superuser.execute(f"ALTER TABLE lead_mining.{table} {how}".encode())
                with pytest.raises(
                    CrmError, match=rf"switched off \({name} on {table}\). Let a superuser run include/sql"
                ):
                    check_installation(miner)
                superuser.execute(f"ALTER TABLE lead_mining.{table} ENABLE TRIGGER {name}".encode())
        check_installation(miner)
        for number, (table, name) in enumerate(migrations.guards()):
            how = f"DROP TRIGGER {name} ON" if number % 2 else "ALTER TABLE"
            superuser.execute(f"{how} lead_mining.{table} {'' if number % 2 else 'DISABLE TRIGGER ' + name}".encode())
        with pytest.raises(CrmError, match="triggers are gone or switched off"):
            check_installation(miner)
        apply_role(superuser)
        assert superuser.execute(TRIGGERS).fetchall() == before
        check_installation(miner)


@pytest.mark.parametrize(
    "thing",
    [
        "TABLE lead_mining.run",
        "TABLE lead_mining.provenance",
        "FUNCTION lead_mining.ledger_post()",
        "SCHEMA lead_mining",
    ],
)
def test_what_belongs_to_another_role_is_refused_until_role_sql_takes_it_back(
    superuser: psycopg.Connection, thing: str
) -> None:
    superuser.execute("CREATE ROLE somebody")
    superuser.execute(f"ALTER {thing} OWNER TO somebody".encode())
    try:
        with logged_in(superuser) as miner:
            with pytest.raises(
                CrmError, match="something belongs to somebody, as after Odoo's own back-up and restore"
            ):
                check_installation(miner)
            apply_role(superuser)
            check_installation(miner)
    finally:
        superuser.execute("DROP OWNED BY somebody; DROP ROLE somebody")


def test_a_role_that_can_become_the_owner_is_refused(superuser: psycopg.Connection, crm_kind: str) -> None:
    superuser.execute("GRANT lead_mining_owner TO lead_mining")
    try:
        with logged_in(superuser) as miner:
            if crm_kind == "embedded":
                check_installation(miner)
            else:
                with pytest.raises(CrmError, match="or who is connected can become its owner"):
                    check_installation(miner)
    finally:
        superuser.execute("REVOKE lead_mining_owner FROM lead_mining")


def test_the_embedded_crm_may_be_its_owners_own(postgres_server: str) -> None:
    with new_database(postgres_server) as dsn, psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE local_crm LOGIN PASSWORD '{PASSWORD}'")
        superuser.execute("GRANT ALL ON SCHEMA public TO local_crm")
        superuser.execute(f"GRANT ALL ON DATABASE {superuser.info.dbname} TO local_crm")
        try:
            with psycopg.connect(dsn_of(superuser, user="local_crm", password=PASSWORD)) as owner:
                embedded.create(owner)
                migrations.migrate(owner)
                check_installation(owner)
        finally:
            superuser.execute("DROP OWNED BY local_crm CASCADE; DROP ROLE local_crm")
