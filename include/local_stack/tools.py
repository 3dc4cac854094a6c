"""Other people's command lines on our stack: psql and airflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local_stack.postgres import client_binary
from local_stack.stack import POSTGRES, SIMULATOR, Stack


def psql(stack: Stack, statement: str | None) -> int:
    """psql on the CRM database: a shell, or one `statement`; returns psql's exit code."""
    embedded = stack.environment.embedded_crm
    session: AbstractContextManager[None] = stack.session(POSTGRES) if embedded else nullcontext()
    with session:
        if embedded:
            stack.prepare_crm()
        options = conninfo_to_dict(stack.crm_conninfo)
        environment = dict(os.environ) | {"PGPASSWORD": str(options.pop("password", ""))}  # never on the command line
        command = [str(client_binary("psql")), "--no-psqlrc", "--set=ON_ERROR_STOP=1", make_conninfo("", **options)]
        return _in_foreground([*command, *(["--command", statement] if statement else [])], environment)


def airflow(stack: Stack, arguments: Sequence[str]) -> int:
    """Airflow's command line; returns its exit code."""
    mines = list(arguments[1:2]) == ["test"]  # `dags test`, `tasks test`: they need a CRM and a provider
    with stack.session(POSTGRES, *([SIMULATOR] if mines else [])):
        stack.migrate_metadata()
        if mines:
            stack.prepare_crm()
        return _in_foreground([sys.executable, "-m", "airflow", *arguments], stack.env)


def _in_foreground(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program that has the terminal: Ctrl-C is for it alone."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, unlike SIG_IGN, is not handed on to the program
    try:
        return subprocess.run(command, check=False, env=dict(environment)).returncode
    finally:
        signal.signal(signal.SIGINT, before)
