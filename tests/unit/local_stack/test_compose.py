"""docker-compose.yaml, as far as it can be checked without Docker."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from local_stack import dotenv
from local_stack.environment import PROJECT

FILE = PROJECT / "docker-compose.yaml"
EXAMPLE = (PROJECT / ".env.example").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_file_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]

    result = subprocess.run(command, check=False, capture_output=True, text=True)

    assert result.returncode == 0, result.stdout


def test_all_parts_of_airflow_are_there() -> None:
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "init"}
    assert airflow | {"postgres", "redis", "simulator"} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_service_depends_on_what_exists_and_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_watched_pinned_and_not_root(name: str) -> None:
    service = SERVICES[name]

    assert name == "init" or "healthcheck" in service
    assert re.search(r":\d+\.\d+", service["image"])
    assert service.get("user", "airflow of our Dockerfile") != "root"
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_configs_are_declared(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.partition(":")[0]
        if source.startswith("./"):  # a folder of the project, that containers only read
            assert (FILE.parent / source).is_dir()
            assert mount.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    for config in SERVICES[name].get("configs", []):
        assert config["source"] in COMPOSE["configs"]


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]


def test_secrets_come_from_the_environment_and_the_example_names_them_all() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", FILE.read_text())) | {"PROVIDER_TOKEN"}

    assert required == set(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE))
    for name, value in SERVICES["api-server"]["environment"].items():
        if re.search("KEY|SECRET|PASSWORD$", name):
            assert value.startswith("${"), name


def test_images_are_those_that_the_lock_file_was_made_for() -> None:
    airflow = re.search(r"^apache-airflow==(.+)$", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert airflow
    assert f"FROM apache/airflow:{airflow[1]}-python3.11" in (PROJECT / "Dockerfile").read_text()


def test_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (PROJECT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[2:-1]:
                assert (PROJECT / source).exists()
                assert source.removeprefix("./").split("/")[0] in allowed


def test_make_env_fills_every_secret_with_another() -> None:
    values = dict(line.split("=", 1) for line in dotenv.filled(EXAMPLE).splitlines() if re.match(r"\w+=", line))
    secrets = [value for name, value in values.items() if name != "AIRFLOW_PORT"]

    assert all(len(value) >= 40 for value in secrets)
    assert len(set(secrets)) == len(secrets)
    assert len(base64.urlsafe_b64decode(values["FERNET_KEY"])) == 32
    assert re.fullmatch("[0-9a-f]+", values["POSTGRES_PASSWORD"])
    assert dotenv.filled(EXAMPLE) != dotenv.filled(EXAMPLE)
