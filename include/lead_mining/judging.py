"""What becomes of candidates: quality, suppression, duplicates and likeness, as states and rejections in the database.

The steps `validate`, `deduplicate` and `load_leads` put these together; `net_new` asks the same beforehand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from psycopg import Connection

from lead_mining import candidates, runs
from lead_mining.candidates import Candidate, Rejection
from lead_mining.crm.values import lead_values
from lead_mining.identifiers import registered_domain
from lead_mining.matching import crm_index, duplicates, keys, lookalikes
from lead_mining.matching.duplicates import Duplicate
from lead_mining.matching.known import known_companies, listed_companies
from lead_mining.matching.lookalikes import Lookalike
from lead_mining.privacy import suppression
from lead_mining.providers.base import Company, Exclusions, Identity
from lead_mining.runs import Run, StepResult


def lead_of(company: Company) -> dict[str, Any]:
    """The columns of a company's lead that depend on it alone, by name, as they would be loaded."""
    return lead_values(company)._asdict()


def apply_failures(
    conn: Connection, run: Run, extracted: Sequence[Candidate], failures: Sequence[Any]
) -> dict[str, int]:
    """Turn the failed expectations into rejections, and keep what is good."""
    failures = [replace(f, severity="warn") if f.rule in run.overruled else f for f in failures]
    rejected = {f.candidate_id for f in failures if f.severity == "reject" and f.contact_index is None}
    bad_contacts: dict[int, set[int]] = defaultdict(set)
    for failure in failures:
        if failure.severity == "reject" and failure.contact_index is not None:
            bad_contacts[failure.candidate_id].add(failure.contact_index)
    companies = {c.id: c.company for c in extracted}
    candidates.reject(
        conn,
        run.id,
        (
            Rejection(
                "validate",
                f.rule,
                f.candidate_id,
                f.contact_index,
                f.field,
                f.value,
                f.severity,
                record=None
                if f.contact_index is None
                else companies[f.candidate_id].contacts[f.contact_index].model_dump(mode="json"),
            )
            for f in failures
        ),
    )
    for candidate_id, bad in bad_contacts.items():
        companies[candidate_id] = companies[candidate_id].without_contacts(bad)
    candidates.set_companies(conn, {id_: companies[id_] for id_ in bad_contacts})
    valid = [id_ for id_ in companies if id_ not in rejected]
    candidates.set_state(conn, rejected, "rejected")
    candidates.set_state(conn, valid, "valid")
    duplicates.store_keys(conn, ((id_, key) for id_ in valid for key in keys.match_keys(companies[id_])))
    return {
        "valid": len(valid),
        "rejected": len(rejected),
        "contacts_rejected": sum(len(bad) for id_, bad in bad_contacts.items() if id_ not in rejected),
        "warnings": sum(f.severity == "warn" for f in failures),
    }


def reject_known(conn: Connection, run: Run) -> StepResult:
    """Turn down what is suppressed, known or may well be known of the valid candidates, and accept the others.

    A chunk of them is read once, and is in memory alone; `find_lookalikes` says how it is compared with those before.
    """
    totals: Counter[str] = Counter(suppressed=0, people_suppressed=0, duplicates=0, possible_duplicates=0)
    new = certainly_new(conn, run, "valid", "deduplicate", totals)
    alike = lookalikes.find_lookalikes(conn, run.id, (list(companies.items()) for companies in new))
    while some := list(islice(alike, candidates.CHUNK)):
        _judge_lookalikes(conn, run, some)
        totals["possible_duplicates"] += len(some)
    # Only now: who shares a key with one of them is a duplicate all the same.
    candidates.turn_down(conn, run.id, "deduplicate", _POSSIBLE)
    return {"accepted": candidates.move(conn, run.id, "valid", "accepted"), **totals}


def known_now(conn: Connection) -> str:
    """Another text whenever a lead or partner of the CRM was written, as of the last `crm_index.refresh`, or any run
    has loaded leads, even if they are gone.
    """
    row = conn.execute(
        "SELECT concat_ws(' ', (SELECT string_agg(concat_ws(' ', model, version, written_by), ' ' ORDER BY model)"
        " FROM lead_mining.known_company_state), (SELECT max(lead_id) FROM lead_mining.candidate))"
    ).fetchone()
    assert row is not None
    return str(row[0])


def certainly_new(
    conn: Connection, run: Run, state: str, step: str, totals: Counter[str], *, nothing_new_is_known: bool = False
) -> Iterator[dict[int, Company]]:
    """Turn down suppressed companies and certain duplicates of those in `state`, and count them in `totals`.

    `nothing_new_is_known`: since they were told from duplicates. Yields what is left of each chunk, by candidate id, if
    anything is.
    """
    # The plans are many small look-ups into indexes, costly by estimate: PostgreSQL would compile them for seconds.
    conn.execute("SET LOCAL jit = off")
    passed: set[int] = set()
    first = 1
    for chunk in candidates.in_chunks(conn, run.id, state):
        companies = _without_suppressed(conn, run, {c.id: c.company for c in chunk}, step, totals)
        part = duplicates.Slice(first, chunk[-1].position)
        found = [] if nothing_new_is_known else duplicates.find_duplicates(conn, run.id, state, part, passed)
        first = part.last + 1
        # Whom a person overruled knew of the CRM's record, not of another company in the same run.
        overruled = {
            d.candidate_id
            for d in found
            if f"duplicate_{d.kind}" in run.overruled and not d.duplicate_of.startswith("candidate")
        }
        rejected = {d.candidate_id for d in found} - overruled
        if found:
            _reject_duplicates(conn, run.id, step, found, overruled)
            candidates.set_state(conn, rejected, "rejected")
        passed |= overruled
        totals["duplicates"] += len(rejected)
        if left := {id_: company for id_, company in companies.items() if id_ not in rejected}:
            yield left


def _without_suppressed(
    conn: Connection, run: Run, companies: Mapping[int, Company], step: str, totals: Counter[str]
) -> Mapping[int, Company]:
    """Turn down suppressed companies, and take suppressed people out of the others, without a word about who it was."""
    found = suppression.find_suppressed(conn, list(companies.items()), run.crm_context.company_country_code)
    if not found:
        return companies
    candidates.reject(
        conn,
        run.id,
        (
            Rejection(
                step,
                f"suppressed_{s.kind}",
                s.candidate_id,
                s.contact_index,
                field="contact" if s.contact_index is not None else s.kind,
                value=f"{s.reason} ({s.source})"[:500],
            )
            for s in found
        ),
    )
    people: dict[int, set[int]] = defaultdict(set)
    for s in found:
        if s.contact_index is not None:
            people[s.candidate_id].add(s.contact_index)
    changed = {id_: companies[id_].without_contacts(indexes) for id_, indexes in people.items()}
    candidates.set_companies(conn, changed)
    duplicates.forget_keys(conn, changed)
    duplicates.store_keys(conn, ((id_, key) for id_, company in changed.items() for key in keys.match_keys(company)))
    rejected = {s.candidate_id for s in found if s.contact_index is None}
    candidates.set_state(conn, rejected, "rejected")
    totals.update(suppressed=len(rejected), people_suppressed=sum(map(len, people.values())))
    return {id_: company for id_, company in {**companies, **changed}.items() if id_ not in rejected}


def _reject_duplicates(
    conn: Connection, run_id: int, step: str, found: Iterable[Duplicate], overruled: Collection[int]
) -> None:
    candidates.reject(
        conn,
        run_id,
        (
            Rejection(
                step,
                f"duplicate_{d.kind}",
                d.candidate_id,
                field=d.kind,
                value=d.value,
                severity="warn" if d.candidate_id in overruled else "reject",
                duplicate_of=d.duplicate_of,
            )
            for d in found
        ),
    )


_POSSIBLE = "possible_duplicate"


def _judge_lookalikes(conn: Connection, run: Run, alike: Iterable[Lookalike]) -> None:
    """Reject what may well be known, or, if the request says so, let it pass with a warning."""
    overruled = _POSSIBLE in run.overruled or run.mining_request.on_possible_duplicate == "load"
    candidates.reject(
        conn,
        run.id,
        (
            Rejection(
                "deduplicate",
                _POSSIBLE,
                like.candidate_id,
                field="name",
                value=f"{like.probability:.0%} likely: {like.why}",
                severity="warn" if overruled else "reject",
                duplicate_of=like.duplicate_of,
            )
            for like in alike
        ),
    )


def refresh_crm_index(conn: Connection) -> None:
    """Bring what is known of the CRM into step with it."""
    with runs.indexing_alone(conn):
        crm_index.refresh(conn)


class Known(Exclusions):
    """What the CRM, an earlier run or another one knows, and what is suppressed.

    `run_id`: what that run has bought so far is known too, from whichever of its providers.
    """

    def __init__(self, conn: Connection, run_id: int | None = None) -> None:
        self._conn, self._run_id = conn, run_id
        refresh_crm_index(conn)

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        """Looked up at this moment, in the session of the run."""
        domains = [registered_domain(domain) if domain else None for _, domain in companies]
        suppressed = suppression.suppressed_domains(self._conn, {domain for domain in domains if domain})
        known = known_companies(self._conn, companies, self._run_id)
        return [is_known or domain in suppressed for is_known, domain in zip(known, domains, strict=True)]

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        """Those of the run first, whatever their country, then what was bought before, then the CRM's."""
        return listed_companies(self._conn, countries, most, self._run_id)


def net_new(conn: Connection, run: Run) -> int:
    """How many of the companies bought so far would be loaded: judged as the next steps will, nothing of it kept."""
    from lead_mining.quality import checks

    refresh_crm_index(conn)
    with conn.transaction(force_rollback=True):
        for extracted in candidates.in_chunks(conn, run.id, "extracted"):
            failures = checks.find_failures([(c.id, c.company) for c in extracted], run.mining_request, lead_of)
            apply_failures(conn, run, extracted, failures)
        return int(reject_known(conn, run)["accepted"])
