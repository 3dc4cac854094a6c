"""How near judging candidates with Great Expectations is to the same rules in plain pandas, small and large.

    python benchmarks/validate.py [--candidates 200 2000 10000] [--request companies|people] [--repeat 3]

The companies are the provider simulator's, contacts and dirt included. They are judged a chunk after the other, as the
step does. Seconds are of the CPU, so that other work on the machine counts less. In turns, in one process:

    judge    Checks.judge and Site.publish: frames, Great Expectations, failures, Data Docs
    check    find_failures: the same without Data Docs
    pandas   the same frames, the same rules in plain pandas, the same failures: that they are equal is asserted
    frames   building the frames alone
    known    the same once more: each phone number, address and domain is known already
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from measuring import parser, peak_mib, positive, record

from lead_mining import identifiers
from lead_mining.candidates import CHUNK
from lead_mining.judging import lead_of
from lead_mining.providers.base import Company
from lead_mining.providers.odoo_iap import OdooIap, request_data
from lead_mining.quality import asked, frames, syntax
from lead_mining.quality.checks import Checks, Failure, find_failures
from lead_mining.quality.data_docs import Site
from lead_mining.quality.rules import Suite, suites_that_hold
from lead_mining.request import MiningRequest
from local_stack.environment import temporary_folder
from provider_simulator import wire
from provider_simulator.catalogue import Catalogue
from provider_simulator.generate import generate
from provider_simulator.search import parse_search

REQUESTS = {
    "companies": {"countries": ["US", "DE", "GB"]},
    "people": {
        "countries": ["US", "DE", "GB"],
        "industries": ["Software & Services", "Materials"],
        "filter_on_size": True,
        "search_type": "people",
        "preferred_role": "CEO",
    },
}
REMEMBERED = (
    *(identifiers._e164, identifiers._registered_domain, identifiers._is_role_mailbox),
    *(syntax._is_email, syntax._is_mail_domain, syntax._is_domain, frames._industry_problem),
)
Chunk = Sequence[tuple[int, Company]]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--candidates", type=positive, nargs="+", default=[200, 2000, 10_000])
    options.add_argument("--request", choices=REQUESTS, default="companies", help="what was asked for")
    options.add_argument("--repeat", type=positive, default=3, help="the median of so many turns of each chunk")
    given = options.parse_args()
    request = MiningRequest.parse(REQUESTS[given.request])
    with data_docs() as judge:
        ways = {"judge": judge, "check": check, "pandas": in_pandas, "frames": frames_alone, "known": frames_alone}
        print(
            f"{'candidates':>10} {'judged a s':>10} {'judge/pandas':>12} {'check/pandas':>12}   of the time of judge:"
        )
        for number in given.candidates:
            seconds, rows = measured(number, request, ways, given.repeat)
            ratios = {f"{way}_to_pandas": seconds[way] / seconds["pandas"] for way in ("judge", "check")}
            shares = shares_of(seconds)
            print(
                f"{number:>10,} {number / seconds['judge']:>10,.0f} {ratios['judge_to_pandas']:>12.2f}"
                f" {ratios['check_to_pandas']:>12.2f}   "
                + ", ".join(f"{what} {share:.0%}" for what, share in shares.items())
            )
            figures = {"request": given.request, "candidates": number, "rows": rows, "seconds": seconds, **ratios}
            record(given.json, "validate", figures | {"shares": shares, "peak_mib": peak_mib()})


Way = Callable[[Chunk, MiningRequest], Sequence[Failure]]


def measured(number: int, request: MiningRequest, ways: Mapping[str, Way], repeat: int) -> tuple[dict[str, float], int]:
    """The seconds of each way, summed over the chunks, and how many rows the frames have."""
    seconds: Counter[str] = Counter()
    rows = 0
    for chunk in chunks(number, request):
        rows += sum(2 + len(company.contacts) for _, company in chunk)
        times: dict[str, list[float]] = defaultdict(list)
        for turn in range(repeat + 1):
            found = {}
            for name, way in ways.items():
                if name != "known":
                    for function in REMEMBERED:
                        function.cache_clear()
                began = time.process_time()
                found[name] = way(chunk, request)
                if turn:  # the first only warms up: what is loaded once a process is measured in start.py
                    times[name].append(time.process_time() - began)
            assert found["judge"] == found["check"] == found["pandas"], "the reference does not judge the same"
        seconds.update({name: statistics.median(each) for name, each in times.items()})
    return dict(seconds), rows


def shares_of(seconds: Mapping[str, float]) -> dict[str, float]:
    """What of the time of `judge` goes where."""
    parts = {
        "phones, addresses, domains": seconds["frames"] - seconds["known"],
        "frames": seconds["known"],
        "rules": seconds["pandas"] - seconds["frames"],
        "Great Expectations": seconds["check"] - seconds["pandas"],
        "Data Docs": seconds["judge"] - seconds["check"],
    }
    return {what: part / seconds["judge"] for what, part in parts.items()}


def chunks(number: int, request: MiningRequest) -> Iterator[Chunk]:
    """So many of the simulator's companies, as its answers are read, CHUNK at a time."""
    search = parse_search(request_data(request.query(), 1))
    read = OdooIap("http://provider.example", "token", "dbuuid").parse
    for first in range(0, number, CHUNK):
        size = min(CHUNK, number - first)
        rows = Catalogue.of(generate(size, seed=first)).rows(list(range(size)))
        yield [(first + place, read(wire.lead(row, search))) for place, row in enumerate(rows)]


@contextmanager
def data_docs() -> Iterator[Way]:
    """`Checks.judge` with Data Docs in a folder that is gone at the end."""
    folder = temporary_folder()

    def judge(chunk: Chunk, request: MiningRequest) -> Sequence[Failure]:
        site = Site(folder, "benchmark")
        with site.part(chunk[0][0]) as pages:
            quality = Checks(request, lead_of, pages)
            failures = quality.judge(chunk)
        site.publish(quality.results)
        return failures

    try:
        yield judge
    finally:
        shutil.rmtree(folder)


def check(chunk: Chunk, request: MiningRequest) -> Sequence[Failure]:
    return find_failures(chunk, request, lead_of)


def frames_alone(chunk: Chunk, request: MiningRequest) -> Sequence[Failure]:
    suites, holds = suites_that_hold(), asked.conditions(request.query())
    frames.companies_frame(chunk, request.query(), _columns(suites["company"], holds))
    frames.contacts_frame(chunk, _columns(suites["contact"], holds))
    frames.leads_frame((id_, lead_of(company)) for id_, company in chunk)
    return ()


def in_pandas(chunk: Chunk, request: MiningRequest) -> Sequence[Failure]:
    """What `find_failures` does, without Great Expectations."""
    query = request.query()
    suites, holds, parameters = suites_that_hold(), asked.conditions(query), asked.parameters(query)
    failures = _broken(
        frames.companies_frame(chunk, query, _columns(suites["company"], holds)), suites["company"], holds, parameters
    )
    failures += _broken(
        frames.contacts_frame(chunk, _columns(suites["contact"], holds)), suites["contact"], holds, parameters
    )
    bad: dict[int, set[int]] = defaultdict(set)
    for failure in failures:
        if failure.contact_index is not None and failure.severity == "reject":
            bad[failure.candidate_id].add(failure.contact_index)
    leads = ((id_, lead_of(company.without_contacts(bad[id_]) if id_ in bad else company)) for id_, company in chunk)
    failures += _broken(frames.leads_frame(leads), suites["lead"], holds, parameters)
    failures.sort(key=lambda f: (f.candidate_id, -1 if f.contact_index is None else f.contact_index))
    return failures


def _columns(suite: Suite, holds: frozenset[str]) -> list[str]:
    return [column for rule in suite.applied(holds) for column in rule.columns]


BREAKS: Mapping[str, Callable[[pd.Series[Any], Mapping[str, Any]], pd.Series[bool]]] = {
    "expect_column_values_to_be_null": lambda column, _: column.notna(),
    "expect_column_values_to_not_be_null": lambda column, _: column.isna(),
    "expect_column_values_to_be_in_set": lambda column, k: column.notna() & ~column.isin(k["value_set"]),
    "expect_column_values_to_not_be_in_set": lambda column, k: column.isin(k["value_set"]),
    "expect_column_values_to_be_between": lambda column, k: _outside(pd.to_numeric(column), k),
    "expect_column_value_lengths_to_be_between": lambda column, k: _outside(column.str.len(), k),
    "expect_column_values_to_not_match_regex": lambda column, k: column.str.contains(k["regex"], na=False),
}
"""Which rows break a rule, by its type, given the rule's arguments."""


def _outside(numbers: pd.Series[Any], arguments: Mapping[str, Any]) -> pd.Series[bool]:
    least, most = arguments.get("min_value"), arguments.get("max_value")
    return (numbers < (-float("inf") if least is None else least)) | (
        numbers > (float("inf") if most is None else most)
    )


def _broken(frame: pd.DataFrame, suite: Suite, holds: frozenset[str], parameters: Mapping[str, Any]) -> list[Failure]:
    if frame.empty:
        return []
    found = []
    indexes = frame.get("contact_index")
    for rule in suite.applied(holds):
        arguments = {
            name: parameters[value["$PARAMETER"]] if isinstance(value, dict) else value
            for name, value in rule.config["kwargs"].items()
        }
        bad = BREAKS[rule.config["type"]](frame[rule.columns[0]], arguments)
        found += [
            Failure(id_, index, rule.name, rule.field, None if value in (None, "") else str(value)[:500], *rule.verdict)
            for id_, index, value in zip(
                frame["candidate_id"][bad],
                [None] * len(frame) if indexes is None else indexes[bad],
                frame[rule.columns[0]][bad],
                strict=False,
            )
        ]
    return found


if __name__ == "__main__":
    main()
