"""What a run came to, for people: one table for the log, the terminal and the UI."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import LiteralString

from psycopg import Connection

from lead_mining import charge_doubts, provider_calls, runs
from lead_mining.counting import many
from lead_mining.credits import ledger, run_holds
from lead_mining.plain import Lines, one_line
from lead_mining.provider_calls import Call

RUNS_WITHOUT_LEADS = 3
"""From so many runs in a row on, a saved search that finds nothing new says so."""


@dataclass(frozen=True)
class RejectionCount:
    """How many candidates (or contacts of them) one rule of one step turned down."""

    step: str
    rule: str
    severity: str
    of: str
    """`company` or `contact`."""
    count: int


@dataclass(frozen=True)
class ProviderShare:
    """What one of several providers gave, and took for it in its own credits."""

    conn_id: str
    companies: int
    contacts: int
    pages: int
    charged: int

    def __str__(self) -> str:
        came = f"{many(self.companies, 'company')} and {many(self.contacts, 'contact')}"
        return f"{came} in {many(self.pages, 'page')}, for {many(self.charged, 'credit')}"


@dataclass(frozen=True)
class RunSummary:
    """A run in numbers. Credits are ours; `provider_charged` is what the provider took."""

    run_id: int
    request_number: str | None
    dry_run: bool
    max_cost: int
    pages: int
    candidates: int
    would_find: int | None
    loaded: int
    contacts: int
    notes: int
    rejections: tuple[RejectionCount, ...]
    credits_spent: int
    credits_left: int
    credit_account: str
    provider_charged: int
    lost_to_rejections: int | None
    """Credits that the provider took for what was not loaded, 0 or more; None until it is known what is."""
    stopped: str | None
    data_docs: str | None
    notices: tuple[str, ...]
    """Charges in doubt; what the CRM would do with new leads and loading does not (`lead_mining.crm.preflight`); what a
    provider does only roughly."""
    would_find_people: int | None = None
    preview_costs: int | None = None
    """Credits that a preview would have cost: so there was none."""
    providers: tuple[ProviderShare, ...] = ()
    """Where there are several, in the order in which they were first bought from."""

    def rejected(self, severity: str = "reject") -> list[RejectionCount]:
        return [r for r in self.rejections if r.severity == severity]

    def lines(self) -> list[tuple[str, str]]:
        """(what, how much) pairs, ready for a table."""
        rows = [("request", self.request_number or "dry run: nothing is charged or loaded")]
        if self.would_find is not None:
            rows.append(("would find", f"{self.would_find:,} companies"))
        elif self.would_find_people is not None:
            rows.append(("would find", f"{self.would_find_people:,} people; companies are not counted free"))
        elif self.preview_costs:
            rows.append(("would find", f"not asked, as to count costs {many(self.preview_costs, 'credit')}"))
        elif self.dry_run:
            rows.append(("would find", "this provider cannot tell without charging"))
        rows.append(("candidates", f"{self.candidates:,} in {many(self.pages, 'page')}"))
        rows += [(f"rejected by {r.step}", f"{many(r.count, r.of)}: {r.rule}") for r in self.rejected()]
        warnings = sum(r.count for r in self.rejected("warn"))
        if warnings:
            rows.append(("let pass with a warning", f"{warnings:,}"))
        rows += [
            ("leads loaded", f"{self.loaded:,} with {many(self.contacts, 'contact')}"),
            ("enrichment notes", f"{self.notes:,}"),
            ("credits spent", f"{self.credits_spent:,} of at most {self.max_cost:,}"),
            ("credits left", f"{self.credits_left:,} in account {self.credit_account}"),
            ("charged by the provider", f"{self.provider_charged:,}"),
            *((f"from {each.conn_id}", str(each)) for each in self.providers),
        ]
        if self.lost_to_rejections:
            rows.append(("of that, lost to rejections", f"{self.lost_to_rejections:,}"))
        if self.stopped:
            rows.append(("extraction ended because", self.stopped))
        rows += [("notice", notice) for notice in self.notices]
        return [(one_line(what), one_line(value)) for what, value in rows]

    def table(self) -> Lines:
        """The lines as aligned text, for a task's log in the UI."""
        rows = self.lines()
        if self.data_docs:
            rows.append(
                ("quality, rule by rule", one_line(f"Lead mining / Data Docs / {self.data_docs.partition('/')[0]}"))
            )
        width = max(len(what) for what, _ in rows)
        return Lines("\n".join(f"{what.ljust(width)}  {value}" for what, value in rows))


def _nothing_new(conn: Connection, run: runs.Run) -> str | None:
    """What to say of a saved search whose last runs, this one among them, have found nothing new."""
    search = run.mining_request.saved_search
    if search is None:
        return None
    latest = conn.execute(
        "SELECT (s.result->>'leads')::int FROM lead_mining.run r"
        " JOIN lead_mining.run_step s ON s.run_id = r.id AND s.step = 'load_leads'"
        " WHERE r.saved_search = %s AND r.retry_of IS NULL AND r.id <= %s ORDER BY r.id DESC LIMIT 100",
        [search, run.id],
    )
    empty = sum(1 for _ in takewhile(lambda row: row[0] == 0, latest))
    if empty < RUNS_WITHOUT_LEADS:
        return None
    return f"nothing new in {empty} runs of {search!r} in a row: widen its filters, or mine it less often"


def _kept(call: Call) -> str:
    return (
        f"the answer to provider call {call.id} is kept, and cannot be read: mend the provider {call.provider!r}, then"
        " clear extract; nothing is bought twice"
    )


_SHARES: LiteralString = """
WITH page AS (
    SELECT p.page_number, p.charged, coalesce(p.provider, r.provider) AS provider
    FROM lead_mining.raw_page p JOIN lead_mining.run r ON r.id = p.run_id WHERE p.run_id = %(run_id)s
), bought AS (
    SELECT page_number, 1 AS companies, 0 AS contacts FROM lead_mining.candidate WHERE run_id = %(run_id)s
    UNION ALL
    SELECT coalesce((SELECT min(s.page_number) FROM lead_mining.value_source s
                     WHERE s.candidate_id = c.id AND s.field = 'contacts'), c.page_number), 0, c.contacts
    FROM lead_mining.candidate c WHERE c.run_id = %(run_id)s AND c.contacts > 0
), given AS (
    SELECT page.provider, sum(companies) AS companies, sum(contacts) AS contacts
    FROM bought JOIN page USING (page_number) GROUP BY 1
)
SELECT page.provider, coalesce(max(given.companies), 0)::int, coalesce(max(given.contacts), 0)::int, count(*)::int,
       sum(page.charged)::int
FROM page LEFT JOIN given USING (provider) GROUP BY 1 ORDER BY min(page.page_number)
"""


def summary(conn: Connection, run_key: str) -> RunSummary | None:
    """The run in numbers, as far as it has come; None where it was never prepared."""
    run = runs.find(conn, run_key)
    if run is None:
        return None
    done = runs.results(conn, run.id)
    rejections = conn.execute(
        "SELECT step, rule, severity, CASE WHEN contact_index IS NULL THEN 'company' ELSE 'contact' END AS of,"
        " count(*) FROM lead_mining.rejection WHERE run_id = %s GROUP BY 1, 2, 3, 4 ORDER BY min(id)",
        [run.id],
    )
    loaded, contacts, notes = conn.execute(
        "SELECT count(*), coalesce(sum(contacts), 0), count(note_message_id)"
        " FROM lead_mining.candidate WHERE run_id = %s AND lead_id IS NOT NULL",
        [run.id],
    ).fetchone() or (0, 0, 0)
    extracted = done.get("extract", {})
    shares = conn.execute(_SHARES, {"run_id": run.id}).fetchall() if run.has_several_providers else []
    lost = done.get("load_leads", {}).get("lost_to_rejections")
    return RunSummary(
        run_id=run.id,
        request_number=run.request_number,
        dry_run=run.dry_run,
        max_cost=run.max_cost,
        pages=extracted.get("pages", 0),
        candidates=extracted.get("candidates", 0),
        would_find=extracted.get("would_find"),
        loaded=loaded,
        contacts=contacts,
        notes=notes,
        rejections=tuple(RejectionCount(*row) for row in rejections),
        credits_spent=run_holds.captured_for_run(conn, run.id),
        credits_left=ledger.balance(conn, run.credit_account).available,
        credit_account=run.credit_account,
        provider_charged=extracted.get("provider_charged", 0),
        lost_to_rejections=None if lost is None else max(lost, 0),  # earlier versions stored less than 0
        stopped=extracted.get("stopped"),
        data_docs=done.get("validate", {}).get("data_docs"),
        notices=tuple(
            dict.fromkeys(
                [
                    *map(str, charge_doubts.of_run(conn, run.id)),
                    *filter(None, [run.mining_request.privacy_notice, _nothing_new(conn, run)]),
                    *run.crm_context.notices,
                    *done.get("prepare_request", {}).get("notices", ()),
                    *done.get("load_leads", {}).get("notices", ()),
                    *(_kept(call) for call in provider_calls.unsettled(conn, run.id) if call.kept),
                ]
            )
        ),
        would_find_people=extracted.get("would_find_people"),
        preview_costs=extracted.get("preview_costs"),
        providers=tuple(ProviderShare(*share) for share in shares),
    )
