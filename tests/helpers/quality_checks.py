"""The quality checks of one chunk of candidates, Data Docs included, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lead_mining.judging import lead_of
from lead_mining.providers.base import Company
from lead_mining.quality.checks import Checks, Failure
from lead_mining.quality.data_docs import Site
from lead_mining.quality.results import SuiteResult
from lead_mining.request import MiningRequest


@dataclass(frozen=True)
class Report:
    failures: list[Failure]
    results: list[SuiteResult]
    docs_index: Path


def check_candidates(
    candidates: Sequence[tuple[int, Company]], request: MiningRequest, docs: Path, run_name: str
) -> Report:
    site = Site(docs, run_name)
    with site.part(1) as pages:
        quality = Checks(request, lead_of, pages)
        failures = quality.judge(candidates)
    site.publish(quality.results)
    return Report(failures, quality.results, site.index)
