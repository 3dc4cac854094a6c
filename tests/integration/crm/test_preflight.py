"""What is said about a database before anything is charged: all that stops mining at once, and notices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psycopg
import pytest
from databases import server_folder
from psycopg.types.json import Jsonb
from scheduled_actions import add_cron

from lead_mining.crm import checks, crons
from lead_mining.crm.access import TABLES
from lead_mining.crm.checks import check_crm
from lead_mining.crm.context import resolve
from lead_mining.crm.preflight import preflight
from lead_mining.exceptions import CrmError
from lead_mining.request import MiningRequest
from local_stack.postgres import PostgresServer

SALES = 1


@pytest.fixture
def crm(crm: psycopg.Connection) -> psycopg.Connection:
    """As every Odoo, it has the scheduled action that sends mails; the dump comes without."""
    add_cron(crm, *crons.MAIL_QUEUE)
    return crm


def problems(conn: psycopg.Connection) -> str:
    with pytest.raises(CrmError) as raised:
        check_crm(conn)
    assert raised.value.permanent
    return str(raised.value)


def run(conn: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        conn.execute(statement)  # type: ignore[arg-type]


def test_a_good_crm(crm: psycopg.Connection) -> None:
    check_crm(crm)
    assert preflight(crm, SALES) == []
    assert preflight(crm, None) == []


def test_it_is_asked_before_the_request_is_read(crm: psycopg.Connection) -> None:
    run(crm, "DROP TABLE res_country CASCADE")
    with pytest.raises(CrmError, match="lacks tables of an Odoo 17: res_country"):
        resolve(crm, MiningRequest.parse({"countries": ["US"], "acting_user": "nobody"}))


# -- the server


@pytest.fixture
def standby() -> Iterator[str]:
    """The dsn of a server in recovery, which can be read and not written."""
    folder = server_folder()
    server = PostgresServer(folder / "postgres", password="standby", settings={"fsync": "off"})
    try:
        with server:
            pass
        (server.data / "standby.signal").touch()
        with server:
            yield server.conninfo("postgres")
    finally:
        shutil.rmtree(folder)


def test_a_standby(standby: str) -> None:
    with psycopg.connect(standby) as conn:
        found = problems(conn)
    assert "its server is a standby, which can only be read: point the connection at the primary server" in found
    assert "it is not a CRM" in found
    assert "default_transaction_read_only" not in found


def test_a_role_that_can_only_read(crm: psycopg.Connection) -> None:
    run(crm, "SET TRANSACTION READ ONLY")
    assert "switch off default_transaction_read_only" in problems(crm)


def test_an_old_server(crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MIN_POSTGRES", 99)
    assert f"its server is PostgreSQL {crm.info.parameter_status('server_version')}; 99 or newer" in problems(crm)


# -- the CRM


def test_a_database_without_odoo(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        assert "it is not a CRM: it has no table ir_module_module" in problems(conn)


def test_missing_modules(crm: psycopg.Connection) -> None:
    run(crm, "UPDATE ir_module_module SET state = 'uninstalled' WHERE name IN ('crm', 'crm_iap_mine')")
    run(crm, "DROP TABLE crm_iap_lead_industry CASCADE")
    found = problems(crm)
    assert "crm (CRM) and crm_iap_mine (Lead Generation) not installed: install it in Odoo, under Apps" in found
    assert "lacks tables" not in found  # they come with the apps


@pytest.mark.parametrize("version", ["16.0.1.3", "saas~17.2.1.3", "18.0.1.3", "170.0.1"])
def test_another_odoo(crm: psycopg.Connection, version: str) -> None:
    crm.execute("UPDATE ir_module_module SET latest_version = %s WHERE name = 'base'", [version])
    run(crm, "ALTER TABLE crm_lead RENAME phone_sanitized TO phone_e164")
    found = problems(crm)
    assert f"it is an Odoo {version}; only Odoo 17.0 is supported" in found
    assert "lacks columns" not in found  # of course it does


def test_all_problems_come_at_once(crm: psycopg.Connection) -> None:
    run(
        crm,
        "DROP TABLE crm_iap_lead_industry CASCADE",
        "DROP TABLE mail_mail CASCADE",
        "ALTER TABLE crm_lead DROP COLUMN reveal_id",
        'ALTER TABLE mail_message_subtype RENAME "default" TO by_default',
        "ALTER TABLE crm_lead ADD x_region integer NOT NULL, ADD x_noted text NOT NULL DEFAULT '', ADD x_free text",
        "TRUNCATE mail_followers CASCADE",
        "ALTER TABLE mail_followers ADD x_since date NOT NULL",
        "ALTER SEQUENCE crm_tag_id_seq OWNED BY NONE",
        "CREATE ROLE miner",
        "SET LOCAL default_transaction_read_only = on",
        "SET LOCAL ROLE miner",
    )
    found = problems(crm)
    assert "lacks tables of an Odoo 17: mail_mail, crm_iap_lead_industry." in found
    assert 'lacks columns of an Odoo 17: mail_message_subtype."default", crm_lead.reveal_id.' in found
    assert "does not know: crm_lead.x_region, mail_followers.x_since may not be NULL and has no default" in found
    assert "new rows can get no id in crm_tag: the column id owns no sequence" in found
    assert "its role miner may do too little" in found
    assert "x_noted" not in found
    assert "x_free" not in found


def test_a_table_elsewhere_does_not_count(crm: psycopg.Connection) -> None:
    run(crm, "CREATE SCHEMA elsewhere", "ALTER TABLE mail_alias SET SCHEMA elsewhere")
    run(crm, "SET LOCAL search_path TO elsewhere, public")
    assert "lacks tables of an Odoo 17: mail_alias." in problems(crm)


# -- the role

EVERYTHING = (
    "CREATE ROLE miner",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO miner",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO miner",
    "GRANT USAGE ON SCHEMA lead_mining TO miner",
)


def granted_by(error: str) -> list[str]:
    return [line.strip() for line in error.splitlines() if line.strip().startswith("GRANT ")]


def test_the_grants_that_are_named_are_what_is_missing(crm: psycopg.Connection) -> None:
    role = '''"Mining; it's ""x"""'''
    run(crm, f"CREATE ROLE {role}", f"SET LOCAL ROLE {role}")
    statements = granted_by(problems(crm))
    assert f"GRANT SELECT (id, reveal_id) ON public.crm_iap_lead_role TO {role};" in statements
    assert f"GRANT USAGE ON SEQUENCE public.crm_lead_id_seq TO {role};" in statements
    assert f"GRANT USAGE ON SEQUENCE public.ir_sequence_001 TO {role};" not in statements  # ir_sequence is not readable
    run(crm, "RESET ROLE", *statements, f"SET LOCAL ROLE {role}")
    found = problems(crm)
    assert granted_by(found) == [f"GRANT USAGE ON SEQUENCE public.ir_sequence_001 TO {role};"]
    assert "may not read the CRM's settings: let a superuser run include/sql/role.sql" in found
    run(crm, "RESET ROLE", *granted_by(found), "CREATE VIEW lead_mining.crm_setting AS SELECT 'a' AS key, 'b' AS value")
    run(crm, f"GRANT USAGE ON SCHEMA lead_mining TO {role}", f"GRANT SELECT ON lead_mining.crm_setting TO {role}")
    run(crm, f"SET LOCAL ROLE {role}")
    check_crm(crm)


def test_one_missing_column_is_named_alone(crm: psycopg.Connection) -> None:
    run(crm, *EVERYTHING, "SET LOCAL ROLE miner")
    check_crm(crm)
    run(crm, "RESET ROLE", "REVOKE SELECT ON crm_team FROM miner", "SET LOCAL ROLE miner")
    (statement,) = granted_by(problems(crm))
    assert statement.startswith("GRANT SELECT (id, name, company_id, ")
    columns = statement.split("(")[1].split(")")[0]
    run(crm, "RESET ROLE", f"GRANT SELECT ({columns.replace(', user_id', '')}) ON crm_team TO miner")
    run(crm, "SET LOCAL ROLE miner")
    assert granted_by(problems(crm)) == ["GRANT SELECT (user_id) ON public.crm_team TO miner;"]


def test_a_role_that_may_not_even_look(crm: psycopg.Connection) -> None:
    run(crm, "REVOKE ALL ON SCHEMA public FROM PUBLIC", "CREATE ROLE miner", "SET LOCAL ROLE miner")
    assert granted_by(problems(crm)) == ["GRANT USAGE ON SCHEMA public TO miner;"]


def test_numbers_without_gaps_are_counted_in_the_row(crm: psycopg.Connection) -> None:
    run(crm, *EVERYTHING, "REVOKE UPDATE ON ir_sequence FROM miner")
    run(crm, "REVOKE ALL ON DATABASE " + crm.info.dbname + " FROM PUBLIC", "SET LOCAL ROLE miner")
    assert granted_by(problems(crm)) == [f"GRANT TEMPORARY ON DATABASE {crm.info.dbname} TO miner;"]
    run(crm, "RESET ROLE", "UPDATE ir_sequence SET implementation = 'no_gap'", "SET LOCAL ROLE miner")
    assert granted_by(problems(crm))[1:] == ["GRANT UPDATE (number_next) ON public.ir_sequence TO miner;"]


def test_the_sequence_of_a_second_company(crm: psycopg.Connection) -> None:
    run(
        crm,
        "INSERT INTO ir_sequence (id, name, code, implementation, number_next, number_increment, padding, active)"
        " VALUES (12345, 'x', 'crm.iap.lead.mining.request', 'standard', 1, 1, 3, true)",
        "CREATE SEQUENCE ir_sequence_12345",
        *EVERYTHING,
        "REVOKE ALL ON SEQUENCE ir_sequence_12345 FROM miner",
        "SET LOCAL ROLE miner",
    )
    assert granted_by(problems(crm)) == ["GRANT USAGE ON SEQUENCE public.ir_sequence_12345 TO miner;"]


# -- notices


@pytest.fixture
def automation(crm: psycopg.Connection) -> psycopg.Connection:
    """A CRM with Odoo's app for automation rules, which neither of ours has; columns as in Odoo 17."""
    run(
        crm,
        "CREATE TABLE base_automation (id serial PRIMARY KEY, name jsonb NOT NULL, model_id integer NOT NULL,"
        " trigger varchar NOT NULL, active boolean)",
    )
    return crm


def add_rule(
    conn: psycopg.Connection, name: object, trigger: str, model: str = "crm.lead", active: bool = True
) -> None:
    conn.execute(
        "INSERT INTO base_automation (name, model_id, trigger, active)"
        " SELECT %s, id, %s, %s FROM ir_model WHERE model = %s",
        [Jsonb(name), trigger, active, model],
    )


def test_automation_rules_that_new_leads_would_set_off(automation: psycopg.Connection) -> None:
    assert preflight(automation, SALES) == []
    add_rule(automation, {"en_US": "Welcome"}, "on_create_or_write")
    add_rule(automation, {"fr_FR": "É\n<b>'tape"}, "on_stage_set")
    add_rule(automation, {"en_US": "Off"}, "on_create", active=False)
    add_rule(automation, {"en_US": "Another model"}, "on_create", model="res.partner")
    for trigger in ("on_write", "on_time_created", "on_unlink", "on_message_sent", "on_webhook"):
        add_rule(automation, {"en_US": trigger}, trigger)
    assert [notice.split(" does not run")[0] for notice in preflight(automation, SALES)] == [
        "Odoo's automation rule 'Welcome' (on_create_or_write)",
        "Odoo's automation rule \"É\\n<b>'tape\" (on_stage_set)",
    ]


def test_automation_rules_that_the_role_may_not_see(automation: psycopg.Connection) -> None:
    run(automation, "CREATE ROLE miner", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO miner")
    run(automation, "REVOKE ALL ON base_automation FROM miner", "SET LOCAL ROLE miner")
    assert preflight(automation, SALES) == [
        "whether Odoo has automation rules for new leads cannot be seen by this role; to see it:"
        " GRANT SELECT (name, model_id, trigger, active) ON public.base_automation TO miner;"
    ]


@pytest.mark.parametrize("crm_kind", ["odoo17"])
def test_user_defined_defaults(crm: psycopg.Connection, crm_kind: str) -> None:
    for model, field, user, condition in [
        ("crm.lead", "priority", None, None),
        ("crm.lead", "source_id", None, None),
        ("crm.lead", "medium_id", 2, None),  # one user's own
        ("crm.lead", "campaign_id", None, "type=lead"),  # of a form
        ("crm.lead", "team_id", None, None),  # given by the request
        ("res.partner", "lang", None, None),
    ]:
        crm.execute(
            "INSERT INTO ir_default (field_id, user_id, condition, json_value)"
            " SELECT id, %s, %s, '1' FROM ir_model_fields WHERE model = %s AND name = %s",
            [user, condition, model, field],
        )
    (notice,) = preflight(crm, SALES)
    assert notice.endswith("which the leads of this run do not get: 'priority', 'source_id'")


def test_properties_of_the_team_with_defaults(crm: psycopg.Connection) -> None:
    definition = [
        {"name": "a1", "string": "Budget", "type": "integer", "default": 5},
        {"name": "b2", "string": "", "type": "char", "default": "x"},
        {"name": "c3", "string": "Empty", "type": "char", "default": ""},
        {"name": "d4", "string": "Off", "type": "boolean", "default": False},
        {"name": "e5", "string": "None", "type": "tags", "default": None},
        {"name": "f6", "string": "Without", "type": "date"},
    ]
    crm.execute("UPDATE crm_team SET lead_properties_definition = %s WHERE id = %s", [Jsonb(definition), SALES])
    (notice,) = preflight(crm, SALES)
    assert notice.endswith("which the leads of this run do not get: 'Budget', 'b2'")
    assert preflight(crm, None) == []
    crm.execute("UPDATE crm_team SET lead_properties_definition = %s", [Jsonb({"not": "a list"})])
    assert preflight(crm, SALES) == []


def test_rules_of_the_crms_own(crm: psycopg.Connection) -> None:
    run(
        crm,
        "ALTER TABLE crm_lead ADD CONSTRAINT x_city CHECK (city IS NOT NULL)",
        "CREATE UNIQUE INDEX x_reveal ON crm_lead (reveal_id)",
        "CREATE INDEX x_harmless ON crm_lead (city)",
        "CREATE FUNCTION x_stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER x_stop BEFORE INSERT ON mail_message FOR EACH ROW EXECUTE FUNCTION x_stop()",
        "ALTER TABLE res_country ADD CONSTRAINT x_read_only CHECK (code <> '??')",
    )
    city, reveal, stop = preflight(crm, SALES)
    assert "crm_lead has a rule that Odoo 17 does not have, 'x_city': CHECK ((city IS NOT NULL))." in city
    assert "'x_reveal': CREATE UNIQUE INDEX" in reveal
    assert "mail_message has a rule that Odoo 17 does not have, 'x_stop': CREATE TRIGGER" in stop


MANY_TO_MANY = [table for table, access in TABLES.items() if access.insert and table.endswith("_rel")]


@pytest.mark.parametrize("table", MANY_TO_MANY)
def test_an_upgraded_odoo_has_unique_indexes_in_place_of_primary_keys(crm: psycopg.Connection, table: str) -> None:
    columns = TABLES[table].insert
    run(
        crm,
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey",
        f"CREATE UNIQUE INDEX one_way ON {table} ({', '.join(columns)})",
        f"CREATE UNIQUE INDEX the_other ON {table} ({', '.join(reversed(columns))})",
    )
    assert preflight(crm, SALES) == []


@pytest.mark.parametrize(
    "index",
    [
        "crm_tag_rel (tag_id)",
        "crm_tag_rel (lead_id) INCLUDE (tag_id)",
        "crm_tag_rel (lead_id, tag_id) WHERE tag_id = 1",
        "crm_tag_rel (lead_id, (tag_id % 2))",
        "crm_tag_rel (lead_id, lead_id)",
        "crm_lead (name, active)",
    ],
)
def test_other_unique_indexes_are_rules(crm: psycopg.Connection, index: str) -> None:
    run(crm, f"CREATE UNIQUE INDEX x_own ON {index}")
    (notice,) = preflight(crm, SALES)
    assert f"the CRM's table {index.split()[0]} has a rule that Odoo 17 does not have, 'x_own'" in notice


def test_a_third_column_makes_a_unique_index_of_two_a_rule(crm: psycopg.Connection) -> None:
    run(crm, "ALTER TABLE crm_tag_rel ADD x_since date", "CREATE UNIQUE INDEX x_two ON crm_tag_rel (lead_id, tag_id)")
    (notice,) = preflight(crm, SALES)
    assert "'x_two'" in notice
    run(crm, "ALTER TABLE crm_tag_rel DROP x_since")
    assert preflight(crm, SALES) == []


def test_a_mail_queue_that_is_switched_off(crm: psycopg.Connection, crm_kind: str) -> None:
    if crm_kind == "embedded":
        pytest.skip("it sends no mails")
    assert preflight(crm, None) == []
    crm.execute("UPDATE ir_cron SET active = false")
    (notice,) = preflight(crm, None)
    assert "'Mail: Email Queue Manager') is switched off" in notice


@pytest.mark.parametrize("what_is_left", ["nothing", "its XML id"])
def test_a_mail_queue_that_was_deleted(crm: psycopg.Connection, crm_kind: str, what_is_left: str) -> None:
    run(crm, "DELETE FROM ir_model_data WHERE model = 'ir.cron' AND module = 'mail'")
    if crm_kind == "embedded":  # which sends no mails
        assert preflight(crm, None) == []
        return
    if what_is_left == "its XML id":
        add_cron(crm, *crons.MAIL_QUEUE)
    run(crm, "DELETE FROM ir_cron")
    (notice,) = preflight(crm, None)
    assert notice.startswith("Odoo has no scheduled action that sends queued mails ('Mail: Email Queue Manager')")
    assert "switched off" not in notice
