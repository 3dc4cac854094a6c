"""Reading the CRM's system parameters."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from lead_mining.crm import settings


def set_parameter(conn: psycopg.Connection, key: str, value: str) -> None:
    conn.execute(
        "INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)"
        " ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
        [key, value],
    )


def make_view(conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE OR REPLACE VIEW lead_mining.crm_setting AS"
        " SELECT key, value FROM public.ir_config_parameter WHERE key LIKE 'crm.%'"
    )


def test_only_what_was_asked_for_and_exists(crm: psycopg.Connection) -> None:
    set_parameter(crm, "crm.pls_fields", "country_id")
    set_parameter(crm, "crm.other", "not asked for")
    assert settings.read(crm, ["crm.pls_fields", "crm.nothing_of_this_name"]) == {"crm.pls_fields": "country_id"}
    assert settings.read(crm, []) == {}


@pytest.mark.parametrize("value", ["", "', DROP TABLE crm_lead; --", "Zoë ☃ \\ %s {}", "x" * 1_000_000])
def test_any_text_is_read_as_it_is(crm: psycopg.Connection, value: str) -> None:
    set_parameter(crm, "crm.'; --", value)
    assert settings.read(crm, ["crm.'; --"]) == {"crm.'; --": value}


def test_a_role_that_may_not_read_the_table_reads_the_view(crm: psycopg.Connection) -> None:
    make_view(crm)
    set_parameter(crm, "crm.pls_fields", "country_id")
    set_parameter(crm, "database.secret", "hush")
    crm.execute("CREATE ROLE few_privileges")
    crm.execute("GRANT USAGE ON SCHEMA lead_mining TO few_privileges")
    crm.execute("GRANT SELECT ON lead_mining.crm_setting TO few_privileges")
    crm.execute("SET LOCAL ROLE few_privileges")

    assert settings.read(crm, ["crm.pls_fields", "database.secret"]) == {"crm.pls_fields": "country_id"}
    with pytest.raises(errors.InsufficientPrivilege):
        crm.execute("SELECT value FROM ir_config_parameter")
