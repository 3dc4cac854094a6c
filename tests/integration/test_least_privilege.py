"""The role of role.sql: the whole way runs as it, it has exactly what the one list says, and can do nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_people import TEAM_DEFAULT, follow, set_alias_domain
from crm_role import apply_role, is_refused, logged_in
from psycopg.conninfo import make_conninfo
from scheduled_actions import add_cron

from lead_mining import pipeline
from lead_mining.credits import ledger
from lead_mining.crm.access import SETTINGS, TABLES, TABLES_FOR_NOTICES, TABLES_OF_ODOO, Need, needs
from lead_mining.crm.checks import check_crm
from lead_mining.crm.crons import ENRICH_SETTING
from lead_mining.crm.preflight import preflight
from lead_mining.crm.scoring import FIELDS_SETTING
from lead_mining.exceptions import CrmError
from lead_mining.migrations import migrate, migrations
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.summary import summary
from local_stack.postgres import client_binary
from provider_simulator.testing import Simulator, running_simulator

KEY = "lead_mining/least"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def owner(crm_dsn: str) -> Iterator[psycopg.Connection]:
    """A superuser in a CRM that was never mined into."""
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA lead_mining CASCADE")
        yield conn


@pytest.fixture
def as_role(owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The role, logged in."""
    assert apply_role(owner) == [name for name, _ in migrations().values()]
    with logged_in(owner) as conn:
        yield conn


@pytest.fixture
def ready(owner: psycopg.Connection, as_role: psycopg.Connection) -> psycopg.Connection:
    """The role, with 1,000 credits."""
    assert migrate(as_role) == []
    with logged_in(owner, "lead_mining_credits") as keeper, keeper.transaction():
        ledger.top_up(keeper, "default", 1000, key="trial", reference="trial")
    return as_role


@pytest.fixture
def mine(ready: psycopg.Connection, simulator: Simulator, tmp_path: Path) -> Callable[..., int]:
    """The whole way as the role, summary included; how many leads were loaded, with a note each."""

    def run(key: str = KEY, **params: Any) -> int:
        request = {"countries": ["US"], "lead_number": 5} | params
        provider = OdooIap(simulator.url, f"trial-{key}", "2a8a5d34-0000-4000-8000-000000000001")
        run_id = pipeline.prepare_request(ready, key, request)["run_id"]
        pipeline.extract(ready, run_id, provider)
        pipeline.validate(ready, run_id, tmp_path)
        pipeline.deduplicate(ready, run_id)
        pipeline.debit_credits(ready, run_id)
        loaded = int(pipeline.load_leads(ready, run_id)["leads"])
        assert pipeline.write_enrichment_notes(ready, run_id) == {"notes": loaded}
        pipeline.release(ready, key)
        came_to = summary(ready, key)
        assert came_to is not None
        assert came_to.loaded == came_to.notes == loaded > 0
        return loaded

    return run


def count(conn: psycopg.Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def crons(owner: psycopg.Connection) -> None:
    """The scheduled actions that are woken."""
    add_cron(owner, "crm_iap_enrich", "ir_cron_lead_enrichment")
    add_cron(owner, "mail", "ir_cron_mail_scheduler_action")


# -- what it suffices for


def test_companies_for_another_salesperson_with_new_tags(
    mine: Callable[..., int], owner: psycopg.Connection, crm_kind: str, crons: None
) -> None:
    users = {"embedded": ("alex", "kim"), "odoo17": ("mia", "sam")}[crm_kind]
    loaded = mine(
        salesperson=users[0], tags=["Lead mining", "Made now"], states=["US-CA"], industries=["Software & Services"]
    )
    assert count(owner, "SELECT count(*) FROM crm_lead WHERE lead_mining_request_id IS NOT NULL") == loaded
    assert count(owner, "SELECT count(*) FROM mail_mail WHERE state = 'outgoing'") == loaded
    assert count(owner, "SELECT count(*) FROM crm_tag WHERE name->>'en_US' = 'Made now'") == 1
    mine("lead_mining/again", salesperson=users[1])
    assert count(owner, "SELECT count(DISTINCT cron_id) FROM ir_cron_trigger") == 2


def test_people_for_a_followed_team_of_an_alias_domain(mine: Callable[..., int], owner: psycopg.Connection) -> None:
    set_alias_domain(owner)
    for (partner_id,) in owner.execute("SELECT partner_id FROM res_users WHERE active AND id <> 2").fetchall():
        follow(owner, "crm.team", 1, partner_id, [2, *TEAM_DEFAULT])
    mine(
        search_type="people", preferred_role="CEO", other_roles=["Marketing"], contact_number=2, lead_type="opportunity"
    )
    assert count(owner, "SELECT count(*) FROM mail_notification") > 0


def test_people_by_seniority_for_nobody(mine: Callable[..., int]) -> None:
    mine(
        search_type="people", contact_filter_type="seniority", seniority="manager", salesperson="none", team="none"
    )  # fmt: skip


def test_numbers_without_gaps(as_role: psycopg.Connection, owner: psycopg.Connection, mine: Callable[..., int]) -> None:
    owner.execute("UPDATE ir_sequence SET implementation = 'no_gap'")
    with pytest.raises(CrmError, match=r"GRANT UPDATE \(number_next\) ON public.ir_sequence TO lead_mining;"):
        check_crm(as_role)
    apply_role(owner)
    mine()
    owner.execute("UPDATE ir_sequence SET implementation = 'standard'")
    apply_role(owner)
    assert ("ir_sequence", "number_next", "UPDATE") not in granted_columns(owner)


def test_a_wrong_request_is_told_what_is_right(ready: psycopg.Connection) -> None:
    with pytest.raises(Exception, match="did you mean 'admin'") as raised:
        pipeline.prepare_request(
            ready, KEY, {"countries": ["US"], "acting_user": "admim", "team": "Salez", "salesperson": "x"}
        )
    assert "did you mean 'Sales'" in str(raised.value)


def test_notices_are_seen(owner: psycopg.Connection, ready: psycopg.Connection) -> None:
    add_cron(owner, "mail", "ir_cron_mail_scheduler_action")
    owner.execute(
        "CREATE TABLE base_automation (id serial, name jsonb, model_id integer, trigger varchar, active boolean)"
    )
    (notice,) = preflight(ready, 1)
    assert "cannot be seen by this role; to see it: GRANT SELECT (name, model_id" in notice
    apply_role(owner)
    assert preflight(ready, 1) == []


def test_the_databases_owner_can_back_it_up(
    crm_dsn: str, owner: psycopg.Connection, mine: Callable[..., int], tmp_path: Path
) -> None:
    owner.execute("DROP ROLE IF EXISTS crm_owner")
    owner.execute("CREATE ROLE crm_owner LOGIN PASSWORD 'owns'")
    owner.execute(f"ALTER DATABASE {owner.info.dbname} OWNER TO crm_owner")
    apply_role(owner)
    mine()
    owner.execute("SET ROLE lead_mining_owner")
    owner.execute("CREATE TABLE lead_mining.next_migration (id serial)")
    owner.execute("RESET ROLE")
    dump = ["--schema", "lead_mining", "-f", str(tmp_path / "dump.sql")]
    as_owner = make_conninfo(crm_dsn, user="crm_owner", password="owns")
    subprocess.run([client_binary("pg_dump"), *dump, "-d", as_owner], check=True)
    assert "COPY lead_mining.run " in (tmp_path / "dump.sql").read_text(encoding="utf-8")
    owner.execute(f"ALTER DATABASE {owner.info.dbname} OWNER TO CURRENT_USER")
    owner.execute("DROP OWNED BY crm_owner")
    owner.execute("DROP ROLE crm_owner")


def test_without_the_schema_the_role_file_is_named(as_role: psycopg.Connection, owner: psycopg.Connection) -> None:
    owner.execute("DROP SCHEMA lead_mining CASCADE")
    with pytest.raises(
        CrmError, match=r"'lead_mining' may not create the schema lead_mining .* run include/sql/role.sql"
    ):
        migrate(as_role)


# -- what it is


def granted_columns(conn: psycopg.Connection) -> set[tuple[str, str, str]]:
    """(table, column, privilege) of all that the role was granted on columns in the schema public."""
    rows = conn.execute(
        """
        SELECT c.relname, a.attname, acl.privilege_type
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
        WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee = 'lead_mining'::regrole
        """
    )
    return set(rows.fetchall())


def granted_relations(conn: psycopg.Connection) -> set[tuple[str, str]]:
    """(table, view or sequence, privilege) of all that it was granted as a whole, but for our own tables."""
    rows = conn.execute(
        """
        SELECT c.oid::regclass::text, acl.privilege_type
        FROM pg_class c, aclexplode(c.relacl) AS acl
        WHERE acl.grantee = 'lead_mining'::regrole AND c.relowner <> 'lead_mining_owner'::regrole
        """
    )
    return set(rows.fetchall())


def present(conn: psycopg.Connection) -> set[Need]:
    """What the one list says, for the tables that this CRM has."""
    names = {row[0] for row in conn.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")}
    listed = TABLES | TABLES_OF_ODOO | TABLES_FOR_NOTICES
    return set(needs({table: access for table, access in listed.items() if table in names}))


@pytest.mark.parametrize("times", [1, 2])
def test_it_has_exactly_what_the_list_says(owner: psycopg.Connection, times: int) -> None:
    for _ in range(times):
        apply_role(owner)
        assert granted_columns(owner) == present(owner)
        sequences = {f"{table}_id_seq" for table, access in TABLES.items() if access.ids} | {"ir_sequence_001"}
        assert granted_relations(owner) == {
            ("lead_mining.crm_setting", "SELECT"),
            *((sequence, "USAGE") for sequence in sequences),
        }
        owner.execute("GRANT ALL ON crm_lead TO lead_mining")  # what it was given besides is taken back
        owner.execute("GRANT SELECT (password) ON res_users TO lead_mining")
        owner.execute("GRANT ALL ON SEQUENCE res_users_id_seq TO lead_mining")


def test_it_owns_nothing_and_is_nobody_else(ready: psycopg.Connection, owner: psycopg.Connection) -> None:
    assert count(owner, "SELECT count(*) FROM pg_class WHERE relowner = 'lead_mining'::regrole") == 0
    assert count(owner, "SELECT count(*) FROM pg_proc WHERE proowner = 'lead_mining'::regrole") == 0
    assert count(owner, "SELECT count(*) FROM pg_auth_members WHERE member = 'lead_mining'::regrole") == 0
    assert count(owner, "SELECT count(*) FROM pg_auth_members WHERE roleid = 'lead_mining_owner'::regrole") == 0
    roles = owner.execute(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname IN ('lead_mining', 'lead_mining_owner')"
        " AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) ORDER BY 1"
    ).fetchall()
    assert roles == [("lead_mining", True), ("lead_mining_owner", False)]


def test_the_settings_it_can_read(ready: psycopg.Connection, owner: psycopg.Connection) -> None:
    assert {ENRICH_SETTING, FIELDS_SETTING} <= set(SETTINGS)
    owner.execute("TRUNCATE ir_config_parameter")
    for key in (*SETTINGS, "database.secret", "mail.catchall.domain"):
        owner.execute("INSERT INTO ir_config_parameter (key, value) VALUES (%s, 'v')", [key])
    assert {row[0] for row in ready.execute("SELECT key FROM lead_mining.crm_setting")} == set(SETTINGS)


# -- what it cannot do


def test_a_function_of_its_own_sees_no_other_setting(ready: psycopg.Connection) -> None:
    ready.execute(
        f"""
        CREATE FUNCTION pg_temp.peek(key text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
        $$ BEGIN IF key <> ALL ('{{{",".join(SETTINGS)}}}') THEN
               RAISE EXCEPTION 'saw %', key; END IF; RETURN true; END $$
        """
    )
    ready.execute("SELECT * FROM lead_mining.crm_setting WHERE pg_temp.peek(key)")


FORBIDDEN = (
    "SELECT password FROM res_users",
    "SELECT totp_secret FROM res_users",
    "SELECT * FROM res_users",
    "SELECT phone FROM res_partner",
    "SELECT value FROM ir_config_parameter",
    "SELECT account_token FROM iap_account",
    "SELECT description FROM crm_lead",
    "UPDATE crm_lead SET name = 'x'",
    "UPDATE crm_lead SET name = name WHERE false",
    "SELECT id FROM crm_lead FOR UPDATE",
    "UPDATE mail_message SET body = ''",
    "UPDATE crm_iap_lead_mining_request SET name = 'x'",
    "UPDATE ir_sequence SET number_next = 1",
    "UPDATE res_users SET login = 'x'",
    "INSERT INTO res_users (login) VALUES ('x')",
    "INSERT INTO res_groups_users_rel (gid, uid) VALUES (1, 1)",
    "INSERT INTO res_partner (name) VALUES ('x')",
    "INSERT INTO crm_lead (description) VALUES ('x')",
    *(f"{how} {table}" for how in ("DELETE FROM", "TRUNCATE") for table in TABLES),
    "DROP TABLE crm_lead",
    "DROP TABLE crm_tag_rel",
    "ALTER TABLE crm_lead ADD x integer",
    "ALTER TABLE crm_lead DISABLE TRIGGER ALL",
    "CREATE INDEX ON crm_lead (city)",
    "CREATE TRIGGER x BEFORE INSERT ON crm_lead FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_refuse()",
    "LOCK TABLE crm_lead IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE public.x (id integer)",
    "CREATE SCHEMA x",
    "SELECT setval('crm_lead_id_seq', 1)",
    "SELECT nextval('res_users_id_seq')",
    "CREATE ROLE x",
    "ALTER ROLE lead_mining SUPERUSER",
    "SET ROLE postgres",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY crm_tag_rel TO PROGRAM 'cat'",
)


def test_all_else_is_refused(ready: psycopg.Connection) -> None:
    assert [statement for statement in FORBIDDEN if not is_refused(ready, statement)] == []
