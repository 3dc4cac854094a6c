"""What is done before tasks are forked: all that they need, by those who fork them, and by nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import local_stack

SETTINGS = Path(local_stack.__file__).with_name("airflow_local_settings.py")
USES = """
import lead_mining.pipeline, lead_mining.summary, lead_mining.messages, lead_mining.dag_steps, lead_mining.quality.checks
from airflow.providers.postgres.hooks.postgres import PostgresHook
from lead_mining.identifiers import e164, registered_domain
from lead_mining.quality.data_docs import new_context
from lead_mining.quality.syntax import is_domain, is_email
import lead_mining.quality.validation, lead_mining.providers.odoo_iap, lead_mining.providers.lead_catalog
import lead_mining.rate_limits
import airflow.sdk.execution_time.cache, airflow.sdk.execution_time.task_runner, airflow.sdk.execution_time.timeout
from lead_mining.matching.lookalikes import profile
from lead_mining.providers.base import Company
profile(Company(name="Nobödy Ltd"))
from lead_mining.providers.connections.installed import announced, provider_type
assert [provider_type(name) for name in announced()]
new_context()
assert e164("030 901820", "DE") and registered_domain("acme.de") and is_domain("acme.de") and is_email("a@acme.de")
"""


def imported(command: list[str], home: Path, then: str = "", **env: str) -> set[str]:
    """Modules: all that a process of Airflow imports as it starts; or, with `then`, those that this imports anew."""
    code = (
        "import json, sys\n"
        f"sys.argv = ['airflow', *{command!r}]\n"
        "import airflow.sdk\n"
        f"before = set(sys.modules) if {then!r} else set()\n"
        f"{then}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / SETTINGS.name).write_text(SETTINGS.read_text())
    variables = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"} | env
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_task_that_the_scheduler_forks_imports_nothing_anew(tmp_path: Path) -> None:
    assert imported(["scheduler"], tmp_path, USES) == set()


def test_others_import_nothing_for_it(tmp_path: Path) -> None:
    assert not imported(["api-server"], tmp_path) & {"pandas", "great_expectations", "lead_mining.pipeline"}


def test_a_wrong_rule_of_ones_own_does_not_stop_a_worker(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("suite: nonsense")
    assert "great_expectations" in imported(["celery", "worker"], tmp_path, LEAD_MINING_EXPECTATIONS=str(tmp_path))
