"""A real server: started, stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local_stack.environment import temporary_folder
from local_stack.errors import PostgresError
from local_stack.postgres import PostgresServer, server_account


@pytest.fixture
def folder() -> Iterator[Path]:
    made = temporary_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[PostgresServer]:
    made = PostgresServer(folder / "data base's", password='it\'s a \\ "secret"')
    yield made
    made.stop()


def ask(server: PostgresServer, question: str, database: str = "postgres") -> object:
    with psycopg.connect(server.conninfo(database)) as connection:
        row = connection.execute(question).fetchone()
        assert row
        return row[0]


def test_server_is_private_durable_and_unicode(server: PostgresServer) -> None:
    server.start()

    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server, "SHOW fsync") == "on"
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SELECT lower('ÄÖÜ')") == "äöü"
    assert (server.data.stat().st_mode & 0o777) == 0o700
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.conninfo("postgres"), password="guessed")


def test_server_does_not_inherit_our_secrets(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "seen-by-the-server")
    server.start()
    pid = server.running_pid()
    assert pid

    assert b"seen-by-the-server" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_databases_are_made_once_and_copied(server: PostgresServer) -> None:
    server.start()
    template = server.create_database("template é")
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")

    server.create_database("template é")
    server.create_database("copy", template="template é")

    assert ask(server, "SELECT answer FROM t", "copy") == 42
    server.drop_database("copy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(server, "SELECT 1", "copy")


def test_data_outlive_a_stop(server: PostgresServer) -> None:
    server.start()
    server.create_database("kept")
    server.stop()
    assert server.running_pid() is None

    server.start()

    assert ask(server, "SELECT current_database()", "kept") == "kept"


def test_server_starts_again_after_it_was_killed(server: PostgresServer) -> None:
    server.start()
    server.create_database("kept")
    pid = server.running_pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    again = PostgresServer(server.folder, password=server.password)

    with again:
        assert again.running_pid() != pid
        assert ask(again, "SELECT current_database()", "kept") == "kept"


def test_pid_file_that_names_another_process_does_not_block_the_start(server: PostgresServer) -> None:
    server.start()
    server.stop()
    ours = psutil.Process()  # alive, and no PostgreSQL: as after a reboot
    (server.data / "postmaster.pid").write_text(f"{ours.pid}\n{server.data}\n")

    server.start()

    assert ask(server, "SELECT 1") == 1


def test_server_that_another_process_started_is_stopped(server: PostgresServer) -> None:
    server.start()
    other = PostgresServer(server.folder, password=server.password)

    other.stop()

    assert server.running_pid() is None


def test_half_made_data_folder_is_made_anew(server: PostgresServer) -> None:
    server.folder.mkdir()
    (server.folder / "data.new").mkdir()
    (server.folder / "data.new" / "PG_VERSION").write_text("18\n")

    server.start()

    assert ask(server, "SELECT 1") == 1


def test_data_of_another_version_are_refused_with_advice(server: PostgresServer) -> None:
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(PostgresError, match=r"of PostgreSQL 15, the program is .* 18\..*make clean"):
        server.start()


def test_start_that_fails_shows_the_log(server: PostgresServer) -> None:
    server.settings["shared_buffers"] = "many"

    with pytest.raises(PostgresError, match="shared_buffers"):
        server.start()


@pytest.mark.skipif(server_account() is None, reason="only root runs the server under another account")
def test_root_is_told_when_the_server_cannot_reach_its_folder(folder: Path) -> None:
    folder.chmod(0o700)

    with pytest.raises(PostgresError, match="cannot be reached by the user nobody"):
        PostgresServer(folder / "postgres", password="x").start()


@pytest.mark.skipif(server_account() is None, reason="only root runs the server under another account")
def test_root_gets_a_copy_of_binaries_that_nobody_cannot_reach(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable = "local_stack.postgres.reachable_by_everybody"
    monkeypatch.setattr(reachable, lambda path: "site-packages" not in str(path))

    server.start()

    assert Path(psutil.Process(server.running_pid()).exe()).is_relative_to(server.folder)
    assert ask(server, "SELECT 1") == 1
