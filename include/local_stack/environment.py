"""Where the local stack keeps its state, which ports and secrets it uses, and the environment its processes run in."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parents[2]
CRM_VARIABLE = "AIRFLOW_CONN_LEAD_MINING_CRM"
CREDITS_VARIABLE = "AIRFLOW_CONN_LEAD_MINING_CREDITS"
PRIVACY_VARIABLE = "AIRFLOW_CONN_LEAD_MINING_PRIVACY"
PROVIDER_VARIABLE = "AIRFLOW_CONN_LEAD_MINING_PROVIDER"
AIRFLOW_UI_PORT = 8080  # wanted; the next free one is taken where it is in use
ADMIN = "admin"
SIMPLE_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
LONGEST_SOCKET_PATH = 90  # the system's limit is 104 (macOS) or 108; supervisord appends its process id while it binds
DATABASES = ("airflow", "crm")


def local_folder() -> Path:
    """`.local` in the project; LEAD_MINING_LOCAL overrides it."""
    return Path(os.environ.get("LEAD_MINING_LOCAL") or PROJECT / ".local").resolve()


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1."""

    postgres: int
    simulator: int
    airflow: int

    @classmethod
    def choose(cls, before: Ports | None) -> Ports:
        """Free ports: Airflow's the first from 8080, the others where possible the same as before."""

        def same_or(port: int | None, other: Callable[[], int]) -> int:
            return port if port and is_free(port) else other()

        return cls(
            postgres=same_or(before.postgres if before else None, free_port),
            simulator=same_or(before.simulator if before else None, free_port),
            airflow=next(filter(is_free, range(AIRFLOW_UI_PORT, 65536))),
        )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(content)
    new.replace(path)


class Environment:
    """Paths, ports, secrets and environment variables of one local stack.

    `outer` is the environment of the user; its two AIRFLOW_CONN_LEAD_MINING_* variables take the place of the embedded
    CRM and of the simulator.
    """

    def __init__(self, local: Path | None = None, outer: Mapping[str, str] | None = None) -> None:
        self.local = local.resolve() if local else local_folder()
        self.outer = dict(os.environ if outer is None else outer)
        self.airflow_home = self.local / "airflow"
        self.logs = self.local / "logs"
        self.data_docs = self.local / "data_docs"
        self.run = self.local / "run"

    def make_folders(self) -> None:
        # As root, PostgreSQL runs as nobody and passes through this folder; what is secret in it is 0600 or 0700.
        self.local.mkdir(parents=True, exist_ok=True)
        self.local.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.airflow_home, self.logs, self.run, self.data_docs):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    @property
    def embedded_crm(self) -> bool:
        return not self.outer.get(CRM_VARIABLE)

    @property
    def simulated_provider(self) -> bool:
        return not self.outer.get(PROVIDER_VARIABLE)

    # -- ports

    @property
    def ports(self) -> Ports:
        """The ports of the running stack, or of the last one. Raises FileNotFoundError before the first start."""
        return Ports(**json.loads((self.local / "ports.json").read_text()))

    def choose_ports(self) -> None:
        """To be called while nothing of the stack runs."""
        try:
            before = self.ports
        except (OSError, ValueError, TypeError):
            before = None
        write_private(self.local / "ports.json", json.dumps(vars(Ports.choose(before))))

    # -- secrets

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Made once, kept in a file that only the owner can read."""
        path = self.local / "secrets.json"
        try:
            kept: dict[str, str] = json.loads(path.read_text())
        except FileNotFoundError:
            from cryptography.fernet import Fernet

            kept = {
                "postgres_password": secrets.token_urlsafe(24),
                "airflow_password": secrets.token_urlsafe(12),
                "fernet_key": Fernet.generate_key().decode(),
                "jwt_secret": secrets.token_urlsafe(48),
                "api_secret_key": secrets.token_urlsafe(48),
                "provider_account_token": secrets.token_hex(16),
                "provider_dbuuid": secrets.token_hex(16),
            }
            write_private(path, json.dumps(kept))
        return kept

    # -- a folder outside of the project, for what cannot lie in it

    @property
    def temporary_folder(self) -> Path:
        """Made where it is absent (after a reboot, say); `.local/temporary_folder` says where it is."""
        record = self.local / "temporary_folder"
        if record.exists() and (kept := Path(record.read_text())).is_dir() and kept.stat().st_uid == os.geteuid():
            return kept
        made = temporary_folder()
        write_private(record, str(made))
        return made

    @property
    def supervisor_socket(self) -> Path:
        inside = self.run / "supervisor.sock"
        fits = len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH
        return inside if fits else self.temporary_folder / "supervisor.sock"

    def remove_temporary_folder(self) -> None:
        record = self.local / "temporary_folder"
        if record.exists():
            kept = Path(record.read_text())
            if kept.is_dir() and kept.stat().st_uid == os.geteuid():
                shutil.rmtree(kept)
            record.unlink()

    # -- environment variables

    def connections(self) -> dict[str, str]:
        """AIRFLOW_CONN_* of the CRM and of the provider: the user's, else those of the embedded ones."""
        crm = {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": self.ports.postgres,
            "login": "postgres",
            "password": self.secrets["postgres_password"],
            "schema": "crm",
        }
        provider: dict[str, Any] = {
            "conn_type": "odoo_iap",
            "host": f"http://127.0.0.1:{self.ports.simulator}",
            "password": self.secrets["provider_account_token"],
            "extra": {"dbuuid": self.secrets["provider_dbuuid"]},
        }
        # In the embedded CRM one role owns all; in a CRM of the user's own, erasing needs a role of its own.
        privacy = self.outer.get(PRIVACY_VARIABLE) or (json.dumps(crm) if self.embedded_crm else None)
        credits = self.outer.get(CREDITS_VARIABLE)  # where there is none, the CRM's own is used
        own_roles = {PRIVACY_VARIABLE: privacy, CREDITS_VARIABLE: credits}
        return {name: connection for name, connection in own_roles.items() if connection} | {
            CRM_VARIABLE: self.outer.get(CRM_VARIABLE) or json.dumps(crm),
            PROVIDER_VARIABLE: self.outer.get(PROVIDER_VARIABLE) or json.dumps(provider),
        }

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.airflow}"

    def variables(self) -> dict[str, str]:
        """The whole environment of Airflow and of the simulator: the user's, and over it ours."""
        metadata = f"postgresql+psycopg2://postgres:{quote(self.secrets['postgres_password'], safe='')}"
        ours = {
            "LEAD_MINING_LOCAL": str(self.local),
            "LEAD_MINING_DATA_DOCS": str(self.data_docs),
            "GX_ANALYTICS_ENABLED": "False",
            "AIRFLOW_HOME": str(self.airflow_home),
            "AIRFLOW_CONFIG": str(self.airflow_home / "airflow.cfg"),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__FERNET_KEY": self.secrets["fernet_key"],
            "AIRFLOW__CORE__AUTH_MANAGER": SIMPLE_AUTH_MANAGER,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.airflow_home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{metadata}@127.0.0.1:{self.ports.postgres}/airflow",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.ports.airflow),
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self.secrets["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets["jwt_secret"],
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # Stock settings wait 1 s between looks at the database and keep half of the slots for 5 s after a task.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # A DAG file that was changed is parsed at once all the same; a new one is found within refresh_interval.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        }
        # Without byte-code every process takes seconds longer to import its libraries.
        dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        outer = {name: value for name, value in self.outer.items() if name not in dropped}
        no_proxy = ",".join(filter(None, [outer.get("NO_PROXY") or outer.get("no_proxy"), "127.0.0.1,localhost"]))
        return outer | {"NO_PROXY": no_proxy, "no_proxy": no_proxy} | ours | self.connections()

    def write_airflow_files(self) -> None:
        """The password file of SimpleAuthManager, and the settings module that warms the scheduler's imports."""
        write_private(self.airflow_home / "passwords.json", json.dumps({ADMIN: self.secrets["airflow_password"]}))
        config = self.airflow_home / "config"
        config.mkdir(exist_ok=True)
        shutil.copyfile(Path(__file__).with_name("airflow_local_settings.py"), config / "airflow_local_settings.py")


def reachable_by_everybody(path: Path) -> bool:
    """Whether any user may pass through every folder on the way to `path`, itself included."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def temporary_folder() -> Path:
    """A new folder outside of the project that `nobody` can pass through; /var/tmp first, as it outlives a reboot."""
    bases = [Path("/var/tmp"), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 (mkdtemp makes its own in it)
    usable = [base for base in bases if os.access(base, os.W_OK | os.X_OK) and reachable_by_everybody(base)]
    made = Path(tempfile.mkdtemp(prefix="lead-mining-", dir=usable[0] if usable else None))
    made.chmod(0o711)
    return made
