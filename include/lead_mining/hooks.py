"""Airflow connections turned into a provider and a CRM session.

DAG files import it, so it imports nothing heavy at its top.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, cast

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from lead_mining.exceptions import CrmBusy, CrmError, FieldProblem, InvalidRequest, LeadMiningError

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection

    from lead_mining.providers.base import Provider
    from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_CRM_SESSION = {
    "application_name": "lead_mining",
    "default_transaction_isolation": "read committed",  # whatever the database's own default: locks rely on it
    "search_path": "public",  # a role named lead_mining would look into the schema of that name first
    "lock_timeout": "60s",
    "statement_timeout": "30min",  # the longest, a million leads in one COPY, takes minutes
    "idle_in_transaction_session_timeout": "10min",
    # A worker that vanished without a word is noticed after two minutes, not two hours, and its locks are free.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}


class _ProviderHook(BaseHook):
    conn_name_attr = "conn_id"
    default_conn_name = "lead_mining_provider"
    conn_type: str

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Provider:
        """Raises InvalidRequest where the connection lacks something, and what the provider raises on opening."""
        return _provider_type(self.conn_type).make(_values(self.conn_id))

    def asset_uri(self) -> str:
        """What is read, without what else the connection holds."""
        return _provider_type(self.conn_type).asset(_values(self.conn_id))

    def test_connection(self) -> tuple[bool, str]:
        """One free call."""
        try:
            return True, self.get_conn().check()
        except LeadMiningError as error:
            return False, str(error)


class LeadCatalogHook(_ProviderHook):
    """A connection of type `lead_catalog`."""

    conn_type = "lead_catalog"
    hook_name = "Lead catalogue (Parquet or CSV file)"


class OdooIapHook(_ProviderHook):
    """A connection of type `odoo_iap`."""

    conn_type = "odoo_iap"
    hook_name = "Odoo IAP lead mining (paid)"


_HOOKS: dict[str, type[_ProviderHook]] = {hook.conn_type: hook for hook in (LeadCatalogHook, OdooIapHook)}


def provider_for(conn_id: str) -> Provider:
    """The provider that an Airflow connection stands for.

    Raises InvalidRequest (field `provider_conn_id`) where there is no such connection, it is of another type or lacks
    something, and what the provider raises on opening: CatalogueError, ProviderRejected.
    """
    return _hook_for(conn_id).get_conn()


def provider_asset_uri(conn_id: str) -> str:
    """What is read from the provider of an Airflow connection, as an asset's URI. Raises InvalidRequest as above."""
    return _hook_for(conn_id).asset_uri()


def _hook_for(conn_id: str) -> _ProviderHook:
    conn_type = _connection(conn_id, "provider_conn_id").conn_type or ""
    if conn_type not in _HOOKS:
        raise _wrong(conn_id, f"its type is {conn_type!r}, and the types of lead providers are {', '.join(_HOOKS)}")
    return _HOOKS[conn_type](conn_id)


def crm_connection(conn_id: str) -> psycopg.Connection:
    """A new session on the CRM database, in autocommit: steps open their own transactions. The caller closes it.

    Sessions are named `lead_mining`, wait at most a minute for a lock, let no statement run for more than half an hour,
    and die after ten idle minutes in a transaction.
    Raises InvalidRequest (field `crm_conn_id`) where the connection is absent or not `postgres`, and
    psycopg.OperationalError where the database does not answer.
    """
    import psycopg
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg.rows import tuple_row

    connection = _connection(conn_id, "crm_conn_id")
    if connection.conn_type not in ("postgres", "postgresql"):
        why = f"its type is {connection.conn_type!r}, and the CRM's must be postgres"
        raise _wrong(conn_id, why, field="crm_conn_id")
    # Given to the hook, which would ask Airflow's API for it once more.
    session = PostgresHook(postgres_conn_id=conn_id, connection=connection).get_conn()
    if not isinstance(session, psycopg.Connection):
        raise CrmError("Airflow's PostgresHook gave no psycopg 3 connection: install SQLAlchemy 2 and psycopg 3")
    session.row_factory = tuple_row  # whatever cursor the Airflow connection asks for
    session.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)",
        [list(_CRM_SESSION), list(_CRM_SESSION.values())],
    )
    session.commit()
    session.autocommit = True
    return session


@contextmanager
def crm_session(conn_id: str) -> Iterator[psycopg.Connection]:
    """A CRM connection for one task. An error that no retry can mend fails the task at once; CrmBusy is retried."""
    from psycopg.errors import DeadlockDetected, ForeignKeyViolation, LockNotAvailable, QueryCanceled

    try:
        with crm_connection(conn_id) as connection:
            yield connection
    except (DeadlockDetected, LockNotAvailable, QueryCanceled) as error:
        raise CrmBusy(
            f"The CRM's database is busy: {error.diag.message_primary or error}. What this step had begun is undone; it"
            " can be repeated as it is"
        ) from error
    except ForeignKeyViolation as error:
        raise CrmBusy(
            f"Something that this step refers to was deleted in the CRM just now: {error.diag.message_detail}. What it"
            " had begun is undone; repeated, it looks again"
        ) from error
    except LeadMiningError as error:
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise


def data_docs_folder() -> Path:
    """Where Data Docs are written and served from: LEAD_MINING_DATA_DOCS, by default `data_docs` in AIRFLOW_HOME.

    Several workers need one that they share with the API server.
    """
    airflow_home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return Path(os.environ.get("LEAD_MINING_DATA_DOCS") or airflow_home / "data_docs")


def _connection(conn_id: str, field: str) -> Connection:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise _wrong(conn_id, "there is no Airflow connection with this id", field=field) from None


def _wrong(conn_id: str, why: str, field: str = "provider_conn_id") -> InvalidRequest:
    return InvalidRequest([FieldProblem(field, conn_id, why)])


@cache
def _provider_type(conn_type: str) -> ProviderType:
    (named,) = entry_points(group="lead_mining.provider", name=conn_type)
    return cast("ProviderType", named.load())


def _values(conn_id: str) -> ConnectionValues:
    from lead_mining.providers.connections.base import ConnectionValues

    connection = _connection(conn_id, "provider_conn_id")
    return ConnectionValues(
        conn_id,
        host=connection.host,
        port=connection.port,
        scheme=connection.schema,
        login=connection.login,
        password=connection.password,
        extra=connection.extra_dejson,
    )
