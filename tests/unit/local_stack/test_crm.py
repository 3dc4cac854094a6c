from __future__ import annotations

import json

import pytest
from psycopg.conninfo import conninfo_to_dict

from local_stack.crm import conninfo_of
from local_stack.errors import ConnectionFormError


def test_uri_becomes_conninfo() -> None:
    conninfo = conninfo_of("postgresql://sales:p%40ss%27word@crm.example:5433/odoo?sslmode=require&cursor=dictcursor")

    assert conninfo_to_dict(conninfo) == {
        "host": "crm.example",
        "port": "5433",
        "user": "sales",
        "password": "p@ss'word",
        "dbname": "odoo",
        "sslmode": "require",
    }


def test_json_becomes_conninfo() -> None:
    connection = {"conn_type": "postgres", "host": "h", "login": "u", "schema": "d", "extra": {"connect_timeout": 3}}

    assert conninfo_to_dict(conninfo_of(json.dumps(connection))) == {
        "host": "h",
        "user": "u",
        "dbname": "d",
        "connect_timeout": "3",
    }


@pytest.mark.parametrize("wrong", ["mysql://u:hunter2@h/d", '{"conn_type": "sqlite"}', "nonsense", '{"hunter2"', "{}"])
def test_what_is_no_connection_to_postgresql_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ConnectionFormError, match="AIRFLOW_CONN_LEAD_MINING_CRM") as caught:
        conninfo_of(wrong)
    assert "hunter2" not in str(caught.value)
