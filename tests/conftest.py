"""One PostgreSQL server for the whole test session, and of each process that tests a home for Airflow of its own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import broken_contract_table
import contract_table
import copies_table
import fault_table
import parity_table
import pytest
from databases import server_folder
from hypothesis import HealthCheck, settings

from local_stack.postgres import PostgresServer

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

# Before airflow is first imported. Never one that is set already: processes of a session would share its database.
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-home-")
os.environ |= {"AIRFLOW_HOME": _AIRFLOW_HOME, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

# Tests may lose their data when the machine goes down; a product may not.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The dsn (superuser, database `postgres`) of a server of this session's own."""
    folder = server_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex(), settings=NOT_DURABLE) as server:
            yield server.conninfo("postgres")
    finally:
        shutil.rmtree(folder)


def pytest_unconfigure() -> None:
    """Nothing of it is left."""
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests of `integration` noted to be shown as tables. Here, as only the process that prints hears it."""
    found: dict[str, list[Any]] = defaultdict(list)
    contract = []
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "contract":
                    contract.append((*json.loads(value), outcome))
                elif outcome != "skipped":
                    found[name].append(value)
    if parity := [line for value in found["parity"] for line in json.loads(value)]:
        terminalreporter.section("compared with recordings of Odoo 17")
        terminalreporter.write(parity_table.render(parity))
    if faults := [json.loads(value) for value in found["fault"]]:
        terminalreporter.section("faults")
        terminalreporter.write(fault_table.render(faults))
    if copies := [tuple(json.loads(value)) for value in found["copy"]]:
        terminalreporter.section("copies and restored back-ups of a real Odoo 17")
        terminalreporter.write(copies_table.render(copies))
    if breaches := [tuple(json.loads(value)) for value in found["breach"]]:
        terminalreporter.section("providers that break their contract")
        terminalreporter.write(broken_contract_table.render(breaches))
    if contract:
        terminalreporter.section("providers and their contract")
        terminalreporter.write(contract_table.render(contract))
    if same_leads := [json.loads(value) for value in found["same leads"]]:
        terminalreporter.section("the same leads through every provider")
        terminalreporter.write(contract_table.render_same_leads(same_leads))
