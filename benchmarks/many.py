"""Leads a second of many small requests at once through the scheduler, beside one request for as many leads.

    python benchmarks/many.py [--requests 100] [--leads 200]

On one local stack, from the simulator: all requests are triggered at once, and the time is that from the first that is
queued to the last that ends; then as many runs of the empty DAG, which is what Airflow itself takes for so many tasks;
then one request for all the leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from measuring import parser, positive, record
from stacks import COUNTRIES, EMPTY, MINING, Airflow, airflow, simulator


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--requests", type=positive, default=100, help="at once (default: 100)")
    parse.add_argument("--leads", type=positive, default=200, help="of each request (default: 200)")
    options = parse.parse_args()
    in_all = options.requests * options.leads
    request = {"countries": COUNTRIES, "lead_number": options.leads}
    companies = in_all * 4  # twice as many as are asked for: some are bad, some known
    with simulator(companies, companies) as provider, airflow(provider, companies) as running:
        running.seconds(MINING, request | {"lead_number": 1})  # warms up
        many, of_many = _at_once(running, MINING, request, options.requests), _loaded(running)
        empty = _at_once(running, EMPTY, {}, options.requests)
        one, of_one = running.seconds(MINING, request | {"lead_number": in_all}), _loaded(running) - of_many
    ratio = (of_many / many) / (of_one / one)
    many_requests = f"{options.requests} requests of {options.leads}"
    print(f"{many_requests}: {of_many:,} leads in {many:.1f} s, {of_many / many:,.0f}/s")
    print(f"as many runs with empty tasks: {empty:.1f} s; ours take {many / empty:.2f} x")
    print(f"one request of {in_all:,}: {of_one:,} leads in {one:.1f} s, {of_one / one:,.0f}/s")
    print(f"leads a second, many / one: {ratio:.2f}")
    figures = {"requests": options.requests, "leads": options.leads, "seconds": many, "empty_seconds": empty}
    record(options.json, "many", figures | {"one_seconds": one, "ratio": ratio})


def _at_once(running: Airflow, dag_id: str, conf: Mapping[str, Any], runs: int) -> float:
    """Seconds from the first run that is queued to the last that ends."""
    run_ids = [running.trigger(dag_id, conf) for _ in range(runs)]
    times = [running.wait(dag_id, run_id) for run_id in run_ids]
    return (max(ended for _, ended in times) - min(queued for queued, _ in times)).total_seconds()


def _loaded(running: Airflow) -> int:
    with psycopg.connect(running.stack.crm_conninfo) as conn:
        row = conn.execute("SELECT count(*) FROM lead_mining.candidate WHERE state = 'loaded'").fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
