"""Companies that were bought and turned down, tried again by a run of their own: corrected, or with rules overruled.

They are not bought again. They are paid for, like all leads, when they are in the CRM, and only then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg import Connection
from pydantic import ValidationError

from lead_mining import candidates, planning, policy, runs
from lead_mining.crm.installation import check_installation
from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.migrations import check_migrated
from lead_mining.privacy.scrub import ERASED
from lead_mining.providers.base import Company
from lead_mining.rejections import may_be_overruled
from lead_mining.request import MiningRequest
from lead_mining.runs import Run, StepResult

CORRECTABLE = (
    *("name", "legal_name", "domain", "street", "city", "zip", "state_code", "country_code", "employees"),
    *("founded_year", "sector_primary", "sector", "industry_group", "industry", "sub_industry"),
)
"""Fields of a company that may be corrected: none that holds a person's data, as Airflow keeps what is typed in."""

_SAME_ID = "duplicate_reveal_id"

_REJECTED = """
SELECT c.id, c.run_id, c.company, r.request, p.removed_at IS NULL AS kept,
       (SELECT array_agg(DISTINCT j.rule) FROM lead_mining.rejection j
        WHERE j.candidate_id = c.id AND j.severity = 'reject') AS rules,
       (SELECT jsonb_object_agg(j.contact_index, j.record) FROM lead_mining.rejection j
        WHERE j.candidate_id = c.id AND j.severity = 'reject' AND j.record IS NOT NULL) AS contacts_rejected,
       (SELECT max(again.lead_id) FROM lead_mining.candidate again
        WHERE again.retry_of = c.id AND again.lead_id IS NOT NULL) AS loaded_as
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id
JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
WHERE c.id = ANY(%s) AND c.state = 'rejected' AND NOT r.dry_run
ORDER BY c.run_id, c.position
FOR UPDATE OF c
"""


def prepare_retry(
    conn: Connection,
    run_key: str,
    candidate_ids: Sequence[int],
    overrule: Collection[str],
    corrections: Mapping[int, Mapping[str, Any]],
    asked_by: str | None = None,
) -> StepResult:
    """A run for rejected candidates of one request, up to what `extract` leaves behind; its credits are held.

    `run_key` names the run for ever. `overrule`: rules that are to warn and not to reject; who was turned down by the
    provider's id is judged without it. `corrections`: fields of companies by candidate id. `asked_by`: as for
    `pipeline.prepare_request`. Raises what that raises; InvalidRequest also where it would cost more than may be spent
    without a person's approval, which the run that bought them has not.
    """
    check_migrated(conn)
    check_installation(conn)
    if run := runs.find(conn, run_key):
        _check_same_retry(conn, run, candidate_ids, overrule, corrections)
        return planning.plan_run(conn, run.id)
    with conn.transaction():
        runs.lock_key(conn, run_key)
        rows = conn.execute(_REJECTED, [list(candidate_ids)]).fetchall()
        _check(rows, candidate_ids, overrule, corrections)
        companies = {}
        for id_, _, company, _, _, rules, contacts_rejected, _ in rows:
            bought = _as_bought(company, contacts_rejected or {})
            if _SAME_ID in overrule and _SAME_ID in rules:  # whoever overrules it says that the id is another's
                bought["reveal_id"] = None
            companies[id_] = _corrected(id_, bought, corrections.get(id_, {}))
        request = policy.within(conn, runs.read_request(rows[0][3], lead_number=len(rows), max_credits=None), asked_by)
        first = runs.get(conn, rows[0][1])
        _check_threshold(first, request, candidate_ids)
        run = planning.create_run(conn, run_key, request, first, overrule, asked_by)
        candidates.store_retried(conn, run.id, companies)
    return planning.plan_run(conn, run.id)


def _check_threshold(first: Run, request: MiningRequest, candidate_ids: Sequence[int]) -> None:
    threshold, cost = request.approval_threshold, request.cost_of(request.lead_number, first.prices).total
    if threshold is not None and cost > threshold and not first.approved_by:
        why = f"they can cost {cost:,} credits, and above {threshold:,} a person approves: try fewer at once"
        raise InvalidRequest([FieldProblem("candidates", f"{len(candidate_ids):,} candidates", why)])


def _check_same_retry(
    conn: Connection,
    run: Run,
    candidate_ids: Sequence[int],
    overrule: Collection[str],
    corrections: Mapping[int, Mapping[str, Any]],
) -> None:
    """Raises InvalidRequest where the run of that key was prepared for other candidates, rules or corrections.

    What was erased or removed since tells nothing of corrections.
    """
    rows = conn.execute(
        "SELECT first.id, first.company, again.company FROM lead_mining.candidate again"
        " JOIN lead_mining.candidate first ON first.id = again.retry_of WHERE again.run_id = %s ORDER BY first.id",
        [run.id],
    ).fetchall()
    ids = [row[0] for row in rows]
    problems = []
    if ids != sorted(set(candidate_ids)):
        problems.append(FieldProblem("candidates", list(candidate_ids), runs.another_request(run, repr(ids))))
    if list(run.overruled) != sorted(set(overrule)):
        problems.append(FieldProblem("overrule", sorted(overrule), runs.another_request(run, repr(run.overruled))))
    for id_, bought, kept in rows:
        if "name" not in bought or "name" not in kept:  # retention has removed it
            continue
        asked = _corrected(id_, bought, corrections.get(id_, {})).model_dump(mode="json")
        differ = [(asked[field], kept.get(field)) for field in CORRECTABLE if asked[field] != kept.get(field)]
        if any(ERASED not in str(values) for values in differ):
            problems.append(
                FieldProblem(f"corrections.{id_}", corrections.get(id_), runs.another_request(run, "others"))
            )
    if problems:
        raise InvalidRequest(problems)


def _check(
    rows: Sequence[tuple[Any, ...]],
    candidate_ids: Sequence[int],
    overrule: Collection[str],
    corrections: Mapping[int, Mapping[str, Any]],
) -> None:
    found = {row[0]: row for row in rows}
    problems = [
        FieldProblem("candidates", id_, "it is no rejected candidate that was bought: see lead_mining.rejected_company")
        for id_ in candidate_ids
        if id_ not in found
    ]
    for id_, (_, _, _, _, kept, rules, _, loaded_as) in found.items():
        if loaded_as:
            problems.append(FieldProblem("candidates", id_, f"it was tried again, and is lead {loaded_as}"))
        elif not kept:
            problems.append(FieldProblem("candidates", id_, "its data was removed, by retention or erasure"))
        for rule in rules or ():
            if rule in overrule and not may_be_overruled(rule):
                how = "it cannot be overruled: take it off the suppression list (DAG privacy_suppress)"
                problems.append(FieldProblem("overrule", rule, how))
    if len({row[1] for row in rows}) > 1:
        problems.append(
            FieldProblem("candidates", len(rows), "they are of several requests: try each's again by itself")
        )
    if unknown := sorted(set(overrule) - {rule for row in rows for rule in row[5] or ()}):
        named = sorted({rule for row in rows for rule in row[5] or ()})
        problems.append(FieldProblem("overrule", ", ".join(unknown), f"they were rejected by {', '.join(named)}"))
    problems += [
        FieldProblem("corrections", id_, "it is not among the candidates") for id_ in corrections if id_ not in found
    ]
    if problems or not rows:
        raise InvalidRequest(problems or [FieldProblem("candidates", [], "name at least one")])


def _as_bought(company: dict[str, Any], contacts_rejected: Mapping[str, Any]) -> dict[str, Any]:
    """The company with the contacts that were turned down back in their places: all is judged anew."""
    contacts = list(company["contacts"])
    for index in sorted(map(int, contacts_rejected)):
        contacts.insert(index, contacts_rejected[str(index)])
    return company | {"contacts": contacts}


def _corrected(candidate_id: int, company: dict[str, Any], fields: Mapping[str, Any]) -> Company:
    if wrong := sorted(set(fields) - set(CORRECTABLE)):
        why = f"fields that can be corrected are {', '.join(CORRECTABLE)}"
        raise InvalidRequest([FieldProblem(f"corrections.{candidate_id}", ", ".join(wrong)[:200], why)])
    try:
        return Company.model_validate(company | dict(fields))
    except ValidationError as error:
        raise InvalidRequest(
            [
                FieldProblem(
                    f"corrections.{candidate_id}.{each['loc'][0]}", str(each["input"])[:200], each["msg"].lower()
                )
                for each in error.errors()
            ]
        ) from None
