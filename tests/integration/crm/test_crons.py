"""Waking Odoo's scheduled actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from lead_mining.crm import crons

Rows = Callable[..., list[dict[str, Any]]]

CRON = 4242
ADMIN = 2


@pytest.fixture
def action(crm: psycopg.Connection, crm_kind: str) -> Callable[..., None]:
    """Makes a scheduled action with an XML id (the embedded CRM has the XML id alone)."""

    def make(module: str = "crm_iap_enrich", name: str = "ir_cron_lead_enrichment", active: bool | None = True) -> None:
        crm.execute(
            "INSERT INTO ir_model_data (module, name, model, res_id) VALUES (%s, %s, 'ir.cron', %s)",
            [module, name, CRON],
        )
        if crm_kind == "odoo17":
            add_cron(crm, CRON, active)

    return make


def add_cron(conn: psycopg.Connection, cron_id: int, active: bool | None) -> None:
    """A scheduled action of Odoo, which the dump comes without."""
    conn.execute(
        """
        WITH action AS (
            INSERT INTO ir_act_server (type, name, binding_type, usage, state, model_id)
            SELECT 'ir.actions.server', '{"en_US": "Enrich"}', 'action', 'ir_cron', 'code', id
            FROM ir_model WHERE model = 'crm.lead'
            RETURNING id
        )
        INSERT INTO ir_cron (id, ir_actions_server_id, user_id, nextcall, active)
        SELECT %s, id, 1, now(), %s FROM action
        """,
        [cron_id, active],
    )


def set_mode(conn: psycopg.Connection, mode: str | None) -> None:
    conn.execute("DELETE FROM ir_config_parameter WHERE key = %s", [crons.ENRICH_SETTING])
    if mode is not None:
        conn.execute("INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)", [crons.ENRICH_SETTING, mode])


def test_one_trigger_in_the_acting_users_name(crm: psycopg.Connection, rows: Rows, action: Callable[..., None]) -> None:
    action("some_app", "some_action")
    crons.wake(crm, ADMIN, "some_app", "some_action")

    [trigger] = rows("SELECT * FROM ir_cron_trigger")
    [time] = rows("SELECT now() AT TIME ZONE 'utc' AS now")
    del trigger["id"]
    assert trigger == {
        "cron_id": CRON,
        "call_at": time["now"].replace(microsecond=0),
        "create_uid": ADMIN,
        "write_uid": ADMIN,
        "create_date": time["now"],
        "write_date": time["now"],
    }


def test_an_action_that_does_not_exist_is_not_woken(
    crm: psycopg.Connection, rows: Rows, action: Callable[..., None]
) -> None:
    action("some_app", "some_action")
    crons.wake(crm, ADMIN, "some_app", "another_action")
    crons.wake(crm, ADMIN, "another_app", "some_action")
    crons.wake(crm, ADMIN, "base", "main_company")  # an XML id, but of a company
    crons.wake_enrichment(crm, ADMIN)
    assert rows("SELECT * FROM ir_cron_trigger") == []


@pytest.mark.parametrize("active", [False, None])
def test_an_action_that_is_switched_off_is_not_woken(
    crm: psycopg.Connection, crm_kind: str, rows: Rows, action: Callable[..., None], active: bool | None
) -> None:
    if crm_kind == "embedded":
        pytest.skip("it has no table of scheduled actions")
    action(active=active)
    crons.wake_enrichment(crm, ADMIN)
    assert rows("SELECT * FROM ir_cron_trigger") == []


def test_an_action_that_was_deleted_is_not_woken(crm: psycopg.Connection, crm_kind: str, rows: Rows) -> None:
    if crm_kind == "embedded":
        pytest.skip("it has no table of scheduled actions")
    crm.execute("INSERT INTO ir_model_data (module, name, model, res_id) VALUES ('a', 'b', 'ir.cron', %s)", [CRON])
    crons.wake(crm, ADMIN, "a", "b")
    assert rows("SELECT * FROM ir_cron_trigger") == []


@pytest.mark.parametrize(("mode", "woken"), [("auto", 1), (None, 1), ("", 1), ("manual", 0), ("no", 0)])
def test_enrichment_is_woken_unless_set_otherwise(
    crm: psycopg.Connection, rows: Rows, action: Callable[..., None], mode: str | None, woken: int
) -> None:
    action()
    set_mode(crm, mode)
    crons.wake_enrichment(crm, ADMIN)
    assert [row["cron_id"] for row in rows("SELECT cron_id FROM ir_cron_trigger")] == [CRON] * woken


def test_one_trigger_a_transaction(crm: psycopg.Connection, rows: Rows, action: Callable[..., None]) -> None:
    action("some_app", "some_action")
    for _ in range(3):
        crons.wake(crm, ADMIN, "some_app", "some_action")
    assert rows("SELECT count(*) AS n FROM ir_cron_trigger WHERE cron_id = %s", CRON) == [{"n": 1}]
