from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_stack.environment import (
    CRM_VARIABLE,
    PRIVACY_VARIABLE,
    PROVIDER_VARIABLE,
    Environment,
    Ports,
    is_free,
    write_private,
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(tmp_path / "local", outer={"PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1"})
    made.make_folders()
    made.choose_ports()
    return made


def test_ports_are_free_and_stay_the_same(environment: Environment) -> None:
    ports = environment.ports
    assert len({ports.postgres, ports.simulator, ports.airflow}) == 3
    assert all(is_free(port) for port in (ports.postgres, ports.simulator, ports.airflow))

    environment.choose_ports()

    assert (environment.ports.postgres, environment.ports.simulator) == (ports.postgres, ports.simulator)


def test_port_in_use_is_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert Ports.choose(Ports(postgres=port, simulator=port, airflow=port)).postgres != port


def test_damaged_ports_file_is_made_anew(environment: Environment) -> None:
    (environment.local / "ports.json").write_text('{"postgres": 1')

    environment.choose_ports()

    assert environment.ports.postgres > 1


def test_secrets_are_made_once_and_private(environment: Environment) -> None:
    again = Environment(environment.local, outer={})

    assert environment.secrets == again.secrets
    assert len(set(again.secrets.values())) == len(again.secrets)
    assert (environment.local / "secrets.json").stat().st_mode & 0o777 == 0o600
    environment.write_airflow_files()
    assert (environment.airflow_home / "passwords.json").stat().st_mode & 0o077 == 0


def test_secrets_of_two_stacks_differ(environment: Environment, tmp_path: Path) -> None:
    other = Environment(tmp_path / "other", outer={})
    other.make_folders()

    assert not set(environment.secrets.values()) & set(other.secrets.values())


def test_airflow_is_told_all_it_needs(environment: Environment) -> None:
    variables = environment.variables()

    assert variables["PATH"] == "/usr/bin"
    assert "PYTHONDONTWRITEBYTECODE" not in variables  # without byte-code all starts are slow
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    metadata = urlsplit(variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    assert (metadata.hostname, metadata.port, metadata.path) == ("127.0.0.1", environment.ports.postgres, "/airflow")
    assert json.loads(variables[CRM_VARIABLE])["schema"] == "crm"
    assert variables[PRIVACY_VARIABLE] == variables[CRM_VARIABLE]
    provider = json.loads(variables[PROVIDER_VARIABLE])
    assert provider["host"] == f"http://127.0.0.1:{environment.ports.simulator}"
    assert variables["GX_ANALYTICS_ENABLED"] == "False"


def test_connections_of_the_user_take_the_place_of_ours(tmp_path: Path) -> None:
    outer = {CRM_VARIABLE: "postgres://crm.example/odoo", PROVIDER_VARIABLE: '{"conn_type": "lead_catalog"}'}
    environment = Environment(tmp_path / "local", outer=outer)
    environment.make_folders()
    environment.choose_ports()

    assert environment.connections() == outer
    assert not environment.embedded_crm
    assert not environment.simulated_provider
    # An empty one is none.
    assert Environment(tmp_path / "local", outer={CRM_VARIABLE: ""}).embedded_crm


def test_airflow_of_another_project_is_not_touched(tmp_path: Path) -> None:
    elsewhere = {"AIRFLOW_HOME": "/other", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production/airflow"}
    environment = Environment(tmp_path / "local", outer=elsewhere)
    environment.make_folders()
    environment.choose_ports()

    assert "/other" not in str(environment.variables())
    assert "production" not in str(environment.variables())


def test_local_calls_go_by_no_proxy(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "local", outer={"HTTP_PROXY": "http://p.example", "NO_PROXY": "a.example"})
    environment.make_folders()
    environment.choose_ports()

    assert environment.variables()["NO_PROXY"] == "a.example,127.0.0.1,localhost"


def test_socket_of_a_deep_folder_lies_elsewhere(tmp_path: Path) -> None:
    deep = Environment(tmp_path / ("d" * 80) / "local", outer={})
    deep.make_folders()

    socket_path = deep.supervisor_socket

    assert len(os.fsencode(socket_path)) < 90
    assert deep.supervisor_socket == socket_path
    deep.remove_temporary_folder()
    assert not socket_path.parent.exists()


def test_only_a_folder_of_our_own_is_removed(environment: Environment, tmp_path: Path) -> None:
    (environment.local / "temporary_folder").write_text(str(tmp_path / "gone"))

    environment.remove_temporary_folder()

    assert not (environment.local / "temporary_folder").exists()


def test_private_file_is_replaced_and_stays_private(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)

    write_private(file, "new é")

    assert file.read_text() == "new é"
    assert file.stat().st_mode & 0o777 == 0o600
