"""Where a lead's page in Odoo is: only where there is an Odoo, and only over the web."""

from __future__ import annotations

import psycopg
import pytest

from lead_mining.crm.web import lead_address


def test_the_embedded_crm_has_no_pages_and_an_odoo_has(crm: psycopg.Connection, crm_kind: str) -> None:
    crm.execute("UPDATE ir_config_parameter SET value = 'https://crm.example/' WHERE key = 'web.base.url'")
    expected = {"embedded": None, "odoo17": "https://crm.example/mail/view?model=crm.lead&res_id="}
    assert lead_address(crm) == expected[crm_kind]


@pytest.mark.parametrize("address", ["javascript:alert(1)//", "//evil.example", "", "file:///etc/passwd"])
def test_what_is_no_web_address_is_no_link(crm: psycopg.Connection, crm_kind: str, address: str) -> None:
    crm.execute("CREATE TABLE IF NOT EXISTS ir_ui_view ()")
    crm.execute("UPDATE ir_config_parameter SET value = %s WHERE key = 'web.base.url'", [address])
    assert lead_address(crm) is None
