"""include/helm/values.yaml, as far as it can be checked without the chart and a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from local_stack.environment import PROJECT
from local_stack.stack import PROVIDER_POOL

TEXT = (PROJECT / "include" / "helm" / "values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
AIRFLOW = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["x-airflow"]

# What docker-compose.yaml tells Airflow by these variables, the chart tells it otherwise.
TOLD_BY = {
    "AIRFLOW__API__SECRET_KEY": "apiSecretKeySecretName",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwtSecretName",
    "AIRFLOW__CORE__EXECUTOR": "executor",
    "AIRFLOW__CORE__FERNET_KEY": "fernetKeySecretName",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "data",
    "AIRFLOW__METRICS__STATSD_ON": "statsd",
}
# What is deliberately not told.
NOT_TOLD = {
    "AIRFLOW__API__BASE_URL": "who installs it knows its address",
    "AIRFLOW__CELERY__BROKER_URL": "there is no Celery",
    "AIRFLOW__CELERY__RESULT_BACKEND": "there is no Celery",
    "AIRFLOW__METRICS__STATSD_HOST": "the chart knows the name of its StatsD",
    "AIRFLOW__OPENLINEAGE__TRANSPORT": "who wants it adds it to `env`",
    "AIRFLOW_CONN_SLACK_API_DEFAULT": "who wants it adds it to `secret`",
    "AIRFLOW_CONN_SMTP_DEFAULT": "who wants it adds it to `secret`",
    "LEAD_MINING_DEADLINE_HOURS": "who wants it adds it to `env`",
    "LEAD_MINING_ON_CALL": "who wants it adds it to `env`",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "the chart's probes ask the database",
}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def test_each_task_is_a_pod_of_the_image_that_compose_builds() -> None:
    assert VALUES["executor"] == "KubernetesExecutor"
    assert f"{VALUES['defaultAirflowRepository']}:{VALUES['defaultAirflowTag']}" == AIRFLOW["image"]
    assert f"FROM apache/airflow:{VALUES['airflowVersion']}-" in (PROJECT / "Dockerfile").read_text()
    assert not {"images", "dags", "podTemplate"} & VALUES.keys()  # which would give some pods another image


def test_every_variable_of_compose_is_told_or_deliberately_not() -> None:
    told = {env["name"] for env in VALUES["env"]} | {env["envName"] for env in VALUES["secret"]}
    told |= {f"AIRFLOW__{section}__{key}".upper() for (section, key), _ in leaves(VALUES["config"])}

    assert VALUES.keys() >= set(TOLD_BY.values())
    assert told.isdisjoint(TOLD_BY.keys() | NOT_TOLD.keys())
    assert told | TOLD_BY.keys() | NOT_TOLD.keys() == AIRFLOW["environment"].keys()


def test_settings_have_the_values_that_compose_gives_them() -> None:
    manager, *others = VALUES["env"]
    assert f"# AIRFLOW_AUTH_MANAGER={manager['value']}\n" in (PROJECT / ".env.example").read_text()
    for env in others:
        assert AIRFLOW["environment"][env["name"]] == env["value"]


def test_no_secret_is_in_the_file() -> None:
    for path, value in leaves(VALUES):
        if re.search("secret|password|token", path[-1], re.IGNORECASE):
            assert path[-1] == "secretKey" or re.fullmatch("lead-mining-[a-z]+", value), path
    assert not re.search(r"://\S*:\S*@", TEXT)
    assert VALUES["createUserJob"] == {"enabled": False}  # its default user has a password that everybody knows
    assert VALUES["postgresql"] == {"enabled": False}  # so has its database


def test_secrets_and_claims_that_are_needed_are_told_of() -> None:
    head = TEXT.partition("\nfullnameOverride")[0]
    names = {value for path, value in leaves(VALUES) if re.search("SecretName|secretName|claimName", path[-1])}

    assert names == set(re.findall(r"^#   (lead-mining-\S+)  ", head, re.MULTILINE)) | {
        "lead-mining-data-docs",
        "lead-mining-kept-answers",
    }
    assert "`lead-mining-data-docs` and `lead-mining-kept-answers` (ReadWriteMany)" in head


def test_the_job_prepares_what_compose_prepares() -> None:
    name, slots, description = PROVIDER_POOL
    lines = VALUES["migrateDatabaseJob"]["args"][-1].splitlines()

    assert lines[0] == "airflow db migrate"
    assert lines[-2].strip() == f'airflow pools set {name} {slots} "{description}" --include-deferred'
    assert lines[-1] == "python -m local_stack prepare-crm"  # a CRM of your own: its tables are there


def test_data_docs_are_written_by_tasks_and_read_by_the_api_server() -> None:
    (written, kept), (read,) = (VALUES[part]["extraVolumeMounts"] for part in ("workers", "apiServer"))

    assert {f"{each['name']}:{each['mountPath']}" for each in (written, kept)} <= {
        volume.partition(" ")[0] for volume in AIRFLOW["volumes"]
    }
    assert read == written | {"readOnly": True}
    assert VALUES["workers"]["extraVolumes"][:1] == VALUES["apiServer"]["extraVolumes"]
    assert VALUES["logs"]["persistence"]["enabled"]


def test_pods_are_not_root_and_have_their_share_of_the_machine() -> None:
    contexts = VALUES["securityContexts"]

    assert contexts["pod"]["runAsNonRoot"] is True
    assert contexts["pod"]["runAsUser"] == 50000
    assert contexts["containers"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for part in ("apiServer", "dagProcessor", "scheduler", "triggerer", "workers"):
        resources = VALUES[part]["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert resources["limits"].keys() == {"memory"}


def test_scheduler_does_not_import_for_tasks_that_it_does_not_fork() -> None:
    exec(compile(VALUES["airflowLocalSettings"], "airflow_local_settings.py", "exec"), settings := {})
    assert settings.keys() == {"__builtins__"}
