"""Loading while people work in Odoo: nobody waits for long, nothing is lost, no number or id is given twice."""

from __future__ import annotations

import csv
import importlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from odoo_traffic import APPLICATION, OdooTraffic, Waits
from psycopg import sql
from scheduled_actions import add_cron

from lead_mining import pipeline
from lead_mining.crm import leads as crm_leads
from lead_mining.crm import notes as crm_notes
from lead_mining.crm import requests as crm_requests
from lead_mining.crm.context import resolve
from lead_mining.providers.base import Company
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.request import MiningRequest

RUNS, LEADS = 6, 50
TAGS = ["Lead mining", "Autumn fair", "Zoë's <b>"]
OURS = "lead mining"
PATIENCE = 5.0  # seconds that nobody may wait for us; a statement of Odoo's takes milliseconds

_validating = threading.Lock()  # tasks run in processes of their own; Great Expectations is not made for threads


@pytest.fixture
def salesperson(crm_kind: str) -> str:
    return {"embedded": "alex", "odoo17": "mia"}[crm_kind]


@pytest.fixture(autouse=True)
def enrichment_action(conn: psycopg.Connection) -> None:
    """The scheduled action that new leads wake; its worker locks its row."""
    add_cron(conn, "crm_iap_enrich", "ir_cron_lead_enrichment")


def catalogue(folder: Path, run: int) -> LeadCatalog:
    path = folder / f"companies-{run}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "city", "emails", "phones"])
        for n in range(LEADS):
            domain = f"works-{run}-{n}.example"
            writer.writerow([f"Works {run}/{n}", domain, "US", "Reno", f"info@{domain}", f"+1 775 555 {run}{n:03d}"])
    return LeadCatalog(str(path))


def mine(dsn: str, run: int, folder: Path, salesperson: str) -> dict[str, Any]:
    """One whole run, in a session of its own."""
    params = {"countries": ["US"], "lead_number": LEADS, "tags": TAGS, "salesperson": salesperson}
    with psycopg.connect(dsn, autocommit=True, application_name=OURS) as conn:
        run_id = pipeline.prepare_request(conn, f"beside/{run}", params)["run_id"]
        pipeline.extract(conn, run_id, catalogue(folder, run))
        with _validating:
            pipeline.validate(conn, run_id, folder / "docs")
        pipeline.deduplicate(conn, run_id)
        pipeline.debit_credits(conn, run_id)
        loaded = pipeline.load_leads(conn, run_id)
        return loaded | pipeline.write_enrichment_notes(conn, run_id)


def deadlocks(conn: psycopg.Connection) -> int:
    conn.execute("SELECT pg_stat_force_next_flush()")
    return int(one(conn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def one(conn: psycopg.Connection, query: str, *values: object) -> Any:
    row = conn.execute(query, values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def column(conn: psycopg.Connection, query: str, *values: object) -> list[Any]:
    return [row[0] for row in conn.execute(query, values)]  # type: ignore[arg-type]


def test_runs_beside_people_at_work(conn: psycopg.Connection, crm_dsn: str, tmp_path: Path, salesperson: str) -> None:
    conn.execute(
        "INSERT INTO crm_lead_scoring_frequency (variable, value, won_count, lost_count)"
        " VALUES ('stage_id', '1', 30.1, 10.1)"
    )
    deadlocks_before = deadlocks(conn)
    importlib.import_module("lead_mining.quality.checks")  # takes seconds, in which there is nothing to see

    with (
        Waits(crm_dsn, OURS) as waits,
        OdooTraffic(crm_dsn, sessions=4, shared_tags=TAGS[1:]) as traffic,
        ThreadPoolExecutor(2) as two,
    ):
        results = list(two.map(lambda run: mine(crm_dsn, run, tmp_path, salesperson), range(RUNS)))

    assert traffic.problems == []
    assert traffic.deadlocks == []
    assert deadlocks(conn) == deadlocks_before
    assert traffic.slowest[0] < PATIENCE, traffic.slowest
    assert waits.longest < PATIENCE / 2
    assert waits.looks > 20
    assert all(traffic.committed.units[name] for name in ("create lead", "move lead", "assign lead", "mine leads"))
    # ours
    assert [result["leads"] for result in results] == [LEADS] * RUNS
    assert [result["notes"] for result in results] == [LEADS] * RUNS
    all_of_ours_is_there(conn)
    assert one(conn, "SELECT count(*) FROM ir_cron_trigger") == RUNS
    # theirs
    theirs_is_there(conn, traffic)
    # both
    numbers = column(conn, "SELECT name FROM crm_iap_lead_mining_request")
    assert Counter(numbers).most_common(1)[0][1] == 1
    assert len(numbers) == RUNS + len(traffic.committed.numbers)
    tags = column(conn, "SELECT name->>'en_US' FROM crm_tag")
    assert Counter(tags).most_common(1)[0][1] == 1
    the_next_insert_works(conn)


def all_of_ours_is_there(conn: psycopg.Connection) -> None:
    ours = "l.lead_mining_request_id IN (SELECT crm_request_id FROM lead_mining.run)"
    leads = column(conn, f"SELECT l.id FROM crm_lead l WHERE {ours}")
    assert len(leads) == RUNS * LEADS
    assert sorted(column(conn, "SELECT lead_id FROM lead_mining.candidate WHERE state = 'loaded'")) == sorted(leads)
    for what, count in {
        "SELECT count(*) FROM crm_tag_rel WHERE lead_id = l.id": len(TAGS),
        "SELECT count(*) FROM mail_message WHERE model = 'crm.lead' AND res_id = l.id AND subtype_id = 5": 1,
        "SELECT count(*) FROM mail_message m JOIN lead_mining.candidate c ON c.note_message_id = m.id"
        " WHERE m.model = 'crm.lead' AND m.res_id = l.id AND c.lead_id = l.id": 1,
        "SELECT count(*) FROM mail_followers f JOIN mail_followers_mail_message_subtype_rel ON mail_followers_id = f.id"
        " WHERE f.res_model = 'crm.lead' AND f.res_id = l.id AND f.partner_id = 3": 1,
    }.items():
        assert set(column(conn, f"SELECT ({what}) FROM crm_lead l WHERE {ours}")) == {count}, what


def theirs_is_there(conn: psycopg.Connection, traffic: OdooTraffic) -> None:
    done = traffic.committed
    assert dict(conn.execute("SELECT id, name FROM crm_lead WHERE name LIKE 'by hand %'")).items() >= done.leads.items()
    assert column(conn, "SELECT id FROM crm_lead WHERE id = ANY(%s)", list(done.deleted)) == []
    messages = column(conn, "SELECT id FROM mail_message WHERE id = ANY(%s)", list(done.messages))
    assert set(messages) == done.messages
    assert done.tags <= set(column(conn, "SELECT name->>'en_US' FROM crm_tag"))
    assert set(done.numbers) <= set(column(conn, "SELECT name FROM crm_iap_lead_mining_request"))
    changed = "SELECT id, color FROM crm_lead WHERE color > 0"
    assert dict(conn.execute(changed)) == dict(done.changes), "a change of Odoo's was lost, or one was made twice"


def the_next_insert_works(conn: psycopg.Connection) -> None:
    """Every serial id of the CRM goes on behind what is there, and so does the number of mining requests."""
    serial = conn.execute(
        "SELECT relname, s.seqrelid::regclass::text FROM pg_class t"
        " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'id' JOIN pg_depend d"
        " ON (d.refclassid, d.refobjid, d.refobjsubid) = ('pg_class'::regclass, t.oid, a.attnum)"
        " JOIN pg_sequence s ON (d.classid, d.objid) = ('pg_class'::regclass, s.seqrelid)"
        " WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r'"
    ).fetchall()
    assert {"crm_lead", "mail_message", "mail_followers", "crm_tag"} <= {table for table, _ in serial}
    for table, sequence in serial:
        highest = one(conn, sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(table)))  # type: ignore[arg-type]
        assert one(conn, "SELECT nextval(%s::regclass)", sequence) > highest, table
    last = max(int(name[3:]) for name in column(conn, "SELECT name FROM crm_iap_lead_mining_request"))
    assert one(conn, "SELECT nextval('ir_sequence_001')") > last


# --- what is locked while a transaction of ours is open ---


@contextmanager
def a_load_that_is_not_committed(dsn: str, salesperson: str) -> Iterator[None]:
    """Request, leads and notes, written in one transaction that is still open; Odoo's is tried meanwhile."""
    request = MiningRequest.parse({"countries": ["US"], "tags": [TAGS[0], "New tag"], "salesperson": salesperson})
    company = {"domain": None, "country_code": "US", "emails": ("a@b.example",), "phones": ("+1 775 555 0100",)}
    with psycopg.connect(dsn, application_name=OURS) as conn:
        conn.execute("SET lock_timeout = '1s'")
        context = resolve(conn, request)
        made = crm_requests.create_request(conn, request, context)
        companies = [Company(name=f"Works {n}", reveal_id=str(n), **company) for n in range(20)]
        loaded = crm_leads.load_leads(conn, context, made.id, list(enumerate(companies)))
        crm_requests.set_state(conn, made, context.acting_user_id, "done")
        crm_notes.write_notes(conn, context, [(lead, "<p>Known</p>") for lead in loaded.values()])
        yield
        conn.rollback()


def tables(conn: psycopg.Connection) -> list[str]:
    return column(conn, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")


def test_what_we_have_open_hinders_no_update_of_any_row(
    conn: psycopg.Connection, crm_dsn: str, salesperson: str
) -> None:
    """What an UPDATE locks is free in every row of every table: of ours, nobody can see any yet."""
    with OdooTraffic(crm_dsn, sessions=1):
        time.sleep(2)
    names = tables(conn)
    with a_load_that_is_not_committed(crm_dsn, salesperson), conn.transaction(force_rollback=True):
        locked = {
            name: conn.execute(
                sql.SQL("SELECT 1 FROM {} FOR NO KEY UPDATE NOWAIT").format(sql.Identifier(name))
            ).rowcount
            for name in names
        }
        conn.execute("SELECT 1 FROM crm_lead FOR UPDATE NOWAIT")  # as Odoo's enrichment does
    assert locked["crm_lead"] > 0
    assert locked["res_users"] > 0


def test_odoos_work_goes_on_while_we_have_a_transaction_open(
    conn: psycopg.Connection, crm_dsn: str, salesperson: str
) -> None:
    with OdooTraffic(crm_dsn, sessions=1):
        time.sleep(1)
    with a_load_that_is_not_committed(crm_dsn, salesperson):
        with OdooTraffic(crm_dsn, sessions=2) as traffic:
            time.sleep(2)
        assert traffic.problems == []
        assert traffic.slowest[0] < 1.0, traffic.slowest
        assert sum(traffic.committed.units.values()) > 20


def test_what_odoo_has_written_and_not_committed_does_not_hinder_us(
    conn: psycopg.Connection, crm_dsn: str, salesperson: str
) -> None:
    """Somebody's long transaction has updated every row of every table: we load within a second all the same."""
    names = tables(conn)
    with conn.transaction(force_rollback=True):
        for name in names:
            conn.execute(sql.SQL("SELECT 1 FROM {} FOR NO KEY UPDATE").format(sql.Identifier(name)))
        with a_load_that_is_not_committed(crm_dsn, salesperson):
            pass


def test_a_lead_that_is_being_deleted_gets_no_note(
    conn: psycopg.Connection, crm_dsn: str, tmp_path: Path, salesperson: str
) -> None:
    """A user deletes a lead of ours: its messages are gone first, and all is committed only while we write the notes."""
    params = {"countries": ["US"], "lead_number": 5, "salesperson": salesperson}
    run_id = pipeline.prepare_request(conn, "beside/1", params)["run_id"]
    pipeline.extract(conn, run_id, catalogue(tmp_path, 1))
    pipeline.validate(conn, run_id, tmp_path / "docs")
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    pipeline.load_leads(conn, run_id)
    leads = column(conn, "SELECT lead_id FROM lead_mining.candidate WHERE lead_id IS NOT NULL ORDER BY lead_id")

    with psycopg.connect(crm_dsn, application_name=APPLICATION) as odoo, ThreadPoolExecutor(1) as pool:
        odoo.execute("DELETE FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", leads[:1])
        writing = pool.submit(pipeline.write_enrichment_notes, conn, run_id)
        time.sleep(0.5)
        odoo.execute("DELETE FROM crm_lead WHERE id = %s", leads[:1])
        odoo.execute("DELETE FROM mail_followers WHERE res_model = 'crm.lead' AND res_id = %s", leads[:1])
        odoo.commit()
        writing.result(timeout=PATIENCE)

    noted = "SELECT lead_id FROM lead_mining.candidate WHERE note_message_id IS NOT NULL ORDER BY lead_id"
    assert column(conn, noted) == leads[1:]
    assert column(conn, "SELECT id FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", leads[0]) == []
