"""The steps of a mining run, one function a task, in plain Python.

Each takes a connection to the CRM database in autocommit mode and the run's id, does its work in transactions of its
own, and records its result in the last of them. A step that is called again, by whomever and whenever, finds its result
and changes nothing; a step that was killed goes on from what was committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from psycopg import Connection

from lead_mining import candidates, judging, payable, planning, policy, runs, storing, waterfall
from lead_mining.candidates import WHOLE, Part
from lead_mining.credits import accounts, ledger, run_holds
from lead_mining.crm import leads as crm_leads
from lead_mining.crm import notes as crm_notes
from lead_mining.crm.installation import check_installation
from lead_mining.crm.refresh import Refreshed, refresh
from lead_mining.exceptions import (
    CostNotApproved,
    InsufficientCredits,
    ProviderCreditsExhausted,
)
from lead_mining.matching import duplicates
from lead_mining.migrations import check_migrated
from lead_mining.notes.render import render_note
from lead_mining.patience import Reconnect
from lead_mining.providers.base import Exclusions, Page, Provider
from lead_mining.request import MiningRequest
from lead_mining.runs import Run, StepResult
from lead_mining.sources import Offer, Source


def prepare_request(
    conn: Connection,
    run_key: str,
    params: Mapping[str, Any],
    offer: Callable[[MiningRequest], Offer] | None = None,
    asked_by: str | None = None,
) -> StepResult:
    """Check the params against the vocabulary, the CRM and the providers, number the request, price it.

    `run_key`: names the run for ever; the same key is the same run. `offer`: what the providers say of the request.
    `asked_by`: the log-in of who triggered it, by which the installation's policy goes; None where nobody did.
    Raises InvalidRequest, PolicyError, CrmError, QualityError where a quality rule of the installation's own is wrong,
    what `offer` raises and, with the request left in state `error`, InsufficientCredits.
    """
    from lead_mining.quality import checks

    request = MiningRequest.parse(params)
    checks.check_own_rules(judging.lead_of)
    check_migrated(conn)
    check_installation(conn)
    with conn.transaction():
        runs.lock_key(conn, run_key)
        run = runs.find(conn, run_key)
        if run is None:
            request = policy.within(conn, request, asked_by)
        else:
            runs.check_same_request(run, request, policy.SET_BY_POLICY if policy.read() else ())
            request = run.mining_request
        offered = cache(partial(offer, request)) if offer else None
        if run is None:
            if offered:
                offered()  # what cannot be done is told before the request has a number
            run = planning.create_run(conn, run_key, request, asked_by=asked_by)
    return planning.plan_run(conn, run.id, offered)


def approve(conn: Connection, run_key: str, approved_by: str) -> None:
    """Write down who has approved what a run can cost. Raises CostNotApproved where the policy wants somebody else."""
    run = runs.find(conn, run_key)
    if run and not policy.may_approve(run.asked_by, approved_by):
        raise CostNotApproved(
            f"{run.request_number} was approved by who asked for it, and the policy of this installation wants"
            " somebody else: clear approve_cost, and let a colleague answer"
        )
    runs.set_approved_by(conn, run_key, approved_by)


def extract(
    conn: Connection,
    run_id: int,
    sources: Provider | Sequence[Source],
    reconnect: Reconnect | None = None,
) -> StepResult:
    """Ask the providers, page by page; each page is committed with its charge as it comes, before more is asked for.

    `sources`: in the order in which they are asked; a provider alone is the one that the request names. Never lets them
    charge more than the run's most, which is held meanwhile. `reconnect`: for a database that
    goes away while the provider answers. Raises CostNotApproved, InsufficientCredits, ProviderOutcomeUnknown, and
    ProviderError of every kind; ProviderCreditsExhausted only where no page was bought before (the request is then left
    in state `error`).
    """
    with runs.only_once(conn, run_id, "extract") as step:
        if not step.done:
            run = runs.get(conn, run_id)
            if run.needs_approval and not run.approved_by:
                raise CostNotApproved(f"run {run_id} can cost {run.max_cost} credits, which nobody approved")
            if not isinstance(sources, Sequence):
                sources = [Source(run.mining_request.provider_conn_id, sources)]
            if run.dry_run:
                found = _preview(conn, run, sources[0])
            else:
                with _request_in_error_without_credits(conn, run):
                    _hold_most(conn, run)
                    stopped = waterfall.mine(conn, run, sources, lambda: judging.net_new(conn, run), reconnect)
                    found = {"stopped": stopped}
            with conn.transaction():
                step.finish(candidates.extracted(conn, run_id) | found)
    return step.result


@contextmanager
def _request_in_error_without_credits(conn: Connection, run: Run) -> Iterator[None]:
    try:
        yield
    except (InsufficientCredits, ProviderCreditsExhausted):
        planning.set_request_state(conn, run, "error", "credits")
        raise


def _hold_most(conn: Connection, run: Run) -> None:
    """Held since the run was prepared, unless it has failed and is done again."""
    with conn.transaction():
        paid = run_holds.captured_for_run(conn, run.id)
        if run.max_cost > paid:
            run_holds.hold_for_run(conn, run.credit_account, run.max_cost - paid, run.id)


def _preview(conn: Connection, run: Run, source: Source) -> StepResult:
    """What the first provider tells without charging."""
    query, provider = run.mining_request.query(), source.provider
    if costs := provider.preview_costs(query):
        return {"would_find": None, "preview_costs": costs}
    exclude = judging.Known(conn) if provider.excludes_known else Exclusions()
    preview = provider.preview(query, min(run.lead_number, provider.page_size), exclude)
    if preview.records:
        page = Page(raw=preview.records, records=preview.records, charged=0, next_cursor=None)
        with conn.transaction():
            storing.store(conn, run, 1, len(preview.records), page, source)
    people = {"would_find_people": preview.people} if preview.people is not None else {}
    return {"would_find": preview.count, **people}


def validate(
    conn: Connection, run_id: int, data_docs: Path, rejections_page: str | None = None, part: Part = WHOLE
) -> StepResult:
    """Great Expectations over the candidates: those that fail, and contacts that fail, become rejections.

    `data_docs`: folder under which this run's Data Docs are written, by who ends the last part. `rejections_page`:
    where the run's rejections are shown, as a link from there. The result is the part's.
    """
    from lead_mining.quality import checks, results
    from lead_mining.quality.data_docs import Site
    from lead_mining.quality.rules import suites_that_hold

    run = runs.get(conn, run_id)
    # Not by our run's id: several CRMs, each with ids of its own, may write to one folder.
    site = Site(data_docs, f"{run.request_number or 'trial'}_{run.run_key.rpartition('/')[2]}")
    where = {"data_docs": str(site.index.relative_to(data_docs))}

    def publish() -> None:
        found = results.of_run(conn, run.id, suites_that_hold())
        site.publish(found, f"{rejections_page}?rule=" if rejections_page else None)

    with runs.only_once(conn, run_id, "validate", part.key) as step:
        if not step.done:
            totals: Counter[str] = Counter(valid=0, rejected=0, contacts_rejected=0, warnings=0)
            with site.part(part.first) as pages, conn.transaction():
                quality = checks.Checks(run.mining_request, judging.lead_of, pages)
                for extracted in candidates.in_chunks(conn, run_id, "extracted", part):
                    failures = quality.judge([(c.id, c.company) for c in extracted])
                    totals.update(judging.apply_failures(conn, run, extracted, failures))
                results.add(conn, run.id, quality.results)
                if part.key is None:
                    publish()
                step.finish(dict(totals) | (where if part.key is None else {}))
    if part.key:
        with runs.once_all_parts_are_done(conn, run_id, "validate", part.of) as whole:
            if whole and not whole.done:
                publish()
                whole.finish(whole.result | where)
    return step.result | where


def deduplicate(conn: Connection, run_id: int) -> StepResult:
    """Within the batch, against the CRM, what was bought before and what other runs hold at this moment.

    Raises QualityError if any duplicate is left.
    """
    from lead_mining.quality import checks

    with runs.only_once(conn, run_id, "deduplicate") as step:
        if not step.done:
            judging.refresh_crm_index(conn)
            known = judging.known_now(conn)  # before: what comes meanwhile is looked at when leads are loaded
            with conn.transaction():
                found = judging.reject_known(conn, runs.get(conn, run_id))
                runs.set_judged_as_of(conn, run_id, known)
                for keys in duplicates.keys_in_parts(conn, run_id, "accepted"):
                    checks.check_survivors(keys)
                step.finish(found)
    return step.result


def debit_credits(conn: Connection, run_id: int) -> StepResult:
    """Hold the credits for the survivors, at the run's prices, and give back what was held beyond them.

    Where a hold was given back meanwhile (the run failed and was cleared) and credits are short: InsufficientCredits,
    with the request left in state `error`, or, if the request says so, as many as can be paid, in the provider's order.
    A mirrored account has paid the provider's calls already, so nothing is left to hold.
    """
    with runs.only_once(conn, run_id, "debit_credits") as step:
        if not step.done:
            run = runs.get(conn, run_id)
            mirrored = accounts.find(conn, run.credit_account).mirrored
            with _request_in_error_without_credits(conn, run), conn.transaction():
                most = run.max_cost
                if run.mining_request.on_insufficient_credits == "trim" and not mirrored:
                    most = min(most, run_holds.spendable_for_run(conn, run.credit_account, run.id).credits)
                kept = payable.keep(conn, run.id, run.lead_number, most)
                held = 0 if mirrored else kept.cost
                run_holds.keep_for_run(conn, run.credit_account, held, run_id)
                step.finish({"leads": kept.leads, "contacts": kept.contacts, "held": held})
    return step.result


def load_leads(conn: Connection, run_id: int) -> StepResult:
    """One transaction: insert the leads, capture from the hold exactly what was inserted, close the request.

    What another run has loaded since deduplication is left out and not paid. If the hold was released meanwhile (the
    run failed and was cleared), the credits are held again; raises InsufficientCredits if they are gone. A mirrored
    account has paid the provider's calls already: nothing is captured.
    """
    with runs.only_once(conn, run_id, "load_leads") as step:
        if not step.done:
            run = runs.get(conn, run_id)
            with runs.loading_alone(conn):
                judging.refresh_crm_index(conn)
                with conn.transaction():
                    step.finish(_load(conn, run))
    return step.result


def _load(conn: Connection, run: Run) -> StepResult:
    totals: Counter[str] = Counter()
    fresh: Refreshed | None = None
    leads = contacts = 0
    unchanged = run.judged_as_of == judging.known_now(conn)
    new = judging.certainly_new(conn, run, "accepted", "load_leads", totals, nothing_new_is_known=unchanged)
    for accepted in new:
        assert run.crm_request_id is not None, "a dry run loads nothing"
        fresh = fresh or refresh(conn, run.mining_request, run.crm_context, run.crm_request)
        loaded = crm_leads.load_leads(conn, fresh.context, fresh.crm_request_id, list(accepted.items()))
        candidates.set_loaded(conn, loaded)
        leads += len(accepted)
        contacts += sum(len(company.contacts) for company in accepted.values())
    captured = 0 if accounts.find(conn, run.credit_account).mirrored else run.prices.cost(leads, contacts)
    if captured:
        hold_id = run_holds.hold_for_run(conn, run.credit_account, captured, run.id)
        ledger.capture(conn, hold_id, captured, key=f"run/{run.id}/capture")
    if leads:
        planning.set_request_state(conn, run, "done")
    else:
        planning.set_request_state(conn, run, "draft", "no_result")  # as Odoo leaves it
    return {
        "leads": leads,
        "contacts": contacts,
        "captured": captured,
        "lost_to_rejections": candidates.lost_to_rejections(conn, run.id),
        "duplicates_since": totals["duplicates"],
        "notices": list(fresh.notices) if fresh else [],
    }


def write_enrichment_notes(conn: Connection, run_id: int, part: Part = WHOLE) -> StepResult:
    """One enrichment note a lead, in the lead's chatter. The result is the part's."""
    with runs.only_once(conn, run_id, "write_enrichment_notes", part.key) as step:
        if not step.done:
            run = runs.get(conn, run_id)
            with conn.transaction():
                context = refresh(conn, run.mining_request, run.crm_context, run.crm_request).context
                render = partial(render_note, lead_type=context.lead_type, request_number=run.request_number or "")
                notes = 0
                for chunk in candidates.without_note(conn, run_id, part):
                    bodies = [(lead_id, partial(render, company)) for lead_id, company in chunk]
                    candidates.set_notes(conn, crm_notes.write_notes(conn, context, bodies))
                    notes += len(chunk)
                step.finish({"notes": notes})
    if part.key:
        with runs.once_all_parts_are_done(conn, run_id, "write_enrichment_notes", part.of) as whole:
            if whole and not whole.done:
                whole.finish(whole.result)
    return step.result


def release(conn: Connection, run_key: str) -> StepResult:
    """Give back what is left of the run's holds, whatever happened. Safe at any time, also where nothing is held."""
    run = runs.find(conn, run_key)
    if run is None:
        return {"released": 0}
    with conn.transaction():
        return {"run_id": run.id, "released": run_holds.release_for_run(conn, run.id)}
