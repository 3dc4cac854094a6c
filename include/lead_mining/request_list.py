"""Mining requests as people look at them: what was asked, how far it has come, what came of it, newest first.

A request here is a row of lead_mining.run: mined by hand or by a saved search, tried again, or a trial run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

DAGS = ("lead_mining", "retry_rejections")
"""The DAGs whose runs are requests."""

Kind = Literal["waiting", "running", "done", "nothing", "failed", "unknown"]

_DOING = {
    "prepare_request": "being checked and priced",
    "extract": "asking the provider",
    "validate": "checking quality",
    "deduplicate": "looking for duplicates",
    "debit_credits": "setting credits aside",
    "load_leads": "loading leads",
    "write_enrichment_notes": "writing notes",
}
_SHOWN_AT_MOST = 5


class State(NamedTuple):
    """Where a request stands. `kind` is for its colour, `words` say it all."""

    kind: Kind
    words: str


class Funnel(NamedTuple):
    """Companies, from what the provider gave to what was loaded. `left`: in work, or more than asked or paid for."""

    found: int
    rejected: int
    duplicates: int
    suppressed: int
    loaded: int
    left: int


@dataclass(frozen=True)
class MinedRequest:
    """A request. `steps`: the results of its finished steps; credits are ours. `id`: None where it is not prepared.

    `first_run_key`: of a retry, the request whose rejections it tries again.
    """

    run_key: str
    request: Mapping[str, Any]
    created_at: dt.datetime
    id: int | None = None
    request_number: str | None = None
    saved_search: str | None = None
    asked_by: str | None = None
    credit_account: str = ""
    dry_run: bool = False
    is_retry: bool = False
    first_run_key: str | None = None
    waits_for_approval: bool = False
    max_cost: int = 0
    held: int = 0
    spent: int = 0
    given_back: int = 0
    short_of_credits: bool = False
    answer_lost: bool = False
    charge_doubted: bool = False
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def by_whom(self) -> str:
        """Who had it mined, or what: `by anna`, `by the saved search Berlin`, or both."""
        people = f"by {self.asked_by}" if self.asked_by else "by hand"
        if self.saved_search is None:
            return people
        return f"by the saved search {self.saved_search}" + (f", {people}" if self.asked_by else "")

    @property
    def asked(self) -> str:
        """What was asked for, in a few words."""
        if self.is_retry:
            count = self.request.get("lead_number", 0)
            return "1 rejected company once more" if count == 1 else f"{count:,} rejected companies once more"
        return in_words(self.request)

    @property
    def funnel(self) -> Funnel:
        extracted, validated, compared, loaded = (
            self.steps.get(step, {}) for step in ("extract", "validate", "deduplicate", "load_leads")
        )
        found, rejected = extracted.get("candidates", 0), validated.get("rejected", 0)
        duplicates = sum(compared.get(name, 0) for name in ("duplicates", "possible_duplicates"))
        duplicates += loaded.get("duplicates_since", 0)
        parts = (rejected, duplicates, compared.get("suppressed", 0), loaded.get("leads", 0))
        return Funnel(found, *parts, left=max(0, found - sum(parts)))

    @property
    def complete(self) -> bool:
        """Whether all that belongs to it was done."""
        return ("deduplicate" if self.dry_run else "write_enrichment_notes") in self.steps

    def state(self, airflow: str | None) -> State:
        """`airflow`: the state of its DAG run; None where Airflow does not know it (any more)."""
        if airflow in ("queued", "running"):
            return self._under_way()
        if airflow == "failed":
            return State("failed", f"failed: {self._why_failed()}")
        if airflow == "success" or self.complete:
            return self._ended()
        return State("unknown", "unfinished: its run is gone from Airflow")

    def _under_way(self) -> State:
        if self.waits_for_approval:
            return State("waiting", "waiting for approval")
        return State("running", f"running: {_DOING.get(self._next_step or '', 'finishing')}")

    @property
    def _next_step(self) -> str | None:
        return next((step for step in _DOING if step not in self.steps), None)

    def _why_failed(self) -> str:
        if self.complete:
            return "but all its leads are loaded"
        if self.answer_lost:
            return "the answer to a paid call is lost"
        if self.charge_doubted and "extract" not in self.steps:
            return "a charge of the provider is in doubt"
        if self.short_of_credits:
            return "not enough credits"
        return "before it was numbered" if self.id is None else f"while {_DOING[self._next_step or 'load_leads']}"

    def _ended(self) -> State:
        if self.dry_run:
            return State("done", "done: a trial run")
        if "extract" not in self.steps:
            return State("nothing", "not approved: nothing was bought")
        loaded = self.funnel.loaded
        if not loaded:
            return State("nothing", "done: nothing to load")
        return State("done", f"done: {loaded:,} {'lead' if loaded == 1 else 'leads'}")


def not_prepared(run_key: str, conf: Mapping[str, Any], created_at: dt.datetime) -> MinedRequest:
    """A request that Airflow has a DAG run of, which has not got to the database. `conf`: its params, unchecked."""
    is_retry = not run_key.startswith("lead_mining/")
    count = {"lead_number": len(conf["candidate_ids"])} if isinstance(conf.get("candidate_ids"), list) else {}
    search = conf.get("saved_search")
    return MinedRequest(
        run_key=run_key,
        request=count if is_retry else conf,
        created_at=created_at,
        saved_search=search if isinstance(search, str) else None,
        dry_run=conf.get("dry_run") is True,
        is_retry=is_retry,
    )


def in_words(request: Mapping[str, Any]) -> str:
    """What a request asks for: `20 companies and contacts in DE, FR: Software & Services`."""
    number = request.get("lead_number", 3)
    count = f"{number:,}" if isinstance(number, int) else str(number)[:20]
    what = "companies and contacts" if request.get("search_type") == "people" else "companies"
    where = _listed(request.get("states")) or _listed(request.get("countries"))
    which = _listed(request.get("industries"))
    return f"{count} {what}" + (f" in {where}" if where else "") + (f": {which}" if which else "")


def _listed(values: Any) -> str:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ""
    more = len(values) - _SHOWN_AT_MOST
    shown = ", ".join(str(value)[:60] for value in values[:_SHOWN_AT_MOST])
    return shown + (f" and {more} more" if more > 0 else "")


class Wanted(NamedTuple):
    """Which requests: of a saved search, of a number, all complete ones, those of these run keys; all where None."""

    saved_search: str | None = None
    number: str | None = None
    complete: bool = False
    run_keys: Sequence[str] | None = None


class RequestPage(NamedTuple):
    """Requests, newest first. `older`, `newer`: whether there are more beyond."""

    requests: Sequence[MinedRequest]
    older: bool
    newer: bool


_FOUND = """
WITH found AS (
    SELECT * FROM lead_mining.run r
    WHERE {where}
    ORDER BY r.id {direction} LIMIT %(most)s
)
SELECT r.run_key, r.request, r.created_at, r.id, r.request_number, r.saved_search, r.asked_by, r.credit_account,
       r.dry_run, r.retry_of IS NOT NULL AS is_retry, first.run_key AS first_run_key, r.max_cost,
       h.held, h.spent, h.given_back,
       r.needs_approval AND r.approved_by IS NULL AND NOT coalesce(s.steps ? 'extract', false) AS waits_for_approval,
       coalesce(q.state = 'error' AND q.error_type = 'credits', false) AS short_of_credits,
       EXISTS (SELECT FROM lead_mining.provider_call k WHERE k.run_id = r.id AND k.state IN ('open', 'unknown'))
       AS answer_lost,
       EXISTS (SELECT FROM lead_mining.charge_doubt d WHERE d.run_id = r.id) AS charge_doubted,
       coalesce(s.steps, '{{}}') AS steps
FROM found r
LEFT JOIN lead_mining.run first ON first.id = r.retry_of
LEFT JOIN public.crm_iap_lead_mining_request q
       ON (q.id, q.name, q.create_date) = (r.crm_request_id, r.request_number, r.crm_request_made_at)
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(s.step, s.result - 'approval') AS steps
    FROM lead_mining.run_step s WHERE s.run_id = r.id
) s
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.remaining), 0)::bigint AS held, coalesce(sum(h.captured), 0)::bigint AS spent,
           coalesce(sum(h.released), 0)::bigint AS given_back
    FROM lead_mining.hold h WHERE h.run_id = r.id
) h
ORDER BY r.id DESC
"""
_IS_COMPLETE = (
    "EXISTS (SELECT FROM lead_mining.run_step s WHERE s.run_id = r.id"
    " AND s.step = CASE WHEN r.dry_run THEN 'deduplicate' ELSE 'write_enrichment_notes' END)"
)


def page_of(
    conn: Connection, wanted: Wanted, most: int, before: int | None = None, after: int | None = None
) -> RequestPage:
    """At most so many requests: the newest, or the next older ones than id `before`, or newer ones than id `after`."""
    conditions = ["true"]
    if wanted.saved_search is not None:
        conditions.append("r.saved_search = %(saved_search)s")
    if wanted.number is not None:
        conditions.append("r.request_number IN (%(number)s, upper(%(number)s))")
    if wanted.complete:
        conditions.append(_IS_COMPLETE)
    if wanted.run_keys is not None:
        conditions.append("r.run_key = ANY(%(run_keys)s)")
    if after is not None:
        conditions.append("r.id > %(after)s")
    elif before is not None:
        conditions.append("r.id < %(before)s")
    query = _FOUND.format(where=" AND ".join(conditions), direction="DESC" if after is None else "ASC")
    values = wanted._asdict() | {"before": before, "after": after, "most": most + 1}
    found = _read(conn, query, values)
    more = len(found) > most
    if after is not None:
        return RequestPage(found[-most:], older=True, newer=more)
    return RequestPage(found[:most], older=more, newer=before is not None)


def find(conn: Connection, run_key: str) -> MinedRequest | None:
    """The request of that key, or None where it is not prepared."""
    found = page_of(conn, Wanted(run_keys=[run_key]), 1).requests
    return found[0] if found else None


def known_keys(conn: Connection, run_keys: Sequence[str]) -> set[str]:
    """Those of the keys that are prepared requests."""
    rows = conn.execute("SELECT run_key FROM lead_mining.run WHERE run_key = ANY(%s)", [list(run_keys)])
    return {run_key for (run_key,) in rows}


def saved_searches(conn: Connection) -> list[str]:
    """Names of the saved searches that were mined, found in their index from one name to the next."""
    rows = conn.execute(
        "WITH RECURSIVE names AS ("
        "  SELECT min(saved_search) AS name FROM lead_mining.run WHERE saved_search IS NOT NULL"
        "  UNION ALL SELECT (SELECT min(saved_search) FROM lead_mining.run WHERE saved_search > name) FROM names"
        "  WHERE name IS NOT NULL"
        ") SELECT name FROM names WHERE name IS NOT NULL"
    )
    return [name for (name,) in rows]


def retries_of(conn: Connection, run_id: int) -> list[MinedRequest]:
    """The requests that tried its rejections again, newest first."""
    query = _FOUND.format(where="r.retry_of = %(run_id)s", direction="DESC")
    return _read(conn, query, {"run_id": run_id, "most": 20})


def _read(conn: Connection, query: str, values: Mapping[str, Any]) -> list[MinedRequest]:
    with conn.cursor(row_factory=class_row(MinedRequest)) as cur:
        return cur.execute(query.encode(), values).fetchall()
