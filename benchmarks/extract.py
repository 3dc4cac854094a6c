"""How fast a provider's answers are extracted, how much of its latency is hidden, and whether late pages cost more.

    python benchmarks/extract.py --companies 20000 --catalogue 200000

The provider simulator, a process of its own, sells to the step `extract`, and to a bare httpx client that makes the
same calls and throws the answers away: the reference. Then a file of companies is extracted, and pages of the end are
held against pages of the beginning. Each extraction is a process of its own, and warms up first.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from measuring import fill_crm, parser, peak_mib, positive, record, server

from lead_mining import pipeline
from lead_mining.providers.base import Exclusions, Page, Provider, Query
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.providers.odoo_iap import OdooIap, request_data
from lead_mining.request import MiningRequest

CALLS_AT_ONCE = (1, 8)
LATENCY = 0.05  # seconds added to each paid call
COUNTRIES = ["AE", "AR", "AU", "BE", "BR", "CA", "DE", "FR", "GB", "IN", "JP", "MX", "MY", "NZ", "US"]
WARM_UP = 200


def main() -> None:
    options = _options()
    with server() as (postgres, folder):
        fill_crm(postgres.create_database("crm"), "embedded", 10**8)
        file = folder / "companies.parquet"
        make = [sys.executable, "-m", "provider_simulator", "catalogue", "--out", file, "--companies"]
        # More than is sold: what warmed up is not sold again.
        for_sale = max(options.companies + WARM_UP, options.catalogue)
        subprocess.run([*make, str(for_sale)], check=True, stdout=subprocess.DEVNULL)

        def database() -> str:
            return postgres.create_database(f"b{uuid4().hex}", "crm")

        with _simulator(folder, file) as url:
            sold = [_sell(options, url, database, at_once) for at_once in CALLS_AT_ONCE]
        grown = _in_a_process(_extract_file, database(), str(file), for_sale)
    print(
        f"{for_sale:,} companies of a file: {grown['companies_a_second']:,.0f} a second; a page of the last"
        f" tenth takes {grown['last_beside_first']:.2f} x one of the first ({grown['page_seconds']:.3f} s); peak memory"
        f" {grown['peak_mib']:.0f} MiB"
    )
    record(options.json, "extract", {"companies": options.companies, "sold": sold, "file": grown})


def _options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--companies", type=positive, default=3_200, help="that the simulator sells (default: 3,200)")
    made.add_argument(
        "--catalogue", type=positive, default=20_000, help="in the file, 3,000 at least (default: 20,000)"
    )
    made.add_argument("--repeat", type=positive, default=3, help="times, of which the median counts (default: 3)")
    return made.parse_args()


@contextmanager
def _simulator(folder: Path, file: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = ["--state", folder / "simulator.sqlite", "--catalogue", file, "--credits", "1000000000"]
    serve = [sys.executable, "-m", "provider_simulator", "serve", "--port", str(port), *state]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL) as running:
        url = f"http://127.0.0.1:{port}"
        try:
            httpx.Client(transport=httpx.HTTPTransport(retries=8), base_url=url).get("/health").raise_for_status()
            yield url
        finally:
            running.terminate()


def _sell(options: argparse.Namespace, url: str, database: Callable[[], str], at_once: int) -> dict[str, Any]:
    """Companies a second without and with latency, beside the reference, in turns."""
    seconds: dict[tuple[str, float], list[float]] = {}
    peak = 0.0
    for _ in range(options.repeat):
        for latency in (0.0, LATENCY):
            httpx.delete(f"{url}/simulator/faults").raise_for_status()
            if latency:
                plan = {"fault": "delay", "share": 1, "seconds": latency}
                httpx.post(f"{url}/simulator/faults", json=plan).raise_for_status()
            ours = _in_a_process(_extract_sold, database(), url, options.companies, at_once)
            peak = max(peak, ours["peak_mib"])
            seconds.setdefault(("ours", latency), []).append(ours["seconds"])
            seconds.setdefault(("bare", latency), []).append(_bare(url, options.companies, at_once))
    took = {case: statistics.median(each) for case, each in seconds.items()}
    pages = -(-options.companies // OdooIap.page_size)
    found: dict[str, Any] = {"calls_at_once": at_once, "peak_mib": peak}
    for latency in (0.0, LATENCY):
        ours_took, bare = took["ours", latency], took["bare", latency]
        found[f"with_{latency * 1000:.0f}_ms"] = {
            "companies_a_second": options.companies / ours_took,
            "bare_companies_a_second": options.companies / bare,
            "beside_bare": bare / ours_took,
        }
        print(
            f"{at_once} at once, {latency * 1000:.0f} ms added: {options.companies / ours_took:,.0f} companies/s, bare"
            f" client {options.companies / bare:,.0f}, ratio {bare / ours_took:.2f}"
        )
    found["latency_hidden"] = 1 - (took["ours", LATENCY] - took["ours", 0.0]) / (pages * LATENCY)
    print(f"{at_once} at once: {found['latency_hidden']:.0%} of the latency hidden; peak memory {peak:.0f} MiB")
    return found


def _bare(url: str, companies: int, at_once: int) -> float:
    """Seconds of a client that makes the same calls, the balance before each wave too, and looks at no answer."""
    account = {"account_token": uuid4().hex, "dbuuid": "benchmark"}
    query = _request(companies).query()
    asks = [min(companies - first, OdooIap.page_size) for first in range(0, companies, OdooIap.page_size)]

    def call(path: str, **more: Any) -> None:
        body = {"jsonrpc": "2.0", "method": "call", "params": account | more, "id": uuid4().hex}
        client.post(url + path, json=body).raise_for_status()

    def buy(ask: int) -> None:
        call("/iap/clearbit/2/lead_mining_request", data=request_data(query, ask))

    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(at_once) as pool:
        call("/iap/1/balance")
        began = time.perf_counter()
        for first in range(0, len(asks), at_once):
            call("/iap/1/balance")
            list(pool.map(buy, asks[first : first + at_once]))
        return time.perf_counter() - began


def _in_a_process(measure: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What `measure` finds in a process of its own, whose peak memory is its own too."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def _request(companies: int) -> MiningRequest:
    return MiningRequest.parse({"countries": COUNTRIES, "lead_number": companies})


def _extract(dsn: str, provider: Provider, companies: int) -> float:
    """Seconds of the step."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        run_id = pipeline.prepare_request(conn, uuid4().hex, _request(companies).model_dump())["run_id"]
        began = time.perf_counter()
        found = pipeline.extract(conn, run_id, provider)
        took = time.perf_counter() - began
    if found["stopped"] not in ("enough", "the provider has no more"):
        raise RuntimeError(f"the extraction ended early: {found}")
    return took


def _extract_sold(dsn: str, url: str, companies: int, at_once: int) -> dict[str, float]:
    provider = OdooIap(url, uuid4().hex, "benchmark", calls_at_once=at_once)
    _extract(dsn, provider, WARM_UP)
    return {"seconds": _extract(dsn, provider, companies), "peak_mib": peak_mib()}


class _Timed(LeadCatalog):
    """Notes when each page is asked for."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.asked_at: list[float] = []

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        self.asked_at.append(time.perf_counter())
        return super().fetch(query, limit, cursor, exclude)


def _extract_file(dsn: str, path: str, companies: int) -> dict[str, float]:
    """All of the file, so that its end ends the step, and nothing is judged. The first page only warms up."""
    provider = _Timed(path)
    _extract(dsn, provider, companies)
    pages = [later - earlier for earlier, later in pairwise(provider.asked_at)][1:]
    tenth = max(len(pages) // 10, 1)
    beginning, end = statistics.median(pages[:tenth]), statistics.median(pages[-tenth:])
    return {
        "companies": companies,
        "companies_a_second": provider.page_size * len(pages) / sum(pages),
        "page_seconds": end,
        "last_beside_first": end / beginning,
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    main()
