"""How long checking and comparing candidates takes, and how much memory, beside a CRM with many leads.

    python benchmarks/matching.py --leads 5000000 --candidates 200 10000 100000 1000000

Each number of candidates is a process of its own: validate (Great Expectations, Data Docs included), then deduplicate
(keys, names, places). One lead in three has no website. One candidate in ten is in the CRM by a key, one in ten may be,
by its name and place. The reference, in the same run, is PostgreSQL reading the leads' columns once (`count` of them).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from lead_mining import candidates, pipeline
from lead_mining.crm import embedded
from lead_mining.matching import crm_index
from lead_mining.migrations import migrate
from lead_mining.providers.base import Company, Page
from lead_mining.request import MiningRequest
from local_stack.environment import temporary_folder
from local_stack.postgres import PostgresServer

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu zan bor cel dra fen gri hol jas kre lum"
_COMMON = "Holdings Systems Energy Foods Software Logistics Bank Industries Medical Group"
_FORMS = "Inc. Ltd GmbH LLC S.A. AG Corp. plc"
_COUNTRIES = "US US US DE FR GB CA IT"

# A company's facts follow from its number alone, so that a candidate can be made to be a lead's twin.
_COMPANY = f"""
CREATE SCHEMA benchmark;
CREATE FUNCTION benchmark.part(n bigint, salt int, words text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT a[1 + abs(hashint8(n * 31 + salt)) % cardinality(a)] FROM string_to_array(words, ' ') a $$;
CREATE FUNCTION benchmark.company(n bigint) RETURNS TABLE
    (name text, domain text, email text, phone text, country text, city text, zip text) LANGUAGE sql IMMUTABLE AS $$
    SELECT initcap(benchmark.part(n, 1, '{_SYLLABLES}') || benchmark.part(n, 2, '{_SYLLABLES}')
                   || benchmark.part(n, 3, '{_SYLLABLES}'))
           || ' ' || benchmark.part(n, 4, '{_COMMON}') || ' ' || benchmark.part(n, 5, '{_FORMS}'),
           'c' || n || '.example', 'info@c' || n || '.example', '+1' || lpad((2012000000 + n)::text, 10, '0'),
           benchmark.part(n, 6, '{_COUNTRIES}'),
           initcap(benchmark.part(n, 7, '{_SYLLABLES}') || benchmark.part(n, 8, '{_SYLLABLES}')),
           lpad((abs(hashint8(n)) % 100000)::text, 5, '0') $$;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=5_000_000, help="in the CRM (default: 5,000,000)")
    parser.add_argument("--candidates", type=int, nargs="+", default=[200, 10_000, 100_000], help="runs of so many")
    parser.add_argument("--json", type=Path, help="add a line of JSON a result to this file")
    parser.add_argument("--of-dsn", help=argparse.SUPPRESS)  # the child: one number of candidates
    options = parser.parse_args()
    if options.of_dsn:
        print(json.dumps(_measure(options.of_dsn, options.leads, options.candidates[0])))
        return
    folder = temporary_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex()) as server:
            _benchmark(server.create_database("matching"), options)
    finally:
        shutil.rmtree(folder)


def _benchmark(dsn: str, options: argparse.Namespace) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        embedded.create(conn)
        migrate(conn)
        _say(f"making {options.leads:,} leads")
        make_leads(conn, options.leads)
        began = time.perf_counter()
        crm_index.refresh(conn)
        first = time.perf_counter() - began
        conn.execute("VACUUM ANALYZE lead_mining.known_company")
        began = time.perf_counter()
        crm_index.refresh(conn)
        again = time.perf_counter() - began
        size = conn.execute("SELECT pg_size_pretty(pg_total_relation_size('lead_mining.known_company'))").fetchone()
        began = time.perf_counter()
        conn.execute("SELECT count(lower(website)), count(lower(partner_name)), count(email_normalized) FROM crm_lead")
        read = time.perf_counter() - began
        _say(
            f"{options.leads:,} leads: indexed in {first:.1f} s, once; looked through for changes in {again:.1f} s,"
            f" {again / read:.1f} x one reading of their columns ({read:.1f} s); index {size and size[0]}"
        )
    print(f"{'candidates':>10} {'validate':>9} {'deduplicate':>12} {'duplicates':>11} {'possible':>9} {'peak MiB':>9}")
    for number in options.candidates:
        command = [
            sys.executable,
            __file__,
            "--of-dsn",
            dsn,
            "--leads",
            str(options.leads),
            "--candidates",
            str(number),
        ]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(
            f"{number:>10,} {found['validate']:>8.1f}s {found['deduplicate']:>11.1f}s {found['duplicates']:>11,}"
            f" {found['possible']:>9,} {found['peak_mib']:>9,.0f}"
        )
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found | {"index_seconds": first, "refresh_seconds": again, "read": read}) + "\n")


def make_leads(conn: psycopg.Connection, leads: int) -> None:
    conn.execute(_COMPANY.encode())
    conn.execute(
        "INSERT INTO crm_lead (name, type, active, probability, partner_name, website, email_normalized,"
        " phone_sanitized, country_id, city, zip, reveal_id)"
        " SELECT c.name, 'lead', true, 10, c.name, "
        " CASE WHEN n %% 3 > 0 THEN 'https://www.' || c.domain END, c.email, c.phone, r.id, c.city, c.zip,"
        " 'r' || n FROM generate_series(1, %s) n CROSS JOIN LATERAL benchmark.company(n) c"
        " JOIN res_country r ON r.code = c.country",
        [leads],
    )
    conn.execute("VACUUM ANALYZE crm_lead")


def _measure(dsn: str, leads: int, number: int) -> dict[str, float]:
    """Seconds of each step and the peak memory of this process."""
    folder = temporary_folder()
    with psycopg.connect(dsn, autocommit=True) as conn:
        params = {"countries": ["US", "DE", "FR", "GB", "CA", "IT"], "lead_number": number, "dry_run": True}
        request = MiningRequest.parse(params)
        run_id = pipeline.prepare_request(conn, f"benchmark/{number}", request.model_dump())["run_id"]
        for page_number, first in enumerate(range(1, number + 1, candidates.CHUNK), 1):
            _store_page(conn, run_id, page_number, range(first, min(first + candidates.CHUNK, number + 1)), leads)
        began = time.perf_counter()
        pipeline.validate(conn, run_id, folder)
        validated = time.perf_counter()
        result = pipeline.deduplicate(conn, run_id)
        ended = time.perf_counter()
    shutil.rmtree(folder)
    return {
        "candidates": number,
        "leads": leads,
        "validate": validated - began,
        "deduplicate": ended - validated,
        "duplicates": result["duplicates"],
        "possible": result["possible_duplicates"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _store_page(conn: psycopg.Connection, run_id: int, page_number: int, numbers: range, leads: int) -> None:
    """Candidates: every tenth is a lead with all its keys; the one after has a lead's name and place alone."""
    rows = conn.execute(
        "SELECT n, c.*, n %% 10 FROM generate_series(%s::bigint, %s) n CROSS JOIN LATERAL benchmark.company("
        " CASE WHEN n %% 10 < 2 AND %s > 0 THEN 1 + n * 37 %% %s ELSE 100000000 + n END) c",
        [numbers[0], numbers[-1], leads, max(leads, 1)],
    ).fetchall()
    companies = [
        Company(
            reveal_id=f"new{n}",
            name=name,
            domain=f"new{n}.example" if place > 1 else domain if place == 0 else None,
            emails=() if place else (email,),
            phones=() if place else (phone,),
            country_code=country,
            city=city,
            zip=zip_code,
        )
        for n, name, domain, email, phone, country, city, zip_code, place in rows
    ]
    with conn.transaction():
        page = Page(raw={}, records=[{}] * len(companies), charged=0, next_cursor=None)
        candidates.store_page(conn, run_id, page_number, len(companies), page, companies)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
