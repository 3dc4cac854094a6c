"""Every command in the documents, run as it stands there: on the stack, and against a CRM and a provider "of one's own"."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from documented import PROJECT, Block, blocks, make_targets_named
from psycopg.conninfo import conninfo_to_dict

from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from local_stack.postgres import client_binary
from local_stack.stack import Stack

pytestmark = pytest.mark.e2e

# They take hours, or the project's own folder away: make says what it would do.
ONLY_TOLD = ("make .env", "make check", "make clean", "make faults", "make fixes", "make lock", "make test")
ELSEWHERE = {"docker": "a Docker engine", "helm": "a Kubernetes cluster", "kubectl": "a Kubernetes cluster"}


@pytest.fixture(scope="module")
def odoo(stack: Stack) -> dict[str, str]:
    """A database named odoo on the stack's server; the variables by which psql finds it."""
    with psycopg.connect(stack.postgres.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("CREATE DATABASE odoo")
    with psycopg.connect(stack.postgres.conninfo("odoo")) as conn:
        embedded.create(conn)
        migrate(conn)
    options = conninfo_to_dict(stack.postgres.conninfo("odoo"))
    return {
        "PGHOST": str(options["host"]),
        "PGPORT": str(options["port"]),
        "PGUSER": str(options["user"]),
        "PGPASSWORD": str(options["password"]),
    }


def script(block: Block, stack: Stack, odoo: dict[str, str], folder: Path) -> str:
    """The block's commands for bash, with what a reader has to put in put in."""
    (folder / "file.yaml").write_text("countries: [DE]\nlead_number: 2\n")
    (folder / "companies.csv").write_text("company_name,website,country,industry\nAcme,acme.example,DE,\n")
    put_in = {
        "REQUEST=file.yaml": f"REQUEST={folder}/file.yaml",
        "crm.example.com:5432": f"{odoo['PGHOST']}:{odoo['PGPORT']}",
        "https://iap-services.odoo.com": f"http://127.0.0.1:{stack.environment.ports.simulator}",
        "<account token>": stack.environment.secrets["provider_account_token"],
        "/data/companies.parquet": f"{folder}/companies.csv",
    }
    lines = ["set -eu"]
    for command in block.commands:
        for written, real in put_in.items():
            command = command.replace(written, real)
        if command.startswith(ONLY_TOLD):
            command = f"make --dry-run {command.removeprefix('make ')}"
        elif command.startswith(".ci/run"):
            command = "bash -n .ci/run"
        elif command.split()[0] in ELSEWHERE:
            command = f"# {command}"
        elif "\\password" in command:
            command = f"printf 'secret\\nsecret\\n' | {command}"  # it asks twice
        lines.append(command)
    return "\n".join(lines)


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.where)
def test_a_block_of_commands_works(block: Block, stack: Stack, odoo: dict[str, str], tmp_path: Path) -> None:
    if all(command.split()[0] in ELSEWHERE for command in block.commands):
        pytest.skip(f"it needs {ELSEWHERE[block.commands[0].split()[0]]}")
    own_connections = any(command.startswith("export AIRFLOW_CONN") for command in block.commands)
    local = tmp_path / "local" if own_connections or "make down" in block.commands else stack.local
    environment = {
        **os.environ,
        **odoo,
        "LEAD_MINING_LOCAL": str(local),
        "LEAD_MINING_SEARCHES": stack.environment.outer["LEAD_MINING_SEARCHES"],
        "PATH": f"{client_binary('psql').parent}:{os.environ['PATH']}",
    }
    try:
        done = subprocess.run(
            ["bash", "-c", script(block, stack, odoo, tmp_path)],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            start_new_session=True,  # without a terminal, psql asks for passwords on standard input
            check=False,
        )
    finally:
        if local != stack.local:
            Stack(local).clean()
            shutil.rmtree(local, ignore_errors=True)
    assert done.returncode == 0, f"{block.where}\n{done.stdout[-3000:]}"
    if any(command.startswith("make mine") for command in block.commands):
        assert "Lead mining: success" in done.stdout


def test_each_target_that_is_named_is_there() -> None:
    for target, document in make_targets_named().items():
        done = subprocess.run(["make", "--dry-run", target], cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{document}: make {target}: {done.stderr}"
