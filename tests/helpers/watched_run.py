"""One real run of the DAG lead_mining with everything that watches it set up, and all that came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
from credit_dags import DAGS, airflow_connection
from databases import new_database
from mail_server import running_mail_server, running_slack

from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from provider_simulator.testing import running_simulator

BASE_URL = "https://airflow.example.com/here"
TOKEN, DBUUID = "token-of-the-provider", "dbuuid-of-the-provider"
NOTIFY = ["boss@example.com", "#sales"]
REQUEST = {
    "countries": ["US", "DE"],
    "search_type": "people",
    "lead_number": 12,
    "contact_number": 2,
    "preferred_role": "CEO",
    "other_roles": ["Marketing"],
    "notify": NOTIFY,
}

# What Airflow does in the process of a task, and for another run of the same DAG, in its scheduler and triggerer.
_RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.configuration import conf
from airflow.sdk.lineage import get_hook_lineage_collector
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from airflow.utils.db import initdb
from lead_mining import lineage

initdb()
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
report = lineage.report
def report_in_a_process_of_its_own(*args):
    get_hook_lineage_collector.cache_clear()
    report(*args)
lineage.report = report_in_a_process_of_its_own
dag = DagBag().dags["lead_mining"]
dag.deadline = None  # Airflow 3.3.2: dag.test() of a DAG that has one ends with an error
run = dag.test(run_conf=json.loads(sys.argv[1]))
print("STATE", run.state)
"""
_DEADLINE = """
from airflow._shared.timezones import timezone
from airflow.models import Deadline, TaskInstance
from airflow.models.dagbag import DBDagBag
from airflow.models.taskinstance import clear_task_instances
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from airflow._shared.module_loading import import_string
from sqlalchemy import select
import asyncio
with create_session() as session:
    made = DBDagBag().get_latest_version_of_dag("lead_mining", session=session).create_dagrun(
        run_id="late", run_after=timezone.utcnow(), run_type=DagRunType.MANUAL, state=DagRunState.QUEUED,
        triggered_by=DagRunTriggeredByType.TEST, conf=json.loads(sys.argv[1]), session=session)
    session.flush()
    clear_task_instances(list(session.scalars(select(TaskInstance).where(TaskInstance.run_id == "late"))), session)
    (deadline,) = session.scalars(select(Deadline).where(Deadline.dagrun_id == made.id))
    print("HOURS", round((deadline.deadline_time - made.run_after).total_seconds() / 3600, 2))
    deadline.handle_miss(session)
    data = deadline.callback.data
print("TOLD", asyncio.run(import_string(data["path"])(**data["kwargs"])))
"""


@dataclass
class Watched:
    """`log`: lines of a run's tasks, with their logger. `metrics`: datagrams as they came."""

    state: str = ""
    output: str = ""
    late: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    mails: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    dsn: str = ""


@contextmanager
def watched_run(server: str, home: Path) -> Iterator[Watched]:
    """The run, in an Airflow of its own, and a second one that misses its deadline; the CRM stays until the end."""
    for folder, file in (("dags", "lead_mining.py"), ("plugins", "lead_mining_watching.py")):
        (home / folder).mkdir()
        shutil.copy(DAGS.parent / folder / file, home / folder)
    with (
        new_database(server) as dsn,
        running_simulator() as simulator,
        running_mail_server() as mails,
        running_slack() as slack,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd,
    ):
        with psycopg.connect(dsn) as conn:
            embedded.create(conn)
            migrate(conn)
            ledger.top_up(conn, "default", 1000, key="trial", reference="trial")
        statsd.bind(("127.0.0.1", 0))
        provider = {"conn_type": "odoo_iap", "host": simulator.url, "password": TOKEN, "extra": {"dbuuid": DBUUID}}
        events = home / "events.jsonl"
        env = os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__API__BASE_URL": BASE_URL,
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "AIRFLOW__OPENLINEAGE__EMISSION_POLICY": json.dumps(
                [{"scope": {}, "controls": {"include_full_task_info": True, "include_source_code": True}}]
            ),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            "AIRFLOW_CONN_LEAD_MINING_CRM": airflow_connection(dsn),
            "AIRFLOW_CONN_LEAD_MINING_PROVIDER": json.dumps(provider),
            "AIRFLOW_CONN_SMTP_DEFAULT": mails.airflow_connection,
            "AIRFLOW_CONN_SLACK_API_DEFAULT": slack.airflow_connection,
            "LEAD_MINING_DEADLINE_HOURS": "1.5",
            "LEAD_MINING_ON_CALL": "oncall@example.com",
        }
        done = subprocess.run(
            [sys.executable, "-c", _RUN + _DEADLINE, json.dumps(REQUEST)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        of_the_run, _, afterwards = done.stdout.partition("STATE ")
        yield Watched(
            state=afterwards.partition("\n")[0],
            output=of_the_run,
            late=dict(re.findall(r"^(HOURS|TOLD) (.*)$", afterwards, re.MULTILINE)),
            log=re.findall(r"^\S+Z \[(\w+) *\] (.*?) *\[([\w.]+)\] .*loc=", of_the_run, re.MULTILINE),
            events=[json.loads(line) for line in events.read_text().splitlines()],
            metrics=list(_datagrams(statsd)),
            mails=mails.mails,
            posts=slack.posts,
            dsn=dsn,
        )


def _datagrams(server: socket.socket) -> Iterator[str]:
    server.setblocking(False)
    while True:
        try:
            yield server.recv(65536).decode()
        except BlockingIOError:
            return
