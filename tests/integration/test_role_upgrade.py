"""role.sql where our schema is there already: of its former version, of another role, or as somebody left it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from crm_role import PASSWORD, apply_role, dsn_of, is_refused, logged_in, run_role_sql
from databases import new_database
from mined_runs import set_aside

from lead_mining import migrations
from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import CrmError
from local_stack.postgres import client_binary

MIGRATIONS = migrations.migrations()
NAMES = [name for name, _ in MIGRATIONS.values()]

# Where the role that mines owned all, and its tables ended at the second migration.
FORMER_ROLE = f"""
    CREATE SCHEMA lead_mining AUTHORIZATION lead_mining;
    ALTER ROLE lead_mining PASSWORD '{PASSWORD}';
    GRANT USAGE ON SCHEMA lead_mining TO CURRENT_USER;
    ALTER DEFAULT PRIVILEGES FOR ROLE lead_mining IN SCHEMA lead_mining GRANT SELECT ON TABLES TO CURRENT_USER;
    ALTER DEFAULT PRIVILEGES FOR ROLE lead_mining IN SCHEMA lead_mining GRANT SELECT ON SEQUENCES TO CURRENT_USER;
    CREATE VIEW lead_mining.crm_setting WITH (security_barrier) AS
        SELECT key, value FROM public.ir_config_parameter WHERE key = 'web.base.url';
    GRANT SELECT ON lead_mining.crm_setting TO lead_mining;
"""
FORMER_DATA = """
    INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number, max_cost,
        needs_approval, crm_request_id, request_number) VALUES ('nightly/1', '{}', '{}', 'p', 'default', false, 5, 30,
        false, 7, 'LMR007');
    INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference)
        VALUES ('trial', 'top_up', 'default', 500, 'trial');
    INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, run_id)
        SELECT 'h', 'hold', 'default', 30, id FROM lead_mining.run;
"""

# Who may do what with all that stands in our schema; crm_setting is the superuser's.
CATALOGUE = """
    SELECT 'relation', c.oid::regclass::text, relowner::regrole::text, NULL, acl::text
    FROM pg_class c LEFT JOIN unnest(relacl) AS acl ON true
    WHERE relnamespace = 'lead_mining'::regnamespace AND relkind <> 'i'
    UNION ALL
    SELECT 'column', attrelid::regclass::text, NULL, attname, acl::text
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, unnest(attacl) AS acl
    WHERE relnamespace = 'lead_mining'::regnamespace
    UNION ALL
    SELECT 'routine', p.oid::regprocedure::text, proowner::regrole::text, NULL, acl::text
    FROM pg_proc p, unnest(proacl) AS acl WHERE pronamespace = 'lead_mining'::regnamespace
    UNION ALL
    SELECT 'schema', nspname, nspowner::regrole::text, NULL, acl::text
    FROM pg_namespace, unnest(nspacl) AS acl WHERE nspname = 'lead_mining'
    UNION ALL
    SELECT 'default', defaclrole::regrole::text, NULL, defaclobjtype::text, acl::text
    FROM pg_default_acl, unnest(defaclacl) AS acl
"""


@pytest.fixture
def superuser(crm_dsn: str) -> Iterator[psycopg.Connection]:
    """In a CRM that was never mined into, on a server that has the role."""
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA lead_mining CASCADE")
        conn.execute(
            "DO $$ BEGIN IF to_regrole('lead_mining') IS NULL THEN CREATE ROLE lead_mining LOGIN; END IF; END $$"
        )
        yield conn


@pytest.fixture
def former(superuser: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """The role that mines, as the owner that it was, with a run and 500 credits, 30 of them held."""
    superuser.execute(FORMER_ROLE)
    with logged_in(superuser) as conn:
        with monkeypatch.context() as then:
            then.setattr(migrations, "migrations", lambda: {number: MIGRATIONS[number] for number in (1, 2)})
            assert migrations.migrate(conn) == NAMES[:2]
        conn.execute(FORMER_DATA)
        yield conn


def catalogue(conn: psycopg.Connection) -> set[tuple[Any, ...]]:
    return set(conn.execute(CATALOGUE).fetchall())


def test_the_former_version_is_moved_over_with_its_data(
    superuser: psycopg.Connection, former: psycopg.Connection
) -> None:
    assert apply_role(superuser) == NAMES[2:]
    assert ledger.balance(former, "default") == Balance(available=470, held=30)
    (run,) = former.execute("SELECT run_key, crm_request_made_at = created_at AT TIME ZONE 'utc' FROM lead_mining.run")
    assert run == ("nightly/1", True)
    assert is_refused(former, "ALTER TABLE lead_mining.ledger_entry DISABLE TRIGGER ALL")
    assert is_refused(former, "CREATE TABLE lead_mining.x (id integer)")
    assert is_refused(former, "INSERT INTO lead_mining.credit_account (name) VALUES ('mine')")
    with logged_in(superuser, "lead_mining_credits") as keeper, keeper.transaction():
        ledger.top_up(keeper, "default", 1, key="after", reference="after")

    moved = catalogue(superuser)
    assert {who for kind, who, *_ in moved if kind == "default"} == {"lead_mining_owner"}
    superuser.execute("GRANT ALL ON ALL TABLES IN SCHEMA lead_mining TO lead_mining, PUBLIC")  # is taken back
    superuser.execute("GRANT EXECUTE ON ALL ROUTINES IN SCHEMA lead_mining TO lead_mining, PUBLIC")
    superuser.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA lead_mining TO lead_mining, PUBLIC")
    superuser.execute("GRANT ALL ON SCHEMA lead_mining TO lead_mining, PUBLIC")
    assert apply_role(superuser) == []
    assert catalogue(superuser) == moved
    superuser.execute("DROP SCHEMA lead_mining CASCADE")
    assert apply_role(superuser) == NAMES
    assert catalogue(superuser) == moved  # as where it is new


def test_who_began_with_another_role_keeps_everything(superuser: psycopg.Connection) -> None:
    migrations.migrate(superuser)
    with superuser.transaction():
        ledger.top_up(superuser, "default", 500, key="before", reference="before")
    assert apply_role(superuser) == []
    with logged_in(superuser) as role:
        assert migrations.migrate(role) == []
        migrations.check_migrated(role)
        with role.transaction():
            set_aside(role, "default", 30, key="h")
        assert ledger.balance(role, "default") == Balance(available=470, held=30)
    superuser.execute("SET ROLE lead_mining_owner")
    superuser.execute("ALTER TABLE lead_mining.run ADD next_migration integer")
    superuser.execute("ALTER FUNCTION lead_mining.ledger_post() COST 200")


def test_it_makes_what_the_migrations_make(superuser: psycopg.Connection, postgres_server: str) -> None:
    apply_role(superuser)
    with new_database(postgres_server) as other:
        with psycopg.connect(other) as conn:
            migrations.migrate(conn)
        dumps = [dump(dsn) for dsn in (dsn_of(superuser), other)]
    assert "CREATE TABLE lead_mining.migration" in dumps[0]
    assert dumps[0] == dumps[1]


def dump(dsn: str) -> str:
    command = [str(client_binary("pg_dump")), "--schema-only", "--no-owner", "--no-acl", "--schema", "lead_mining"]
    command += ["--exclude-table", "lead_mining.crm_setting", "--restrict-key", "same", "-d", dsn]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_later_migration_is_the_superusers_to_apply(
    superuser: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_role(superuser)
    later = MIGRATIONS | {99: ("0099_later.sql", "SELECT 1")}
    monkeypatch.setattr(migrations, "migrations", lambda: later)
    wanted = (
        r"older version, without 0099_later.sql: it is lead_mining_owner's, .*superuser run include/sql/role.sql again"
    )
    with logged_in(superuser) as role:
        for conn in (role, superuser):  # by migrate, the superuser's own tables would come among the owner's
            for do in (migrations.migrate, migrations.check_migrated):
                with pytest.raises(CrmError, match=wanted):
                    do(conn)


# -- what somebody left there


def test_a_routine_that_somebody_else_put_there_does_not_run_as_the_owner(superuser: psycopg.Connection) -> None:
    superuser.execute("CREATE SCHEMA lead_mining")
    superuser.execute("CREATE FUNCTION lead_mining.trap() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
    apply_role(superuser)
    owner = superuser.execute("SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'trap'").fetchone()
    assert owner == (superuser.info.user,)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("DROP VIEW lead_mining.crm_setting; CREATE TABLE lead_mining.crm_setting (key text)", "is not a view"),
        (
            "CREATE VIEW lead_mining.urls AS SELECT value FROM lead_mining.crm_setting",
            "view lead_mining.urls depends on view lead_mining.crm_setting",
        ),
    ],
)
def test_another_crm_setting_is_told_and_kept(
    superuser: psycopg.Connection, former: psycopg.Connection, left: str, said: str
) -> None:
    former.execute(left)
    before = catalogue(superuser)
    refused = run_role_sql(superuser)
    assert refused.returncode == 3
    assert "lead_mining.crm_setting is not as role.sql made it: " in refused.stderr
    assert said in refused.stderr
    assert "drop it, and run this again" in refused.stderr
    assert catalogue(superuser) == before


TRAP = """
    CREATE FUNCTION lead_mining.trap() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN %s ALTER ROLE lead_mining SUPERUSER; RETURN NULL; END $$;
    CREATE %s TRIGGER trap AFTER INSERT ON lead_mining.migration %s FOR EACH ROW EXECUTE FUNCTION lead_mining.trap()
"""


REFUSALS = (
    "permission denied to alter role",
    "must be superuser to alter",  # PostgreSQL before 16
    "within security-definer function",
)


@pytest.mark.parametrize(
    "trap",
    [
        TRAP % ("", "", ""),
        TRAP % ("RESET ROLE;", "", ""),
        TRAP % ("RESET SESSION AUTHORIZATION;", "", ""),
        TRAP % ("", "CONSTRAINT", "DEFERRABLE INITIALLY DEFERRED"),
        "ALTER TABLE lead_mining.migration ALTER applied_at"
        " SET DEFAULT set_config('role', 'none', false)::text::timestamptz",
    ],
)
def test_what_a_former_owner_left_does_not_get_the_superusers_rights(
    superuser: psycopg.Connection, former: psycopg.Connection, trap: str
) -> None:
    former.execute(trap)
    refused = run_role_sql(superuser)
    assert refused.returncode == 3
    assert any(refusal in refused.stderr for refusal in REFUSALS)
    assert superuser.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'lead_mining'").fetchone() == (False,)


@pytest.mark.parametrize(
    ("give", "take"),
    [
        ("ALTER ROLE lead_mining SUPERUSER", "ALTER ROLE lead_mining NOSUPERUSER"),
        ("ALTER ROLE lead_mining CREATEROLE", "ALTER ROLE lead_mining NOCREATEROLE"),
        ("GRANT lead_mining_owner TO lead_mining", "REVOKE lead_mining_owner FROM lead_mining"),
    ],
)
def test_a_role_that_could_become_the_owner_is_refused(superuser: psycopg.Connection, give: str, take: str) -> None:
    apply_role(superuser)
    superuser.execute(give)
    refused = run_role_sql(superuser)
    superuser.execute(take)
    assert refused.returncode == 3
    assert "the role lead_mining could become lead_mining_owner" in refused.stderr
    assert apply_role(superuser) == []


def test_a_failure_leaves_everything_as_it_was(superuser: psycopg.Connection) -> None:
    superuser.execute("CREATE SCHEMA lead_mining")
    superuser.execute("CREATE TABLE lead_mining.candidate (mine integer)")
    before = catalogue(superuser)
    failed = run_role_sql(superuser)
    assert failed.returncode == 3
    assert 'relation "candidate" already exists' in failed.stderr
    assert catalogue(superuser) == before
