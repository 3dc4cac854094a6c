"""How fast a run's candidates are told from what is known and from one another, and how that grows with them.

    python benchmarks/deduplicate.py --leads 5000000 --candidates 200 10000 30000 100000 300000 1000000

Each number of candidates is a process of its own: the step `deduplicate` (suppression, keys, names and places, and
Great Expectations over what is left) beside a CRM with so many leads. One lead in three has no website. One candidate
in ten is in the CRM by a key, one in ten may be, by its name and place, and one in fifty repeats an earlier one's key.

References, in the same run over the same tables: what is certain (keys alone), as one SQL statement, and the same by
merges of pandas over keys that were read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
from measuring import fill_crm, parser, peak_mib, positive, record, server

from lead_mining import candidates, judging, pipeline, runs
from lead_mining.matching import crm_index
from lead_mining.matching.keys import KINDS
from lead_mining.providers.base import Company, Page
from lead_mining.request import MiningRequest

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

_KEYS = """
SELECT c.position, k.kind, hashtextextended(k.value, 0) AS hash
FROM lead_mining.candidate c JOIN lead_mining.candidate_key k ON k.candidate_id = c.id
WHERE c.run_id = %(run_id)s AND c.state = 'valid'
"""
_KNOWN = " UNION ALL ".join(
    f"SELECT '{kind}' AS kind, {kind} AS hash FROM lead_mining.known_company WHERE {kind} IS NOT NULL" for kind in KINDS
)
_CERTAIN = f"""
WITH keys AS MATERIALIZED ({_KEYS}), known AS ({_KNOWN}),
first AS (SELECT *, min(position) OVER (PARTITION BY kind, hash) AS bearer FROM keys)
SELECT count(*) FROM (
    SELECT position FROM first WHERE bearer < position
    UNION SELECT k.position FROM keys k JOIN known n ON n.kind = k.kind AND n.hash = k.hash
) AS found
"""


def main() -> None:
    options = _parser().parse_args()
    if options.of_dsn:
        print(json.dumps(_measure(options.of_dsn, options.leads, options.candidates[0])))
        return
    with server() as (running, _):
        dsn = running.create_database("deduplicate")
        fill_crm(dsn, "embedded", credits=1)
        with psycopg.connect(dsn, autocommit=True) as conn:
            make_leads(conn, options.leads)
            crm_index.refresh(conn)
            conn.execute("VACUUM ANALYZE lead_mining.known_company")
        print(
            f"{'candidates':>10} {'deduplicate':>12} {'a second':>9} {'growth':>7} {'/ SQL':>7} {'/ pandas':>9}"
            f" {'certain':>8} {'possible':>9} {'peak MiB':>9}"
        )
        smallest = None
        for number in options.candidates:
            figures = _in_a_process(dsn, options.leads, number)
            a_candidate = figures["deduplicate"] / number
            smallest = smallest or a_candidate
            figures |= {
                "growth": a_candidate / smallest,
                "of_sql": figures["deduplicate"] / figures["sql"],
                "of_pandas": figures["deduplicate"] / figures["pandas"],
            }
            print(
                f"{number:>10,} {figures['deduplicate']:>11.2f}s {1 / a_candidate:>9,.0f} {figures['growth']:>7.2f}"
                f" {figures['of_sql']:>7.2f} {figures['of_pandas']:>9.2f} {figures['duplicates']:>8,}"
                f" {figures['possible']:>9,} {figures['peak_mib']:>9,.0f}",
                flush=True,
            )
            record(options.json, "deduplicate", figures)


def _parser() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--leads", type=int, default=50_000, help="in the CRM (default: 50,000)")
    made.add_argument("--candidates", type=positive, nargs="+", default=[200, 10_000, 30_000], help="runs of so many")
    made.add_argument("--of-dsn", help=argparse.SUPPRESS)  # the child: one number of candidates
    return made


def _in_a_process(dsn: str, leads: int, number: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--of-dsn", dsn, "--leads", str(leads), "--candidates", str(number)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(found.splitlines()[-1]))


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
    """Seconds of the step and of its references, and the peak memory of this process before pandas reads the keys."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        run_id = _store(conn, number, leads)
        sql = min(_seconds(lambda: conn.execute(_CERTAIN, {"run_id": run_id})) for _ in range(2))
        import great_expectations  # noqa: F401 -- as in a worker, where it is there before the task

        began = time.perf_counter()
        result = pipeline.deduplicate(conn, run_id)
        ended = time.perf_counter()
        peak = peak_mib()
        return {
            "candidates": number,
            "leads": leads,
            "deduplicate": ended - began,
            "sql": sql,
            "pandas": _seconds(lambda: _by_merges(conn, run_id)),
            "duplicates": result["duplicates"],
            "possible": result["possible_duplicates"],
            "peak_mib": peak,
        }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _by_merges(conn: psycopg.Connection, run_id: int) -> int:
    """How many are certain duplicates, by pandas, keys and what is known read from the database."""
    import pandas as pd

    keys = pd.DataFrame(conn.execute(_KEYS, {"run_id": run_id}).fetchall(), columns=["position", "kind", "hash"])
    known = pd.DataFrame(conn.execute(_KNOWN).fetchall(), columns=["kind", "hash"]).drop_duplicates()
    in_crm = keys.merge(known, on=["kind", "hash"])["position"]
    first = keys.groupby(["kind", "hash"], as_index=False)["position"].min()
    later = keys.merge(first, on=["kind", "hash"], suffixes=("", "_of_first"))
    return len({*in_crm, *later.loc[later["position"] > later["position_of_first"], "position"]})


def _store(conn: psycopg.Connection, number: int, leads: int) -> int:
    """A run with so many valid candidates; returns its id."""
    params = {"countries": ["US", "DE", "FR", "GB", "CA", "IT"], "lead_number": number, "dry_run": True}
    run_id = int(
        pipeline.prepare_request(conn, f"benchmark/{number}", MiningRequest.parse(params).model_dump())["run_id"]
    )
    run = runs.get(conn, run_id)
    for page_number, first in enumerate(range(1, number + 1, candidates.CHUNK), 1):
        _store_page(conn, run_id, page_number, range(first, min(first + candidates.CHUNK, number + 1)), leads)
    for chunk in candidates.in_chunks(conn, run_id, "extracted"):
        with conn.transaction():
            judging.apply_failures(conn, run, chunk, [])
    return run_id


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
            domain=f"new{n - 4 if n % 50 == 7 else n}.example" if place > 1 else None if place else domain,
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


if __name__ == "__main__":
    main()
