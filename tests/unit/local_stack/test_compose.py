"""docker-compose.yaml, as far as it can be checked without Docker."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from local_stack import dotenv
from local_stack.bootstrap import IMAGE_LOCK
from local_stack.environment import PROJECT
from local_stack.postgres import ROOM, client_binary
from local_stack.stack import PROVIDER_POOL

FILE = PROJECT / "docker-compose.yaml"
TEXT = FILE.read_text()
EXAMPLE = (PROJECT / ".env.example").read_text()
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
AIRFLOW = {name: service for name, service in OURS.items() if name != "simulator"}


def test_file_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]

    result = subprocess.run(command, check=False, capture_output=True, text=True)

    assert result.returncode == 0, result.stdout


def test_postgres_has_as_much_room_as_the_local_one() -> None:
    assert SERVICES["postgres"]["command"] == " ".join(
        ["postgres", *(f"-c {name}={value}" for name, value in ROOM.items())]
    )


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
def test_service_is_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]

    if name == "init":
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned_to_an_exact_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    release = r"\d+\.\d+\.\d+" if name != "postgres" else r"\d+\.\d+"  # PostgreSQL's releases have two numbers

    assert re.fullmatch(release + r"(-[a-z]+)?", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_service_does_not_run_as_root(name: str) -> None:
    service = SERVICES[name]
    of_image = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1] if name in OURS else "root"

    assert service.get("user", of_image).partition(":")[0] not in ("root", "0")
    assert not service.keys() & {"privileged", "cap_add", "pid", "network_mode"}


def test_all_wait_for_the_databases_to_be_prepared() -> None:
    assert AIRFLOW.keys() >= {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
    for name in AIRFLOW.keys() - {"init"}:
        assert SERVICES[name]["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_workers_are_as_many_as_is_wished_and_end_their_tasks() -> None:
    worker = SERVICES["worker"]

    assert worker["deploy"] == {"replicas": "${WORKERS:-2}"}
    assert worker["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert worker["environment"]["DUMB_INIT_SETSID"] == "0"
    assert worker["stop_grace_period"] == "2m"
    assert "container_name" not in worker  # two of one name could not be


def test_one_environment_for_all_parts_of_airflow() -> None:
    common = COMPOSE["x-airflow"]["environment"]
    for service in AIRFLOW.values():
        assert service["environment"].items() >= common.items()
        assert service["volumes"] == COMPOSE["x-airflow"]["volumes"]


def test_init_makes_the_pool_of_the_provider_as_the_local_stack_does() -> None:
    name, slots, description = PROVIDER_POOL
    commands = SERVICES["init"]["command"][-1]

    assert f'airflow pools set {name} {slots} "{description}" --include-deferred' in commands
    assert commands.index("airflow db migrate") < commands.index(f"airflow pools get {name}")


def test_erasing_uses_no_other_database_than_mining() -> None:
    crm = COMPOSE["x-airflow"]["environment"]["AIRFLOW_CONN_LEAD_MINING_CRM"]

    privacy = COMPOSE["x-airflow"]["environment"]["AIRFLOW_CONN_LEAD_MINING_PRIVACY"]
    assert privacy == f"${{AIRFLOW_CONN_LEAD_MINING_PRIVACY:-{crm}}}"


def test_folders_for_files_of_your_own_are_there_and_read_only() -> None:
    for folder in ("expectations", "policy", "searches"):
        assert f"./include/{folder}:/opt/lead-mining/include/{folder}:ro" in SERVICES["worker"]["volumes"]
        assert (PROJECT / "include" / folder / "README.md").is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_configs_are_declared(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.partition(":")[0]
        assert source in COMPOSE["volumes"] or (source.startswith("./include/") and mount.endswith(":ro"))
    for config in SERVICES[name].get("configs", []):
        assert config["source"] in COMPOSE["configs"]


@pytest.mark.parametrize("name", SERVICES)
def test_memory_is_limited(name: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


def test_the_trial_is_chosen_and_nothing_waits_for_it() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"simulator"}
    assert SERVICES["simulator"]["profiles"] == ["trial"]
    assert set(SERVICES["simulator"]["environment"]) == {"PYTHONUNBUFFERED"}, "it gets no secrets"
    assert not any("simulator" in service.get("depends_on", {}) for service in SERVICES.values())
    chosen = "AIRFLOW_AUTH_MANAGER", "AIRFLOW_CONN_LEAD_MINING_CRM", "AIRFLOW_CONN_LEAD_MINING_PROVIDER"
    assert "SimpleAuthManager" not in TEXT
    assert all(f"${{{name}:?" in TEXT and re.search(rf"^# {name}=", EXAMPLE, re.MULTILINE) for name in chosen)
    assert not any(re.search(rf"^{name}=", dotenv.filled(EXAMPLE), re.MULTILINE) for name in chosen)


def test_metadata_results_and_crm_have_roles_that_cannot_read_one_another(postgres_server: str, tmp_path: Path) -> None:
    """The file that the image runs when the volume is made, run by psql in a server of the test's own."""
    roles = {"airflow": "METADATA_PASSWORD", "results": "RESULTS_PASSWORD", "crm": "TRIAL_CRM_PASSWORD"}
    common = COMPOSE["x-airflow"]["environment"]
    assert "//airflow:${METADATA_PASSWORD:" in common["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert "//results:${RESULTS_PASSWORD:" in common["AIRFLOW__CELERY__RESULT_BACKEND"]
    assert "//crm:${TRIAL_CRM_PASSWORD}@postgres:5432/crm" in EXAMPLE
    assert set(roles.values()) < SERVICES["postgres"]["environment"].keys()

    script = tmp_path / "databases.sql"
    script.write_text(COMPOSE["configs"]["create-databases"]["content"])
    command = [client_binary("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", postgres_server, "-f", script]
    passwords = {variable: f"of {role}" for role, variable in roles.items()}
    try:
        subprocess.run(command, check=True, env=os.environ | passwords, capture_output=True)
        for role in roles:
            for database in roles:
                dsn = make_conninfo(postgres_server, user=role, password=f"of {role}", dbname=database)
                if role == database:
                    psycopg.connect(dsn).close()
                else:
                    with pytest.raises(psycopg.OperationalError, match="permission denied"):
                        psycopg.connect(dsn)
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as conn:
            for role in roles:
                conn.execute(f"DROP DATABASE IF EXISTS {role}")
                conn.execute(f"DROP ROLE IF EXISTS {role}")


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]


def test_secrets_come_from_the_environment_and_the_example_names_them_all() -> None:
    required = set(re.findall(r"\$\{(\w+):\?run make", TEXT)) | {"TRIAL_TOKEN"}

    assert required == set(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE))


def test_every_setting_is_told_of_in_the_example() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{?(\w+)", TEXT))  # $$ is a variable of the container's own shell
    environments = [service.get("environment", {}) for service in SERVICES.values()]
    passed_on = {name for environment in environments for name, value in environment.items() if value is None}

    assert passed_on
    assert asked | passed_on | {"COMPOSE_PROFILES", "TRIAL_TOKEN"} == set(
        re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.MULTILINE)
    )


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_the_file(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if value is not None and re.search(r"KEY|SECRET|PASSWORD$|AUTH$|TOKEN", variable):
            assert re.fullmatch(r"\$\{\w+:\?run make \.env\}", value), variable
        for password in re.findall(r"://[^/@\s]*?:([^@\s]+)@", str(value)):
            assert password.startswith("${"), variable


def test_images_are_those_that_the_lock_file_was_made_for() -> None:
    airflow = re.search(r"^apache-airflow==(\S+)", (PROJECT / IMAGE_LOCK).read_text(), re.MULTILINE)
    assert airflow
    assert f"FROM apache/airflow:{airflow[1]}-python3.11" in DOCKERFILE


def test_the_image_installs_nothing_but_what_is_locked_by_its_hash() -> None:
    installs = [line.split() for line in re.findall(r"pip install ([^\\\n]+)", DOCKERFILE)]
    assert ["--require-hashes" in each or "--no-deps" in each for each in installs] == [True, True]
    assert ["--no-build-isolation" in each for each in installs] == [False, True]
    assert installs[0][-1] == IMAGE_LOCK


def test_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY"):
            for source in line.split()[2:-1]:
                assert (PROJECT / source).exists()
                assert source.removeprefix("./").split("/")[0] in allowed


def test_make_env_fills_every_secret_with_another() -> None:
    values = dict(line.split("=", 1) for line in dotenv.filled(EXAMPLE).splitlines() if re.match(r"\w+=", line))
    secrets = [value for name, value in values.items() if name not in ("AIRFLOW_PORT", "WORKERS")]

    assert all(len(value) >= 40 for value in secrets)
    assert len(set(secrets)) == len(secrets)
    assert len(base64.urlsafe_b64decode(values["FERNET_KEY"])) == 32
    assert re.fullmatch("[0-9a-f]+", values["POSTGRES_PASSWORD"])
    assert dotenv.filled(EXAMPLE) != dotenv.filled(EXAMPLE)
