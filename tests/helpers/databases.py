"""Databases of a test's own on the session's server."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lead_mining.migrations import migrate
from local_stack.environment import temporary_folder

MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30  # bytes; two servers take about one of these gigabytes


def server_folder() -> Path:
    """A new folder for a server, in memory where there is room: databases are copied there in a tenth of the time."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        disk = os.statvfs(MEMORY)
        if disk.f_bavail * disk.f_frsize > ROOM and not disk.f_flag & os.ST_NOEXEC:  # its programs may lie there too
            made = Path(tempfile.mkdtemp(prefix="lead-mining-", dir=MEMORY))
            made.chmod(0o711)
            return made
    return temporary_folder()


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
