"""A real run of lead_mining, watched: lineage, metrics, messages, the deadline, and its log as a story."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from watched_run import BASE_URL, DBUUID, NOTIFY, TOKEN, Watched, watched_run


@pytest.fixture(scope="module")
def run(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched_run(postgres_server, tmp_path_factory.mktemp("airflow")) as run:
        yield run


@pytest.fixture(scope="module")
def secrets_and_people(run: Watched) -> list[str]:
    """What may stand in no log, event or message: of connections, and of whom the run has bought."""
    with psycopg.connect(run.dsn) as conn:
        bought = conn.execute("SELECT email_from, phone, contact_name FROM crm_lead").fetchall()
        contacts = conn.execute(
            "SELECT c->>'email', c->>'phone', c->>'full_name' FROM lead_mining.candidate,"
            " jsonb_array_elements(company->'contacts') c"
        ).fetchall()
        password = conn.info.password
    people = [value for row in (*bought, *contacts) for value in row if value]
    assert len(people) > 12
    return [TOKEN, DBUUID, password, *people]


def number(run: Watched, sql: str) -> int:
    with psycopg.connect(run.dsn) as conn:
        return int((conn.execute(sql).fetchone() or (0,))[0])  # type: ignore[call-overload]


# -- lineage


def test_edges_lead_from_the_provider_to_leads_and_notes(run: Watched) -> None:
    assert run.state == "success"
    server = psycopg.conninfo.conninfo_to_dict(run.dsn)
    edges: set[tuple[str, str]] = set()
    namespaces: dict[str, str] = {}
    for event in run.events:
        if event["eventType"] == "COMPLETE":
            for dataset in (*event["inputs"], *event["outputs"]):
                namespaces[dataset["name"]] = dataset["namespace"]
            edges |= {(read["name"], written["name"]) for read in event["inputs"] for written in event["outputs"]}
    reached, new = set(), {"lead_mining_request"}
    while new:
        reached |= new
        new = {written for read, written in edges if read in reached} - reached
    database = server["dbname"]
    tables = {name.removeprefix(f"{database}.") for name in reached}
    assert tables >= {"lead_mining.raw_page", "lead_mining.candidate", "public.crm_lead", "public.mail_message"}
    assert namespaces.pop("lead_mining_request").startswith("odoo-iap://127.0.0.1:")
    assert set(namespaces.values()) == {f"postgres://{server['host']}:{server['port']}"}
    assert (f"{database}.lead_mining.candidate", f"{database}.public.crm_lead") in edges
    assert ("lead_mining_request", f"{database}.public.crm_lead") not in edges, "not but through our tables"


def test_events_name_no_secret_and_nobody(run: Watched, secrets_and_people: list[str]) -> None:
    text = json.dumps(run.events)
    assert {event["job"]["name"] for event in run.events} >= {"lead_mining", "lead_mining.load_leads"}
    assert text.count('"notify": ["***", "#sales"]') > 10
    assert [found for found in (*secrets_and_people, "@example.com") if found in text] == []


# -- metrics


def test_a_run_is_counted_and_timed(run: Watched) -> None:
    counted: Counter[str] = Counter()
    for datagram in run.metrics:
        if datagram.startswith("airflow.lead_mining."):
            found = re.fullmatch(
                r"airflow\.lead_mining\.([\w.]+),provider=lead_mining_provider:([\d.]+)\|(c|ms)", datagram
            )
            assert found, datagram
            name, value, kind = found.groups()
            counted[f"{name} ({kind})"] += 1 if kind == "ms" else int(value)
    with psycopg.connect(run.dsn) as conn:
        rules = conn.execute("SELECT rule, count(*) FROM lead_mining.rejection WHERE severity = 'reject' GROUP BY 1")
        rejections = {f"rejections.{rule} (c)": count for rule, count in rules}
    spent = number(run, "SELECT sum(captured) FROM lead_mining.hold")
    leads = number(run, "SELECT count(*) FROM crm_lead WHERE lead_mining_request_id IS NOT NULL")
    assert leads
    assert counted == rejections | {
        "leads (c)": leads,
        "contacts (c)": spent - leads,
        "credits_captured (c)": spent,
        "provider_calls (c)": 1,
        "provider_call (ms)": 1,
    }


# -- messages


def test_whom_the_run_names_is_told_what_came(run: Watched, secrets_and_people: list[str]) -> None:
    leads = number(run, "SELECT count(*) FROM crm_lead WHERE lead_mining_request_id IS NOT NULL")
    (to, mail), _ = run.mails
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert to == ("boss@example.com",)
    assert mail["Subject"] == f"Lead mining: {leads} leads from request LMR001"
    assert "request LMR001 (12 companies and their contacts in United States, Germany)" in html
    assert "credits are left in the account default" in html
    assert "Note: people in DE are protected by the GDPR" in html
    page = re.escape(f"{BASE_URL}/lead-mining/requests/lead_mining/manual__")
    assert re.search(rf'<a href="{page}[\w%.-]+">', html)
    (post, *_) = run.posts
    assert post["channel"] == "#sales"
    assert post["text"].startswith(f"*Lead mining: {leads} leads from request LMR001*\n")
    assert [found for found in secrets_and_people if found in html + post["text"]] == []


# -- deadline


def test_a_run_that_is_late_is_told_of_and_can_be_cleared(run: Watched) -> None:
    assert run.late == {"HOURS": "1.5", "TOLD": "None"}
    _, (to, mail) = run.mails
    assert to == ("boss@example.com", "oncall@example.com")
    assert mail["Subject"] == "Lead mining: the run late of lead_mining has not ended in time"
    assert f'href="{BASE_URL}/dags/lead_mining/runs/late"' in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert [post["channel"] for post in run.posts] == ["#sales", "#sales"]


# -- the log


def test_ten_lines_tell_the_runs_story(run: Watched, secrets_and_people: list[str]) -> None:
    ours = [
        line
        for level, line, logger in run.log
        if level == "info" and ("lead_mining." in logger or "unusual" in logger)
        if not logger.endswith("Operator")  # Airflow's own line on what a task returned, by the class of the task
    ]
    told = [
        r"LMR001: up to 12 credits for companies and up to 24 for their contacts: at most 36 credits",
        r"the CRM's leads and partners: \d+ are new or changed since the last run",
        r"LMR001: 12 companies in 1 page, for which the provider charged \d+ credits; ended because: enough",
        r"LMR001: quality is good of \d+ companies; turned down: \d+ compan(y|ies), and \d+ contacts? of others; .*",
        r"LMR001: new: \d+ companies; duplicates: 0, possible ones: 0, suppressed: 0 companies, 0 contacts",
        r"LMR001: \d+ credits set aside for \d+ leads with \d+ contacts",
        r"LMR001: in the CRM: \d+ leads with \d+ contacts, for \d+ credits; .*",
        r"LMR001: \d+ enrichment notes written",
        r"Lead mining: \d+ leads from request LMR001: told to 1 by mail",
        r"Lead mining: \d+ leads from request LMR001: told to 1 by Slack",
    ]
    assert [line for line, pattern in zip(ours, told, strict=True) if not re.fullmatch(pattern, line)] == []
    loggers = {logger.partition(".")[0] for _, _, logger in run.log}
    assert not loggers & {"httpx", "httpcore", "great_expectations", "slack_sdk"}
    assert [found for found in (*secrets_and_people, *NOTIFY[:1]) if found in run.output] == []
