"""Airflow connections turned into a provider and a CRM session.

DAG files import it, so it imports nothing heavy at its top.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from lead_mining.exceptions import CrmBusy, CrmError, FieldProblem, InvalidRequest, LeadMiningError
from lead_mining.foreign_errors import told

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


_TEST_TAKES = 30.0  # seconds, with all tries of a free call


class _ProviderHook(BaseHook):
    """A connection that stands for a provider; the hook of each connection type is a class of its own, for Airflow."""

    conn_name_attr = "conn_id"
    default_conn_name = "lead_mining_provider"
    conn_type: str

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Provider:
        """Raises what `provider_for` raises."""
        return provider_for(self.conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """One free call, of which a thread of Airflow's API server waits half a minute at most."""
        from lead_mining.providers.deadline import call_ends_within

        try:
            with call_ends_within(_TEST_TAKES):
                return True, self.get_conn().check()
        except LeadMiningError as error:
            return False, str(error)


@cache
def __getattr__(name: str) -> type[_ProviderHook]:
    """`Hook_acme` is the hook of the connection type `acme`; Airflow imports it by the name in provider_info."""
    if name.startswith("Hook_"):
        from lead_mining.providers.connections.installed import provider_type

        conn_type = name.removeprefix("Hook_")
        with suppress(LookupError):
            title = provider_type(conn_type).form["hook-name"]
            return type(name, (_ProviderHook,), {"conn_type": conn_type, "hook_name": title})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def provider_conn_ids(params: Mapping[str, Any]) -> list[str]:
    """The connections that a run with these params asks, in order; older runs name but one."""
    return [params["provider_conn_id"], *params.get("then_provider_conn_ids", ())]


def provider_for(conn_id: str, crm_conn_id: str | None = None) -> Provider:
    """The provider that an Airflow connection stands for.

    With `crm_conn_id`, its calls keep the limits of the account at the provider, together with all others that are
    made for that CRM; without, they pass freely. The account is `extra.account`, by default the connection itself.
    Raises InvalidRequest (field `provider_conn_id`) where there is no such connection, it is of another type or lacks
    something, and what the provider raises on opening: CatalogueError, ProviderRejected.
    """
    found, values = _provider_type_of(conn_id)
    provider = found.make(values)
    if crm_conn_id is not None:
        from lead_mining.rate_limits import SharedGate

        account = values.extra.get("account") or conn_id
        if not isinstance(account, str):
            raise values.wrong("extra.account must be a text, the same for all connections to the account")
        provider.gate = SharedGate(partial(crm_connection, crm_conn_id), account, provider.rates)
    return provider


def provider_asset_uri(conn_id: str) -> str:
    """What is read from the provider of an Airflow connection, as an asset's URI. Raises InvalidRequest as above."""
    found, values = _provider_type_of(conn_id)
    return found.asset(values)


def _provider_type_of(conn_id: str) -> tuple[ProviderType, ConnectionValues]:
    """What a connection stands for and what it holds; asked of Airflow once, as each time is a call of its API."""
    from lead_mining.providers.connections.base import ConnectionValues
    from lead_mining.providers.connections.installed import provider_type

    connection = _connection(conn_id, "provider_conn_id")
    values = ConnectionValues(
        conn_id,
        host=connection.host,
        port=connection.port,
        scheme=connection.schema,
        login=connection.login,
        password=connection.password,
        extra=connection.extra_dejson,
    )
    try:
        return provider_type(connection.conn_type or ""), values
    except LookupError as error:
        raise values.wrong(str(error)) from error


def crm_connection(conn_id: str) -> psycopg.Connection:
    """A new session on the CRM database, in autocommit: steps open their own transactions. The caller closes it.

    Sessions are named `lead_mining`, wait at most a minute for a lock, let no statement run for more than half an hour,
    and die after ten idle minutes in a transaction.
    Raises InvalidRequest (field `crm_conn_id`) where the connection is absent, not `postgres`, or leads to a pooler in
    transaction mode, and psycopg.OperationalError where the database does not answer.
    """
    import psycopg
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg.rows import tuple_row

    connection = _connection(conn_id, "crm_conn_id")
    if connection.conn_type not in ("postgres", "postgresql"):
        why = f"its type is {connection.conn_type!r}, and the CRM's must be postgres"
        raise _wrong(conn_id, why, field="crm_conn_id")
    # Given to the hook, which would ask Airflow's API for it once more.
    hook = PostgresHook(postgres_conn_id=conn_id, connection=connection)
    session = hook.get_conn()
    if not isinstance(session, psycopg.Connection):
        raise CrmError("Airflow's PostgresHook gave no psycopg 3 connection: install SQLAlchemy 2 and psycopg 3")
    session.row_factory = tuple_row  # whatever cursor the Airflow connection asks for
    session.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)",
        [list(_CRM_SESSION), list(_CRM_SESSION.values())],
    )
    session.commit()
    session.autocommit = True
    if _lent_by_transaction(session, hook.get_conn):
        session.close()
        raise _wrong(
            conn_id,
            "it leads to a connection pooler in transaction mode, where the locks that guard each step do not hold:"
            " connect to PostgreSQL itself, or set the pooler to session mode (pgbouncer: pool_mode = session)",
            field="crm_conn_id",
        )
    return session


def _lent_by_transaction(session: psycopg.Connection, connect: Callable[[], Any]) -> bool:
    """Whether a pooler gives the session's backend to others between its transactions, by asking across two of them."""

    def backend(conn: Any) -> int:
        with conn.transaction():
            return int(conn.execute("SELECT pg_backend_pid()").fetchone()[0])

    first = backend(session)
    if first == session.info.backend_pid:  # as PostgreSQL itself said; a pooler gives a number of its own
        return False
    with closing(connect()) as other:
        other.row_factory = session.row_factory
        return backend(other) == first or backend(session) != first


@contextmanager
def crm_session(conn_id: str) -> Iterator[psycopg.Connection]:
    """A CRM connection for one task. An error that no retry can mend fails the task at once; CrmBusy is retried."""
    from psycopg import DataError, IntegrityError
    from psycopg.errors import DeadlockDetected, ForeignKeyViolation, LockNotAvailable, QueryCanceled

    try:
        with crm_connection(conn_id) as connection:
            yield connection
    except (DeadlockDetected, LockNotAvailable, QueryCanceled) as error:
        raise CrmBusy(
            f"The CRM's database is busy: {error.diag.message_primary or told(error)}. What this step had begun is"
            " undone; it can be repeated as it is"
        ) from None  # its text repeats rows
    except ForeignKeyViolation as error:
        raise CrmBusy(
            f"Something that this step refers to was deleted in the CRM just now: {error.diag.message_detail}. What it"
            " had begun is undone; repeated, it looks again"
        ) from None
    except (DataError, IntegrityError) as error:
        raise CrmBusy(
            f"The CRM's database refused what this step wrote ({told(error)}). What it had begun is undone; it can be"
            " repeated as it is"
        ) from None
    except LeadMiningError as error:
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise


@contextmanager
def credits_session(crm_conn_id: str) -> Iterator[psycopg.Connection]:
    """A CRM session for what a person decided about credits: who mines may not write that down.

    By the connection `lead_mining_credits` for the CRM of `lead_mining_crm`, and so for others (their id, less a final
    `_crm`, with `_credits`); where Airflow has none, by that of the CRM itself.
    """
    from psycopg.errors import InsufficientPrivilege

    conn_id = f"{crm_conn_id.removesuffix('_crm')}_credits"
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        used = crm_conn_id
    else:
        used = conn_id
    try:
        with crm_session(used) as connection:
            yield connection
    except InsufficientPrivilege as error:
        raise AirflowFailException(
            f"The role of the connection {used} may not keep accounts ({error.diag.message_primary}): let a superuser"
            " run include/sql/role.sql and set a password for the role lead_mining_credits that it makes; then make the"
            f" Airflow connection {conn_id} (type postgres) with it, and clear this task"
        ) from error


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
