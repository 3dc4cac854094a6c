"""The roles of role.sql, in a CRM of a test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

import psycopg
from psycopg.conninfo import make_conninfo

from local_stack.postgres import client_binary

PASSWORD = "the-administrator-sets-it"


def dsn_of(conn: psycopg.Connection, **instead: str) -> str:
    """Where a connection goes, password included."""
    info = conn.info
    here = make_conninfo(host=info.host, port=info.port, user=info.user, password=info.password, dbname=info.dbname)
    return make_conninfo(here, **instead)


def run_role_sql(superuser: psycopg.Connection) -> subprocess.CompletedProcess[str]:
    """As the README says, in the database that the superuser is in."""
    with as_file(files("lead_mining.sql").joinpath("role.sql")) as role_sql:
        psql = [str(client_binary("psql")), "-X", "-d", dsn_of(superuser), "-f", str(role_sql)]
        return subprocess.run(psql, check=False, capture_output=True, text=True)


def apply_role(superuser: psycopg.Connection) -> list[str]:
    """Run role.sql and set the roles' password; the names of the migrations that it said to have applied."""
    done = run_role_sql(superuser)
    assert done.returncode == 0, done.stderr
    said = [line.partition("INFO:  applied ") for line in done.stderr.splitlines()]
    assert all(applied for _, applied, _ in said), done.stderr  # it warns of nothing
    for role in ("lead_mining", "lead_mining_credits", "lead_mining_privacy"):
        superuser.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    return [name for _, _, name in said]


@contextmanager
def logged_in(superuser: psycopg.Connection, role: str = "lead_mining") -> Iterator[psycopg.Connection]:
    """A role of role.sql, in autocommit."""
    with psycopg.connect(dsn_of(superuser, user=role, password=PASSWORD), autocommit=True) as conn:
        yield conn


def is_refused(conn: psycopg.Connection, statements: str) -> bool:
    """Whether the database says that this is not allowed; what it does otherwise is undone. Raises all other errors."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statements)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False
