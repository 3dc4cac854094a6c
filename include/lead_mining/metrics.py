"""What a run counts and times, `lead_mining.*`, by Airflow's own metrics: StatsD or OpenTelemetry, whichever is set up.

Tagged with the provider's connection where the client has tags. What would be a tag of its own, the rule of a rejection
and the kind of an error, stands in the name, as plain StatsD has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow.sdk.observability import stats

from lead_mining.exceptions import ProviderBusy, ProviderError

if TYPE_CHECKING:
    from psycopg import Connection

    from lead_mining.candidates import Part
    from lead_mining.providers.base import Exclusions, Page, Provider, Query
    from lead_mining.runs import StepResult

_COUNTED = {
    "deduplicate": {"duplicates": "duplicates"},
    "load_leads": {
        "leads": "leads",
        "contacts": "contacts",
        "captured": "credits_captured",
        "duplicates_since": "duplicates",
    },
}
"""By step, which part of its result is counted under which name."""


def count_step(conn: Connection, run_id: int, step: str, result: StepResult, part: Part | None = None) -> None:
    """Count what a step, or a part of it, came to. To be called once, by whom it was finished: a cleared task finds
    it done."""
    from lead_mining import candidates, runs
    from lead_mining.credits import run_holds

    counts = [(name, result[part]) for part, name in _COUNTED.get(step, {}).items()]
    if step == "extract":  # a mirrored account pays as its provider charges
        counts.append(("credits_captured", run_holds.captured_for_run(conn, run_id)))
    rejected = candidates.count_rejections(conn, run_id, step, part or candidates.WHOLE)
    counts += [(f"rejections.{_part_of_a_name(rule)}", count) for rule, count in rejected]
    tags = {"provider": runs.get(conn, run_id).mining_request.provider_conn_id}
    for name, count in counts:
        if count:
            stats.incr(f"lead_mining.{name}", count, tags=tags)


class _Measured:
    """A provider whose paid calls are counted and timed."""

    def __init__(self, provider: Provider, conn_id: str) -> None:
        self._provider, self._tags = provider, {"provider": conn_id}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        try:
            with stats.timer("lead_mining.provider_call", tags=self._tags):
                page = self._provider.fetch(query, limit, cursor, exclude)
        except ProviderBusy:
            stats.incr("lead_mining.provider_waits", tags=self._tags)
            raise
        except ProviderError as error:
            stats.incr("lead_mining.provider_calls", tags=self._tags)
            stats.incr(f"lead_mining.provider_errors.{type(error).__name__}", tags=self._tags)
            raise
        stats.incr("lead_mining.provider_calls", tags=self._tags)
        return page


def measured(provider: Provider, conn_id: str) -> Provider:
    """The provider of that connection, with its calls counted and timed, its errors counted by kind, and how often a
    call was put off."""
    return cast("Provider", _Measured(provider, conn_id))


def _part_of_a_name(rule: str) -> str:
    return stats.normalize_name_for_stats(rule, log_warning=False).replace(".", "_")
