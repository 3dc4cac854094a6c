"""The quality checks of one chunk of candidates, Data Docs included, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lead_mining.judging import lead_of
from lead_mining.providers.base import Company
from lead_mining.quality.checks import Checks, Failure
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
    with Checks(request, lead_of, docs, run_name) as quality:
        failures = quality.judge(candidates)
        return Report(failures, *quality.publish())
