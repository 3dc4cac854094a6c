"""What becomes of candidates: quality, suppression, duplicates and likeness, as states and rejections in the database.

The steps `validate`, `deduplicate` and `load_leads` put these together; `net_new` asks the same beforehand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection

from lead_mining import candidates, runs
from lead_mining.candidates import Candidate, Rejection
from lead_mining.crm.values import lead_values
from lead_mining.matching import crm_index, duplicates, keys, lookalikes
from lead_mining.privacy import suppression
from lead_mining.privacy.suppression import Suppressed
from lead_mining.providers.base import Company
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


def reject_suppressed(conn: Connection, run_id: int, state: str, step: str) -> StepResult:
    """Turn down suppressed companies, and take suppressed people out of the others, without a word about who it was."""
    totals: Counter[str] = Counter(suppressed=0, people_suppressed=0)
    for chunk in candidates.in_chunks(conn, run_id, state):
        companies = {c.id: c.company for c in chunk}
        if found := suppression.find_suppressed(conn, list(companies.items())):
            totals.update(_suppress(conn, run_id, companies, found, step))
    return dict(totals)


def _suppress(
    conn: Connection, run_id: int, companies: Mapping[int, Company], found: Sequence[Suppressed], step: str
) -> dict[str, int]:
    candidates.reject(
        conn,
        run_id,
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
    left = {id_: companies[id_].without_contacts(indexes) for id_, indexes in people.items()}
    candidates.set_companies(conn, left)
    duplicates.forget_keys(conn, left)
    duplicates.store_keys(conn, ((id_, key) for id_, company in left.items() for key in keys.match_keys(company)))
    rejected = {s.candidate_id for s in found if s.contact_index is None}
    candidates.set_state(conn, rejected, "rejected")
    return {"suppressed": len(rejected), "people_suppressed": sum(map(len, people.values()))}


def refresh_crm_index(conn: Connection) -> None:
    """Bring what is known of the CRM into step with it."""
    with runs.indexing_alone(conn):
        crm_index.refresh(conn)


def reject_duplicates(conn: Connection, run: Run, state: str, step: str) -> int:
    """Turn down certain duplicates, but for those that a person overruled; returns how many."""
    found = duplicates.find_duplicates(conn, run.id, state)
    # Whom a person overruled knew of the CRM's record, not of another company in the same run.
    overruled = {
        d.candidate_id
        for d in found
        if f"duplicate_{d.kind}" in run.overruled and not d.duplicate_of.startswith("candidate")
    }
    candidates.reject(
        conn,
        run.id,
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
    ids = {d.candidate_id for d in found} - overruled
    candidates.set_state(conn, ids, "rejected")
    return len(ids)


def judge_lookalikes(conn: Connection, run: Run) -> int:
    """Turn down what may well be known, or, if the request says so, let it pass with a warning."""
    valid = ([(c.id, c.company) for c in chunk] for chunk in candidates.in_chunks(conn, run.id, "valid"))
    found = sorted(lookalikes.find_lookalikes(conn, run.id, valid), key=lambda like: like.candidate_id)
    overruled = "possible_duplicate" in run.overruled or run.mining_request.on_possible_duplicate == "load"
    severity = "warn" if overruled else "reject"
    candidates.reject(
        conn,
        run.id,
        (
            Rejection(
                "deduplicate",
                "possible_duplicate",
                like.candidate_id,
                field="name",
                value=f"{like.probability:.0%} likely: {like.why}",
                severity=severity,
                duplicate_of=like.duplicate_of,
            )
            for like in found
        ),
    )
    if severity == "reject":
        candidates.set_state(conn, (like.candidate_id for like in found), "rejected")
    return len(found)


def net_new(conn: Connection, run: Run) -> int:
    """How many of the companies bought so far would be loaded: judged as the next steps will, nothing of it kept."""
    from lead_mining.quality import checks

    refresh_crm_index(conn)
    with conn.transaction(force_rollback=True):
        for extracted in candidates.in_chunks(conn, run.id, "extracted"):
            failures = checks.find_failures([(c.id, c.company) for c in extracted], run.mining_request, lead_of)
            apply_failures(conn, run, extracted, failures)
        reject_suppressed(conn, run.id, "valid", "deduplicate")
        reject_duplicates(conn, run, "valid", "deduplicate")
        judge_lookalikes(conn, run)
        return candidates.move(conn, run.id, "valid", "accepted")
