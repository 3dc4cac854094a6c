"""Every error that the local stack raises on purpose."""

from __future__ import annotations


class LocalStackError(Exception):
    """Base; the message says what to do. The commands print it without a traceback."""


class StackError(LocalStackError):
    """The stack cannot do what was asked."""


class PostgresError(LocalStackError):
    """The server could not be made, started or stopped."""


class SupervisionError(LocalStackError):
    """A service could not be started or stopped; the message names it and its log."""


class AirflowApiError(LocalStackError):
    """Airflow refused a call; the message is Airflow's own."""


class RequestFileError(LocalStackError):
    """The file cannot be read as a mining request; the message names the file and what is wrong."""


class ConnectionFormError(LocalStackError):
    """An AIRFLOW_CONN_* variable is not a connection that can be used."""
