"""Waking Odoo's scheduled actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from scheduled_actions import add_cron

from lead_mining.crm import crons

Rows = Callable[..., list[dict[str, Any]]]

ENRICHMENT = ("crm_iap_enrich", "ir_cron_lead_enrichment")
ADMIN = 2


def set_mode(conn: psycopg.Connection, mode: str | None) -> None:
    conn.execute("DELETE FROM ir_config_parameter WHERE key = %s", [crons.ENRICH_SETTING])
    if mode is not None:
        conn.execute("INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)", [crons.ENRICH_SETTING, mode])


def test_one_trigger_in_the_acting_users_name(crm: psycopg.Connection, rows: Rows) -> None:
    cron_id = add_cron(crm, "some_app", "some_action")
    crons.wake(crm, ADMIN, "some_app", "some_action")

    [trigger] = rows("SELECT * FROM ir_cron_trigger")
    [time] = rows("SELECT now() AT TIME ZONE 'utc' AS now")
    del trigger["id"]
    assert trigger == {
        "cron_id": cron_id,
        "call_at": time["now"].replace(microsecond=0),
        "create_uid": ADMIN,
        "write_uid": ADMIN,
        "create_date": time["now"],
        "write_date": time["now"],
    }


def test_an_action_that_does_not_exist_is_not_woken(crm: psycopg.Connection, rows: Rows) -> None:
    add_cron(crm, "some_app", "some_action")
    crons.wake(crm, ADMIN, "some_app", "another_action")
    crons.wake(crm, ADMIN, "another_app", "some_action")
    crons.wake(crm, ADMIN, "base", "main_company")  # an XML id, but of a company
    crons.wake_enrichment(crm, ADMIN)
    assert rows("SELECT * FROM ir_cron_trigger") == []


@pytest.mark.parametrize("active", [False, None])
def test_an_action_that_is_switched_off_is_not_woken(
    crm: psycopg.Connection, crm_kind: str, rows: Rows, active: bool | None
) -> None:
    if crm_kind == "embedded":
        pytest.skip("it has no table of scheduled actions")
    add_cron(crm, *ENRICHMENT, active=active)
    crons.wake_enrichment(crm, ADMIN)
    assert rows("SELECT * FROM ir_cron_trigger") == []


def test_an_action_that_was_deleted_is_not_woken(crm: psycopg.Connection, crm_kind: str, rows: Rows) -> None:
    if crm_kind == "embedded":
        pytest.skip("it has no table of scheduled actions")
    crm.execute("INSERT INTO ir_model_data (module, name, model, res_id) VALUES ('a', 'b', 'ir.cron', 4242)")
    crons.wake(crm, ADMIN, "a", "b")
    assert rows("SELECT * FROM ir_cron_trigger") == []


@pytest.mark.parametrize(("mode", "woken"), [("auto", 1), (None, 1), ("", 1), ("manual", 0), ("no", 0)])
def test_enrichment_is_woken_unless_set_otherwise(
    crm: psycopg.Connection, rows: Rows, mode: str | None, woken: int
) -> None:
    cron_id = add_cron(crm, *ENRICHMENT)
    set_mode(crm, mode)
    crons.wake_enrichment(crm, ADMIN)
    assert [row["cron_id"] for row in rows("SELECT cron_id FROM ir_cron_trigger")] == [cron_id] * woken


def test_one_trigger_a_transaction(crm: psycopg.Connection, rows: Rows) -> None:
    cron_id = add_cron(crm, "some_app", "some_action")
    for _ in range(3):
        crons.wake(crm, ADMIN, "some_app", "some_action")
    assert rows("SELECT count(*) AS n FROM ir_cron_trigger WHERE cron_id = %s", cron_id) == [{"n": 1}]
