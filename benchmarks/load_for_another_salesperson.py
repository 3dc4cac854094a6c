"""How fast leads for another salesperson are loaded and get their notes, beside a bare COPY and beside Odoo 17.

For another salesperson is the slow case of Odoo's: each lead notifies its salesperson. Starts a PostgreSQL of its own,
durable as a real one (fsync on), and needs nothing else. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from lead_mining import candidates, pipeline
from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from lead_mining.providers.lead_catalog import LeadCatalog
from local_stack.environment import temporary_folder
from local_stack.postgres import PostgresServer, client_binary

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from statement_counter import counted_statements  # noqa: E402

DUMP = ROOT.parent / "shared" / "odoo17" / "odoo17_ready.dump"
SALESPERSON = {"odoo17": "mia", "embedded": "alex"}
OUR_LEADS = "SELECT lead_id FROM lead_mining.candidate WHERE state = 'loaded'"
MESSAGES = f"SELECT id FROM mail_message WHERE model = 'crm.lead' AND res_id IN ({OUR_LEADS})"
FOLLOWERS = f"SELECT id FROM mail_followers WHERE res_model = 'crm.lead' AND res_id IN ({OUR_LEADS})"
ROWS = {
    "crm_lead": f"id IN ({OUR_LEADS})",
    "mail_message": f"id IN ({MESSAGES})",
    "crm_tag_rel": f"lead_id IN ({OUR_LEADS})",
    "mail_message_res_partner_rel": f"mail_message_id IN ({MESSAGES})",
    "mail_mail": f"mail_message_id IN ({MESSAGES})",
    "mail_mail_res_partner_rel": f"mail_mail_id IN (SELECT id FROM mail_mail WHERE mail_message_id IN ({MESSAGES}))",
    "mail_notification": f"mail_message_id IN ({MESSAGES})",
    "mail_followers": f"id IN ({FOLLOWERS})",
    "mail_followers_mail_message_subtype_rel": f"mail_followers_id IN ({FOLLOWERS})",
}
"""All that is written into the CRM for leads: table, in an order that foreign keys allow, to which rows."""
LEADS_AND_MESSAGES = ("crm_lead", "mail_message")

ODOO_SECONDS = (23.851, 33.667)
"""Odoo 17.0, 200 leads of another salesperson, 2 cores: the fastest and the slowest of its recorded runs."""
ODOO_STATEMENTS, ODOO_LEADS = 12_330, 200


@dataclass(frozen=True)
class Measured:
    """One repetition: seconds to load, to write the notes, and to COPY the same rows (of leads and messages alone, and
    of all tables); statements sent."""

    load: float
    notes: float
    copy_leads_and_messages: float
    copy_all: float
    statements: int

    @property
    def seconds(self) -> float:
        return self.load + self.notes


@dataclass(frozen=True)
class Result:
    """Medians over the repetitions."""

    crm: str
    leads: int
    repetitions: int
    load_seconds: float
    notes_seconds: float
    seconds: float
    leads_per_second: float
    statements: int
    copy_leads_and_messages_seconds: float
    copy_all_seconds: float
    times_bare_copy: float
    times_odoo17: tuple[float, float]
    postgresql: str
    cores: int | None


def main() -> None:
    options = _options()
    if options.crm == "odoo17" and not DUMP.exists():
        sys.exit(f"There is no dump of an Odoo 17 at {DUMP}: use --crm embedded")
    folder = temporary_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex()) as server:
            result = benchmark(server, folder, options.crm, options.leads, options.repeat)
    finally:
        shutil.rmtree(folder)
    print("\n".join(_table(result)))
    if options.json:
        with Path(options.json).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=_positive, default=200, help="how many leads a run loads (default: 200)")
    parser.add_argument(
        "--crm",
        choices=tuple(SALESPERSON),
        default="odoo17" if DUMP.exists() else "embedded",
        help="a restored Odoo 17 (the default where its dump is at hand) or the embedded CRM",
    )
    parser.add_argument("--repeat", type=_positive, default=7, help="repetitions, of which the median (default: 7)")
    parser.add_argument("--json", metavar="FILE", help="append the result to FILE, as a line of JSON")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def benchmark(server: PostgresServer, folder: Path, crm: str, leads: int, repetitions: int) -> Result:
    template = server.create_database("template_crm")
    _fill(template, crm, credits=leads)
    companies = _catalogue(folder / "companies.csv", leads)
    runs = [_measure(server, f"run_{n}", companies, leads, SALESPERSON[crm]) for n in range(repetitions + 1)]
    runs = runs[1:]  # the first warms up: templates are compiled, files are cached
    seconds = statistics.median(run.seconds for run in runs)
    copy_all = statistics.median(run.copy_all for run in runs)
    odoo_speeds = [ODOO_LEADS / slow for slow in ODOO_SECONDS]
    with psycopg.connect(template) as conn:
        version = f"{conn.info.server_version // 10_000}.{conn.info.server_version % 10_000}"
    return Result(
        crm=crm,
        leads=leads,
        repetitions=repetitions,
        load_seconds=round(statistics.median(run.load for run in runs), 4),
        notes_seconds=round(statistics.median(run.notes for run in runs), 4),
        seconds=round(seconds, 4),
        leads_per_second=round(leads / seconds, 1),
        statements=max(run.statements for run in runs),
        copy_leads_and_messages_seconds=round(statistics.median(run.copy_leads_and_messages for run in runs), 4),
        copy_all_seconds=round(copy_all, 4),
        times_bare_copy=round(seconds / copy_all, 2),
        times_odoo17=(round(leads / seconds / odoo_speeds[0], 1), round(leads / seconds / odoo_speeds[1], 1)),
        postgresql=version,
        cores=os.cpu_count(),
    )


def _fill(dsn: str, crm: str, credits: int) -> None:
    if crm == "odoo17":
        subprocess.run([client_binary("pg_restore"), "--no-owner", "-d", dsn, DUMP], check=True)
    with psycopg.connect(dsn) as conn:
        if crm == "embedded":
            embedded.create(conn)
        migrate(conn)
        ledger.top_up(conn, "default", credits, key="benchmark", reference="benchmark")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")


def _catalogue(path: Path, leads: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "city", "emails", "phones", "employees", "description"])
        for n in range(leads):
            domain = f"works-{n}.example"
            phone = f"+1 775 {100 + n // 10_000:03d} {n % 10_000:04d}"
            text = f"Works {n} makes things that others need, and has done so since long ago."
            writer.writerow([f"Works {n}", domain, "US", "Reno", f"info@{domain}", phone, 10 + n, text])
    return path


def _measure(server: PostgresServer, name: str, companies: Path, leads: int, salesperson: str) -> Measured:
    """A run up to its held credits; then, measured, our load and notes, and a COPY of their rows into twins."""
    dsn = server.create_database(name, "template_crm")
    params = {"countries": ["US"], "lead_number": leads, "salesperson": salesperson, "tags": ["Lead mining"]}
    with psycopg.connect(dsn, autocommit=True) as conn:
        run_id = pipeline.prepare_request(conn, "benchmark", params)["run_id"]
        pipeline.extract(conn, run_id, LeadCatalog(companies))
        candidates.move(conn, run_id, "extracted", "accepted")
        pipeline.debit_credits(conn, run_id)
    twins = [server.create_database(f"{name}_twin_{n}", name) for n in range(2)]
    with psycopg.connect(dsn, autocommit=True) as conn, counted_statements(conn) as statements:
        start = time.perf_counter()
        loaded = pipeline.load_leads(conn, run_id)["leads"]
        between = time.perf_counter()
        noted = pipeline.write_enrichment_notes(conn, run_id)["notes"]
        end = time.perf_counter()
    if (loaded, noted) != (leads, leads):
        raise RuntimeError(f"of {leads} leads {loaded} were loaded, and {noted} notes written")
    with psycopg.connect(dsn) as conn:
        rows = {table: _copy_out(conn, table) for table in ROWS}
    copy_leads_and_messages = _copy_in(twins[0], {table: rows[table] for table in LEADS_AND_MESSAGES})
    copy_all = _copy_in(twins[1], rows)
    for database in (name, f"{name}_twin_0", f"{name}_twin_1"):
        server.drop_database(database)
    return Measured(between - start, end - between, copy_leads_and_messages, copy_all, len(statements))


def _copy_out(conn: psycopg.Connection, table: str) -> bytes:
    statement = sql.SQL(f"COPY (SELECT * FROM {table} WHERE {ROWS[table]} ORDER BY 1) TO STDOUT")
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(block) for block in copy)


def _copy_in(dsn: str, rows: dict[str, bytes]) -> float:
    with psycopg.connect(dsn) as conn:
        start = time.perf_counter()
        for table, data in rows.items():
            statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
            with conn.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(data)
        conn.commit()
        return time.perf_counter() - start


def _table(result: Result) -> list[str]:
    low, high = result.times_odoo17
    fastest, slowest = ODOO_SECONDS
    lines = [
        (f"load {result.leads} leads", f"{result.load_seconds:.3f} s"),
        (f"write {result.leads} notes", f"{result.notes_seconds:.3f} s"),
        ("together", f"{result.seconds:.3f} s, {result.leads_per_second:,.0f} leads/s"),
        ("statements", f"{result.statements:,}"),
        ("bare COPY of the same rows", f"{result.copy_all_seconds:.3f} s; ours takes {result.times_bare_copy} x"),
        ("of crm_lead and mail_message alone", f"{result.copy_leads_and_messages_seconds:.3f} s"),
        (
            f"Odoo 17, {ODOO_LEADS} leads (recorded)",
            f"{fastest:.0f} to {slowest:.0f} s, {ODOO_LEADS / slowest:.0f} to {ODOO_LEADS / fastest:.0f} leads/s,"
            f" {ODOO_STATEMENTS:,} statements",
        ),
        ("leads a second beside Odoo 17's", f"{low:,.0f} to {high:,.0f} x"),
    ]
    width = max(len(label) for label, _ in lines)
    where = f"{result.crm}, PostgreSQL {result.postgresql}, {result.cores} cores, {platform.machine()}"
    head = f"{where}; median of {result.repetitions}"
    return [head, "-" * len(head), *(f"{label:<{width}}  {value}" for label, value in lines)]


if __name__ == "__main__":
    main()
