"""How fast leads are loaded and get their notes, beside a bare COPY of the same rows and beside Odoo 17.

    python benchmarks/load.py --leads 200 10000 100000 1000000

For the acting user's own leads, and for another salesperson's, of which each lead notifies its salesperson: Odoo's slow
case. Each number of leads and salesperson is a process of its own, whose peak memory is told. See README.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from measuring import DUMP, ROOT, fill_crm, parser, peak_mib, positive, record, server
from psycopg import sql

from lead_mining import candidates, judging, pipeline, runs
from lead_mining.providers.base import Company, Page
from local_stack.postgres import PostgresServer
from provider_simulator.generate import generate

sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from statement_counter import counted_statements

ANOTHER = {"odoo17": "mia", "embedded": "alex"}
OUR_LEADS = "SELECT lead_id FROM lead_mining.candidate WHERE state = 'loaded'"
NOTES = "SELECT note_message_id FROM lead_mining.candidate WHERE state = 'loaded'"
FOLLOWERS = f"SELECT id FROM mail_followers WHERE res_model = 'crm.lead' AND res_id IN ({OUR_LEADS})"
OTHERS = f"SELECT id FROM mail_message WHERE model = 'crm.lead' AND res_id IN ({OUR_LEADS}) EXCEPT {NOTES}"


def _with_messages(messages: str) -> dict[str, str]:
    mails = f"SELECT id FROM mail_mail WHERE mail_message_id IN ({messages})"
    return {
        "mail_message": f"id IN ({messages})",
        "mail_message_res_partner_rel": f"mail_message_id IN ({messages})",
        "mail_mail": f"mail_message_id IN ({messages})",
        "mail_mail_res_partner_rel": f"mail_mail_id IN ({mails})",
        "mail_notification": f"mail_message_id IN ({messages})",
    }


ROWS = {
    "load_leads": {
        "crm_lead": f"id IN ({OUR_LEADS})",
        "crm_tag_rel": f"lead_id IN ({OUR_LEADS})",
        "mail_followers": f"id IN ({FOLLOWERS})",
        "mail_followers_mail_message_subtype_rel": f"mail_followers_id IN ({FOLLOWERS})",
        **_with_messages(OTHERS),
    },
    "write_enrichment_notes": _with_messages(NOTES),
}
"""All that each step writes into the CRM: table, in an order that foreign keys allow, to which rows."""

ODOO_LEADS = 200
ODOO_SECONDS = {"own": (4.2, 7.1), "another's": (23.9, 33.7)}
"""How long a real Odoo 17 took for 200 leads with their notes, on two cores."""


class Seconds(NamedTuple):
    load_leads: float
    write_enrichment_notes: float


def main() -> None:
    options = _options()
    print(f"{'leads':>9} {'salesperson':<11} {'step':<24} {'seconds':>8} {'leads/s':>8} {'COPY':>8} {'COPY/ours':>9}")
    with server() as (running, folder):
        template = running.create_database("template_crm")
        fill_crm(template, options.crm, credits=10 * max(options.leads))
        for leads in options.leads:
            for salesperson in options.salesperson:
                repeat = options.repeat or (5 if leads < 1000 else 3 if leads < 50_000 else 1)
                figures = benchmark(running, folder, options.crm, leads, salesperson, repeat)
                record(options.json, "load", figures)


def _options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--leads", type=positive, nargs="+", default=[200, 10_000], help="runs of so many leads")
    made.add_argument("--salesperson", nargs="+", choices=list(ODOO_SECONDS), default=list(ODOO_SECONDS))
    made.add_argument(
        "--crm",
        choices=list(ANOTHER),
        default="odoo17" if DUMP.exists() else "embedded",
        help="a restored Odoo 17 (the default where its dump is at hand) or the embedded CRM",
    )
    made.add_argument(
        "--repeat",
        type=positive,
        help="turns, of which the median (default: 5 below 1,000 leads, 3 below 50,000, else 1)",
    )
    options = made.parse_args()
    if options.crm == "odoo17" and not DUMP.exists():
        made.error(f"there is no dump of an Odoo 17 at {DUMP}: use --crm embedded")
    return options


def benchmark(
    running: PostgresServer, folder: Path, crm: str, leads: int, salesperson: str, repeat: int
) -> dict[str, Any]:
    """Our steps and COPY in turns, each in a database of its own. Of several turns the first only warms up."""
    params = {"countries": ["US"], "lead_number": leads, "tags": ["Lead mining"]}
    if salesperson != "own":
        params["salesperson"] = ANOTHER[crm]
    ours: list[Seconds] = []
    copied: list[Seconds] = []
    run_id, statements = _ready(running, params, leads), 0
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
        for turn in range(repeat + 1 if repeat > 1 else 1):
            dsn, twin = running.create_database("ours", "ready"), running.create_database("twin", "empty")
            found = child.submit(_measure, dsn, run_id, turn == 0).result()
            statements = found["statements"] or statements
            if turn or repeat == 1:
                ours.append(found["seconds"])
                copied.append(_copy(dsn, twin, folder))
            for name in ("ours", "twin"):
                running.drop_database(name)
    for name in ("ready", "empty"):
        running.drop_database(name)
    figures = {
        "crm": crm,
        "leads": leads,
        "salesperson": salesperson,
        "repeat": repeat,
        "statements": statements,
        "peak_mib": round(found["peak_mib"]),
    }
    for step in (*Seconds._fields, "together"):
        figures[step] = _compared(leads, *(_median(step, turns) for turns in (ours, copied)))
        seconds, copy = figures[step]["seconds"], figures[step]["copy_seconds"]
        print(
            f"{leads:>9,} {salesperson:<11} {step:<24} {seconds:>8.3f} {leads / seconds:>8,.0f} {copy:>8.3f}"
            f" {copy / seconds:>9.2f}"
        )
    speed = leads / figures["together"]["seconds"]
    times = [round(speed / (ODOO_LEADS / took)) for took in ODOO_SECONDS[salesperson]]
    print(
        f"{'':>9} {times[0]} to {times[1]} times Odoo 17's speed; {statements} statements;"
        f" peak memory {found['peak_mib']:.0f} MiB",
        flush=True,
    )
    return figures | {"times_odoo17": times}


def _median(step: str, turns: list[Seconds]) -> float:
    return statistics.median(sum(turn) if step == "together" else getattr(turn, step) for turn in turns)


def _compared(leads: int, seconds: float, copy: float) -> dict[str, float]:
    return {
        "seconds": round(seconds, 4),
        "leads_per_second": round(leads / seconds, 1),
        "copy_seconds": round(copy, 4),
        "copy_beside_ours": round(copy / seconds, 3),
    }


def _ready(running: PostgresServer, params: dict[str, Any], leads: int) -> int:
    """Databases `empty`, with a run, and `ready`, where its candidates are accepted and paid for; the run's id."""
    with psycopg.connect(running.create_database("empty", "template_crm"), autocommit=True) as conn:
        run_id = int(pipeline.prepare_request(conn, "benchmark", params)["run_id"])
    with psycopg.connect(running.create_database("ready", "empty"), autocommit=True) as conn:
        _store(conn, run_id, leads)
        pipeline.debit_credits(conn, run_id)
        conn.execute("VACUUM ANALYZE")
    return run_id


def _store(conn: psycopg.Connection, run_id: int, leads: int) -> None:
    """Candidates with their keys, and our index of the CRM, as they are when deduplication is done."""
    run = runs.get(conn, run_id)
    judging.refresh_crm_index(conn)
    for page_number, first in enumerate(range(0, leads, candidates.CHUNK), 1):
        companies = list(_companies(range(first, min(first + candidates.CHUNK, leads))))
        page = Page(raw={}, records=[], charged=0, next_cursor=None)
        with conn.transaction():
            candidates.store_page(conn, run_id, page_number, len(companies), page, companies)
    with conn.transaction():
        for chunk in candidates.in_chunks(conn, run_id, "extracted"):
            judging.apply_failures(conn, run, chunk, [])
        candidates.move(conn, run_id, "valid", "accepted")
        runs.set_judged_as_of(conn, run_id, judging.known_now(conn))


@cache
def _made_up() -> list[dict[str, Any]]:
    rows = generate(2_000)
    several = ("phones", "emails", "tags", "technologies")
    return [
        {field: json.loads(row[field]) if field in several else row.get(field) for field in Company.model_fields}
        | {"contacts": ()}
        for row in rows
        if row["dirt"] == "[]"
    ]


def _companies(numbers: range) -> Iterator[Company]:
    """The simulator's companies, over and over, each with an id, a domain, an address and a number of its own."""
    for n in numbers:
        own = {
            "reveal_id": f"benchmark-{n}",
            "domain": f"c{n}.example",
            "emails": (f"info@c{n}.example",),
            "phones": (f"+1{2012000000 + n}",),
        }
        yield Company(**_made_up()[n % len(_made_up())] | own)


def _measure(dsn: str, run_id: int, count: bool) -> dict[str, Any]:
    """In the child: our steps, each in a session of its own, as Airflow's tasks have."""
    import lead_mining.before_fork  # noqa: F401 -- as in a worker, where it is there before the task

    steps: tuple[Callable[[psycopg.Connection, int], Any], ...] = (pipeline.load_leads, pipeline.write_enrichment_notes)
    seconds, sent = [], 0
    for step in steps:
        with psycopg.connect(dsn, autocommit=True) as conn:
            with counted_statements(conn) if count else nullcontext([]) as statements:
                began = time.perf_counter()
                step(conn, run_id)
                seconds.append(time.perf_counter() - began)
            sent += len(statements)
    return {"seconds": Seconds(*seconds), "statements": sent, "peak_mib": peak_mib()}


def _copy(dsn: str, twin: str, folder: Path) -> Seconds:
    """Seconds to COPY what each step wrote into a twin that has the same indexes and foreign keys, a session a step."""
    seconds = []
    for tables in ROWS.values():
        with psycopg.connect(dsn) as conn:
            files = {table: _copy_out(conn, table, where, folder) for table, where in tables.items()}
        with psycopg.connect(twin) as conn:
            began = time.perf_counter()
            for table, file in files.items():
                _copy_in(conn, table, file)
            conn.commit()
            seconds.append(time.perf_counter() - began)
        for file in files.values():
            file.unlink()
    return Seconds(*seconds)


def _copy_out(conn: psycopg.Connection, table: str, where: str, folder: Path) -> Path:
    path = folder / f"{table}.copy"
    statement = sql.SQL(f"COPY (SELECT * FROM {table} WHERE {where} ORDER BY 1) TO STDOUT")
    with conn.cursor() as cursor, cursor.copy(statement) as copy, path.open("wb") as file:
        for block in copy:
            file.write(block)
    return path


def _copy_in(conn: psycopg.Connection, table: str, path: Path) -> None:
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
    with path.open("rb") as file, conn.cursor() as cursor, cursor.copy(statement) as copy:
        while block := file.read(2**20):
            copy.write(block)


if __name__ == "__main__":
    main()
