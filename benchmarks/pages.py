"""How long the server takes for each page in the Airflow UI, beside many requests and many leads.

    python benchmarks/pages.py --requests 100000 --leads 5000000

Two databases on one PostgreSQL: the CRM, with leads and requests of ten companies each (and a large one), whose credits
were moved through the ledger; and Airflow's own, with a DAG run a request. Each page is asked in process, with
Airflow's own log-in and permissions: once cold, then again and again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from typing import Any

import psycopg
from matching import make_leads
from psycopg.conninfo import conninfo_to_dict

from lead_mining import pipeline
from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from local_stack.environment import temporary_folder
from local_stack.postgres import PostgresServer

PAGES = {
    "requests": "",
    "requests, older": "?before={middle}",
    "requests of a saved search": "?search=Search+7",
    "requests that failed": "?state=failed",
    "requests that run": "?state=running",
    "requests that are done": "?state=done&before={middle}",
    "a request by its number": "?number=LMR0{middle}",
    "a request": "requests/lead_mining/run-{middle}",
    "a large request": "requests/lead_mining/run-1",
    "a large request, later leads": "requests/lead_mining/run-1?after=15000",
    "an enrichment note": "requests/lead_mining/run-{middle}/notes/{candidate}",
    "rejections": "quality/lead_mining/run-{middle}",
    "rejections of a large request": "quality/lead_mining/run-1",
    "quality over time": "quality/",
    "generate leads": "generate/",
    "saved searches": "searches/",
    "credits": "credits/",
}
"""Name to address below /lead-mining/."""

_COMPANIES, _LARGE = 10, 20_000  # of each request, and of the large one
_ACCOUNTS, _AT_ONCE = 20, 1_000
_KEYS = "('lead_mining/run-' || n)"

# Of each request of ten companies, seven are loaded, two rejected by a rule and one a duplicate; each 50th failed.
_REQUESTS = f"""
INSERT INTO crm_iap_lead_mining_request (name, state, search_type, lead_number, lead_type, contact_number,
    contact_filter_type, company_size_min, company_size_max)
SELECT 'LMR0' || n, CASE WHEN n %% 50 = 0 THEN 'draft' ELSE 'done' END, search_type, {_COMPANIES}, lead_type,
       contact_number, contact_filter_type, company_size_min, company_size_max
FROM generate_series(2, %(requests)s) n CROSS JOIN crm_iap_lead_mining_request WHERE name = 'LMR001';
INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number, max_cost,
    needs_approval, crm_request_id, request_number, saved_search, created_at)
SELECT {_KEYS}, r.request, r.context, r.provider, 'account ' || n %% {_ACCOUNTS}, false, {_COMPANIES}, 30, false, q.id,
       'LMR0' || n, CASE WHEN n %% 3 = 0 THEN 'Search ' || n %% 50 END, now() - make_interval(mins => %(requests)s - n)
FROM generate_series(2, %(requests)s) n CROSS JOIN lead_mining.run r
JOIN crm_iap_lead_mining_request q ON q.name = 'LMR0' || n WHERE r.run_key = 'lead_mining/run-1' ORDER BY n;
INSERT INTO lead_mining.run_step (run_id, step, result, finished_at)
SELECT r.id, s.step, s.result::jsonb, r.created_at
FROM lead_mining.run r CROSS JOIN (VALUES
    ('prepare_request', '{{"cost": "at most 30 credits", "approval": null}}'),
    ('extract', '{{"pages": 1, "candidates": {_COMPANIES}, "provider_charged": 17, "stopped": "enough"}}'),
    ('validate', '{{"valid": 8, "rejected": 2, "warnings": 1, "data_docs": "LMR/index.html"}}'),
    ('deduplicate', '{{"accepted": 7, "duplicates": 1, "possible_duplicates": 0, "suppressed": 0}}'),
    ('debit_credits', '{{"leads": 7, "contacts": 7, "held": 14}}'),
    ('load_leads', '{{"leads": 7, "contacts": 7, "captured": 14, "lost_to_rejections": 3, "duplicates_since": 0}}'),
    ('write_enrichment_notes', '{{"notes": 7}}')) AS s (step, result)
WHERE r.run_key <> 'lead_mining/run-1' AND (r.id %% 50 > 0 OR s.step IN ('prepare_request', 'extract'));
INSERT INTO lead_mining.quality_suite_result (run_id, suite, version, checked, passed)
SELECT id, 'company', '2', {_COMPANIES}, 8 FROM lead_mining.run WHERE id %% 50 > 0;
"""
_CANDIDATES = """
INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body)
SELECT id, 1, 10, 10, 17, '{}' FROM lead_mining.run;
INSERT INTO lead_mining.candidate (run_id, position, page_number, state, company, contacts, lead_id, note_message_id)
SELECT r.id, n, 1, CASE WHEN place <= 7 THEN 'loaded' ELSE 'rejected' END, jsonb_build_object(
           'reveal_id', r.id || '-' || n, 'name', c.name, 'domain', c.domain, 'city', c.city, 'zip', c.zip,
           'country_code', c.country, 'employees', 120, 'industry_group', 'Software & Services',
           'emails', jsonb_build_array(c.email), 'phones', jsonb_build_array(c.phone),
           'contacts', jsonb_build_array(jsonb_build_object(
               'full_name', 'Somebody', 'email', 'somebody@' || c.domain, 'title', 'CEO'))),
       1, CASE WHEN place <= 7 THEN lead END, CASE WHEN place <= 7 THEN lead END
FROM lead_mining.run r
CROSS JOIN LATERAL generate_series(1, CASE WHEN r.run_key = 'lead_mining/run-1' THEN %(large)s ELSE %(companies)s END) n
CROSS JOIN LATERAL (SELECT 1 + (n - 1) %% 10 AS place, (r.id * %(companies)s + n + CASE
    WHEN r.run_key = 'lead_mining/run-1' THEN 1000000000 ELSE 0 END)::int AS lead) p
CROSS JOIN LATERAL benchmark.company(r.id * 100 + n) c;
INSERT INTO lead_mining.rejection (run_id, candidate_id, step, rule, field, value, severity, duplicate_of)
SELECT run_id, id, CASE WHEN position %% 10 = 0 THEN 'deduplicate' ELSE 'validate' END,
       CASE WHEN position %% 10 = 0 THEN 'duplicate_domain' ELSE 'domain_is_not_free_mail' END, 'domain', 'gmail.com',
       'reject', CASE WHEN position %% 10 = 0 THEN 'crm.lead 12' END
FROM lead_mining.candidate WHERE state = 'rejected';
"""
_LEDGER = """
INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, run_id)
SELECT 'hold ' || id, 'hold', credit_account, 30, id FROM lead_mining.run WHERE id BETWEEN %(first)s AND %(last)s;
INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id)
SELECT what || h.id, what, h.owner, CASE what WHEN 'capture' THEN 14 ELSE 16 END, h.id
FROM lead_mining.hold h CROSS JOIN unnest(ARRAY['capture', 'release']) AS what
WHERE h.run_id BETWEEN %(first)s AND %(last)s;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000, help="mining requests (default: 100,000)")
    parser.add_argument("--leads", type=int, default=5_000_000, help="leads in the CRM (default: 5,000,000)")
    parser.add_argument("--times", type=int, default=30, help="how often each page is asked (default: 30)")
    options = parser.parse_args()
    folder = temporary_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex()) as server:
            crm, airflow = server.create_database("crm"), server.create_database("airflow")
            os.environ |= {
                "AIRFLOW_HOME": str(folder / "airflow"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _address(airflow, "postgresql+psycopg"),
                "AIRFLOW_CONN_LEAD_MINING_CRM": _address(crm, "postgresql"),
            }
            _fill_crm(crm, options.requests, options.leads)
            _fill_airflow(options.requests)
            _ask(crm, options.requests, options.times)
    finally:
        shutil.rmtree(folder)


def _address(conninfo: str, scheme: str) -> str:
    parts = conninfo_to_dict(conninfo)
    return f"{scheme}://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{parts['dbname']}"


def _fill_crm(dsn: str, requests: int, leads: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        embedded.create(conn)
        migrate(conn)
        _say(f"making {leads:,} leads")
        make_leads(conn, leads)
        _say(f"making {requests:,} requests with {_COMPANIES} companies each, one with {_LARGE:,}")
        for owner in ("default", *(f"account {n}" for n in range(_ACCOUNTS))):
            with conn.transaction():
                ledger.top_up(conn, owner, 100_000_000, key=f"top up {owner}", reference="benchmark")
        people = {"search_type": "people", "contact_number": 2, "preferred_role": "CEO", "saved_search": "Search 1"}
        first = {"countries": ["US", "DE"], "lead_number": _LARGE, **people}
        pipeline.prepare_request(conn, "lead_mining/run-1", first)
        with psycopg.ClientCursor(conn) as cur:  # several statements at once, with values
            cur.execute(_REQUESTS.encode(), {"requests": requests})
            cur.execute(_CANDIDATES.encode(), {"companies": _COMPANIES, "large": _LARGE})
            for start in range(2, requests + 1, _AT_ONCE):
                cur.execute(_LEDGER.encode(), {"first": start, "last": min(start + _AT_ONCE - 1, requests)})
        conn.execute("VACUUM ANALYZE")


def _fill_airflow(requests: int) -> None:
    from airflow._shared.timezones import timezone
    from airflow.models import DagRun
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from sqlalchemy import insert, text

    initdb()
    _say(f"making {requests:,} DAG runs")
    now = timezone.utcnow()
    with create_session() as session:
        for start in range(1, requests + 1, 10_000):
            rows: list[dict[str, Any]] = [
                {
                    "dag_id": "lead_mining",
                    "run_id": f"run-{n}",
                    "run_type": "manual",
                    "state": "failed" if n % 50 == 0 else "running" if n > requests - 5 else "success",
                    "run_after": now,
                    "conf": {"countries": ["US", "DE"], "lead_number": 10, "crm_conn_id": "lead_mining_crm"},
                }
                for n in range(start, min(start + 10_000, requests + 1))
            ]
            session.execute(insert(DagRun.__table__), rows)
        session.execute(text("ANALYZE dag_run"))


def _ask(crm: str, requests: int, times: int) -> None:
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from lead_mining.ui.app import app

    middle = requests // 2 + 1
    with psycopg.connect(crm) as conn:
        row = conn.execute(
            "SELECT min(id) FROM lead_mining.candidate WHERE run_id ="
            " (SELECT id FROM lead_mining.run WHERE run_key = %s)",
            [f"lead_mining/run-{middle}"],
        ).fetchone()
    root = FastAPI()
    root.mount("/lead-mining", app)
    token = init_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    print(f"{'page':<30} {'cold':>8} {'median':>8} {'p95':>8}  {'size':>8}")
    with TestClient(root, base_url="http://airflow/", headers={"Authorization": f"Bearer {token}"}) as client:
        for name, path in PAGES.items():
            address = "/lead-mining/" + path.format(middle=middle, candidate=row and row[0])
            took, size = [], 0
            for _ in range(times + 1):
                began = time.perf_counter()
                answer = client.get(address)
                took.append(time.perf_counter() - began)
                size = len(answer.content)
            if answer.status_code != 200:
                print(f"{name:<30} answers {answer.status_code}")
                continue
            cold, *warm = (1000 * seconds for seconds in took)
            p95 = statistics.quantiles(warm, n=20)[-1]
            print(
                f"{name:<30} {cold:>5.0f} ms {statistics.median(warm):>5.0f} ms {p95:>5.0f} ms {size / 1024:>5.0f} KiB",
                flush=True,
            )


def _say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    main()
