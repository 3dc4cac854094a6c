"""A pooler between the workers and the CRM's database: in session mode all is well, in transaction mode it is refused."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tenacity import retry, stop_after_delay, wait_fixed

from lead_mining.exceptions import InvalidRequest
from lead_mining.hooks import crm_connection


@pytest.fixture
def pooled(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], str]]:
    """Pool mode and size to the Airflow connection of a pgbouncer before an empty database."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    dsn = conninfo_to_dict(empty_dsn)
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)

        def start(mode: str, size: int) -> str:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            ini = folder / f"{port}.ini"
            ini.write_text(
                f"[databases]\ncrm = host={dsn['host']} port={dsn['port']} dbname={dsn['dbname']}"
                f" user={dsn['user']} password={dsn.get('password', '')}\n"
                f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
                f"pool_mode = {mode}\ndefault_pool_size = {size}\nquery_wait_timeout = 10\n"
            )
            process = running.enter_context(
                subprocess.Popen([program, "-q", *as_user, str(ini)], stderr=subprocess.DEVNULL)
            )
            running.callback(process.terminate)
            fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": "crm", "login": "any"}
            monkeypatch.setenv("AIRFLOW_CONN_POOLED", json.dumps(fields))
            _wait_for(port)
            return "pooled"

        yield start


@retry(stop=stop_after_delay(10), wait=wait_fixed(0.05), reraise=True)
def _wait_for(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("size", [1, 5])
def test_a_pooler_in_transaction_mode_is_refused_however_few_use_it(
    pooled: Callable[[str, int], str], size: int
) -> None:
    with pytest.raises(InvalidRequest, match="pooler in transaction mode") as refused:
        crm_connection(pooled("transaction", size))
    assert refused.value.problems[0].field == "crm_conn_id"


def test_a_pooler_in_session_mode_is_as_good_as_none(pooled: Callable[[str, int], str]) -> None:
    conn_id = pooled("session", 5)
    with crm_connection(conn_id) as first, crm_connection(conn_id) as second:
        assert first.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)
        assert second.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (False,)
        assert isinstance(first, psycopg.Connection)
