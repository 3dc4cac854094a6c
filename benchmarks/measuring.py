"""What all benchmarks share: a PostgreSQL of their own, a CRM in it, and the line of JSON that each run leaves."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from lead_mining.credits import ledger
from lead_mining.crm import embedded
from lead_mining.migrations import migrate
from local_stack.environment import temporary_folder
from local_stack.postgres import PostgresServer, client_binary

ROOT = Path(__file__).parents[1]
DUMP = ROOT.parent / "shared" / "odoo17" / "odoo17_ready.dump"
"""A restorable Odoo 17, where it is at hand."""
HISTORY = ROOT / ".local" / "benchmarks.jsonl"
"""Where a line of JSON a run is added, unless --json names another file."""


def parser(doc: str | None) -> argparse.ArgumentParser:
    """With --json, which all benchmarks have."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", metavar="FILE", type=Path, default=HISTORY, help="add the line of JSON to this file")
    return made


def positive(text: str) -> int:
    """For options that count. Raises ArgumentTypeError."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


@contextmanager
def server() -> Iterator[tuple[PostgresServer, Path]]:
    """A PostgreSQL with the settings of the local stack (durable), and a folder to write to; both gone at the end."""
    folder = temporary_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex()) as running:
            yield running, folder
    finally:
        shutil.rmtree(folder)


def fill_crm(dsn: str, crm: str, credits: int) -> None:
    """Make an empty database a CRM (`embedded`, or `odoo17` from the dump) with our schema and so many credits."""
    if crm == "odoo17":
        subprocess.run([client_binary("pg_restore"), "--no-owner", "-d", dsn, DUMP], check=True)
    with psycopg.connect(dsn) as conn:
        if crm == "embedded":
            embedded.create(conn)
        migrate(conn)
        ledger.top_up(conn, "default", credits, key="benchmark", reference="benchmark")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")


def median_of(times: int, measure: Callable[[], float]) -> float:
    """The median of so many measurements, after one that only warms up."""
    measure()
    return statistics.median(measure() for _ in range(times))


def peak_mib() -> float:
    """The most memory that this process has had, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def record(path: Path, benchmark: str, figures: Mapping[str, Any]) -> None:
    """Add a line of JSON to the history: what was measured, when, on which commit and machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    line = {
        "benchmark": benchmark,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip() or None,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        **figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
