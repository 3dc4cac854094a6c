"""The CRM database of the local stack: connecting to it as Airflow would, and making it ready for mining."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from psycopg.pq import Conninfo

from local_stack.environment import CREDITS_VARIABLE
from local_stack.errors import ConnectionFormError

DEFAULT_ACCOUNT = "default"
TRIAL_CREDITS = 1000


def conninfo_of(connection: str) -> str:
    """libpq's form of an Airflow connection to PostgreSQL (URI or JSON). Raises ConnectionFormError."""
    from airflow.sdk import Connection

    form = Connection.from_json if connection.lstrip().startswith("{") else Connection.from_uri
    try:
        parsed = form(connection, conn_id="lead_mining_crm")
    except Exception as error:
        raise ConnectionFormError(
            "AIRFLOW_CONN_LEAD_MINING_CRM is neither a connection URI (postgresql://user:password@host:5432/database) "
            f"nor Airflow's JSON form: {type(error).__name__}"  # not the error's text: it may quote the password
        ) from None
    if parsed.conn_type not in ("postgres", "postgresql"):
        raise ConnectionFormError(f"AIRFLOW_CONN_LEAD_MINING_CRM is of type {parsed.conn_type!r}; allowed: postgres")
    extra: dict[str, Any] = parsed.extra_dejson
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    options = {name: value for name, value in extra.items() if name in known}
    named = {
        "host": parsed.host,
        "port": parsed.port,
        "user": parsed.login,
        "password": parsed.password,
        "dbname": extra.get("database") or parsed.schema,
    }
    return make_conninfo(**options | {name: value for name, value in named.items() if value})


def prepare(conninfo: str, *, embedded: bool, credits_conninfo: str | None = None) -> None:
    """Make the CRM's own tables where it is the `embedded` one, bring our schema up to date, give the trial credits.

    `credits_conninfo`: of who may keep accounts, where that is not who mines. Without, who mines alone gets none.
    """
    from lead_mining import migrations
    from lead_mining.credits import ledger

    with psycopg.connect(conninfo) as connection:
        if embedded:
            from lead_mining.crm import embedded as embedded_crm

            embedded_crm.create(connection)
        migrations.migrate(connection)
    with psycopg.connect(credits_conninfo or conninfo) as keeper:
        try:
            ledger.top_up(keeper, account=DEFAULT_ACCOUNT, credits=TRIAL_CREDITS, key="trial", reference="free trial")
        except InsufficientPrivilege:
            keeper.rollback()
            print(
                f"No trial credits: the role {keeper.info.user} may not keep accounts. Set {CREDITS_VARIABLE} to a"
                " connection with the role lead_mining_credits of include/sql/role.sql"
            )
