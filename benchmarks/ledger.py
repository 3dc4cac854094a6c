"""Operations a second of the credit ledger, on one account and on many, beside a bare pgbench of the same statements.

An operation is a transaction that holds a credit, or one that captures it. Starts a PostgreSQL of its own, durable as a
real one (fsync on), and needs nothing else. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from lead_mining.credits import ledger
from lead_mining.migrations import migrate
from local_stack.environment import temporary_folder
from local_stack.postgres import PostgresServer, client_binary

CREDITS = 1_000_000
SAME_STATEMENTS = f"""
\\set account random(1, :accounts)
BEGIN;
SELECT lead_mining.ledger_lock('account ' || :account);
{" ".join(ledger._BUDGETS.replace("%(account)s", "'account ' || :account").replace("%(run)s", "NULL::bigint").split())};
INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, run_id)
    VALUES (gen_random_uuid()::text, 'hold', 'account ' || :account, 1, :account)
    ON CONFLICT (key) DO NOTHING RETURNING id AS hold_id \\gset
COMMIT;
BEGIN;
SELECT owner FROM lead_mining.hold WHERE id = :hold_id;
SELECT lead_mining.ledger_lock('account ' || :account);
SELECT remaining FROM lead_mining.hold WHERE id = :hold_id;
INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id)
    VALUES (gen_random_uuid()::text, 'capture', 'account ' || :account, 1, :hold_id)
    ON CONFLICT (key) DO NOTHING RETURNING id;
COMMIT;
"""
"""What `hold` and `capture` send, for pgbench; it has no Python in between, and no key to look up again."""

RUN = """
INSERT INTO lead_mining.run (id, run_key, request, context, provider, credit_account, dry_run, lead_number, max_cost,
    needs_approval) OVERRIDING SYSTEM VALUE
VALUES (%(id)s, %(account)s, '{}', '{}', 'p', %(account)s, false, 1, 1, false) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Result:
    """Operations a second, medians over the repetitions."""

    accounts: int
    clients: int
    ours: float
    pgbench: float

    @property
    def ratio(self) -> float:
        return self.ours / self.pgbench


def spend(dsn: str, accounts: int, client: int, seconds: float) -> int:
    """Holds and captures for so long; how many operations were committed."""
    operations = 0
    with psycopg.connect(dsn) as conn:
        runs = dict(conn.execute("SELECT credit_account, id FROM lead_mining.run").fetchall())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            account = f"account {1 + (client * 7919 + operations // 2) % accounts}"
            key = uuid.uuid4().hex
            hold_id = ledger.hold(conn, account, 1, key, runs[account])
            conn.commit()
            ledger.capture(conn, hold_id, 1, f"{key} c")
            conn.commit()
            operations += 2
    return operations


def ours(pool: ProcessPoolExecutor, dsn: str, accounts: int, clients: int, seconds: float) -> float:
    work = [pool.submit(spend, dsn, accounts, client, seconds) for client in range(clients)]
    return sum(one.result() for one in work) / seconds


def pgbench(dsn: str, script: Path, accounts: int, clients: int, seconds: float) -> float:
    where = conninfo_to_dict(dsn)
    # fmt: off
    command = [
        client_binary("pgbench"), "-n", "-M", "prepared", "-f", script, "-D", f"accounts={accounts}",
        "-c", str(clients), "-j", "2", "-T", f"{max(seconds, 1):.0f}",
        "-h", str(where["host"]), "-p", str(where["port"]), "-U", str(where["user"]), str(where["dbname"]),
    ]
    # fmt: on
    environment = os.environ | {"PGPASSWORD": str(where["password"])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return 2 * float(found[1])  # a script is two operations


def measure(dsn: str, script: Path, accounts: int, options: argparse.Namespace) -> Result:
    with psycopg.connect(dsn) as conn:
        for number in range(1, accounts + 1):
            ledger.top_up(conn, f"account {number}", CREDITS, f"top-up {number}", "benchmark")
            conn.execute(RUN, {"id": number, "account": f"account {number}"})
    mine, bare = [], []
    with ProcessPoolExecutor(options.clients, mp_context=get_context("spawn")) as pool:
        ours(pool, dsn, accounts, options.clients, 1)  # starts the processes
        for repetition in range(options.repeat):  # in turns, so that a noisy moment strikes both
            mine.append(ours(pool, dsn, accounts, options.clients, options.seconds))
            bare.append(pgbench(dsn, script, accounts, options.clients, options.seconds))
            print(f"{accounts} account(s), {repetition + 1} of {options.repeat} done", file=sys.stderr)
    return Result(accounts, options.clients, statistics.median(mine), statistics.median(bare))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=int, nargs="+", default=[1, 100], help="how many accounts, one run for each")
    parser.add_argument("--clients", type=int, default=8, help="sessions at once (default: 8)")
    parser.add_argument("--seconds", type=float, default=5, help="of each repetition (default: 5)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions, of which the median counts (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the results to FILE, a line each")
    options = parser.parse_args()
    if min(*options.accounts, options.clients, options.repeat, options.seconds) <= 0:
        parser.error("all numbers must be above 0")
    if not client_binary("pgbench").exists():
        parser.error(f"there is no pgbench at {client_binary('pgbench')}")
    return options


def main() -> None:
    options = parse()
    folder = temporary_folder()
    try:
        with PostgresServer(folder / "postgres", password=os.urandom(12).hex()) as server:
            dsn = server.create_database("ledger")
            with psycopg.connect(dsn) as conn:
                migrate(conn)
            script = folder / "same_statements.sql"
            script.write_text(SAME_STATEMENTS, encoding="utf-8")
            results = [measure(dsn, script, accounts, options) for accounts in options.accounts]
    finally:
        shutil.rmtree(folder)
    print("accounts | sessions | ledger, operations/s | pgbench, operations/s | ledger / pgbench")
    for result in results:
        print(
            f"{result.accounts:8} | {result.clients:8} | {result.ours:20.0f} | {result.pgbench:21.0f} |"
            f" {result.ratio:16.2f}"
        )
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(result) | {"ratio": result.ratio}) + "\n" for result in results)


if __name__ == "__main__":
    main()
