"""Databases of a test's own on the session's server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lead_mining.migrations import migrate


@contextmanager
def new_database(server: str, template: str = "template0") -> Iterator[str]:
    """The dsn of a new database, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def ledger_database(server: str) -> Iterator[str]:
    """The dsn of a database with our own schema alone: the ledger needs no CRM."""
    with new_database(server) as dsn:
        with psycopg.connect(dsn) as conn:
            migrate(conn)
        yield dsn
