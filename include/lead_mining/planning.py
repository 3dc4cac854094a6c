"""A run before it buys anything: its request in the CRM, what it can cost, and the credits that are held for it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from psycopg import Connection

from lead_mining import approval, runs
from lead_mining.credits import accounts, ledger, run_holds
from lead_mining.credits.ledger import Spendable
from lead_mining.crm import context as crm_context
from lead_mining.crm import requests as crm_requests
from lead_mining.exceptions import FieldProblem, InsufficientCredits, InvalidRequest
from lead_mining.request import MiningRequest
from lead_mining.runs import Run, StepResult
from lead_mining.sources import Offer


def create_run(
    conn: Connection,
    run_key: str,
    request: MiningRequest,
    retry_of: Run | None = None,
    overruled: Collection[str] = (),
    asked_by: str | None = None,
) -> Run:
    """The run's row, and its request in the CRM, which a retry shares with the run whose rejections it tries again.

    To be called in a transaction. Raises InvalidRequest and CrmError.
    """
    context = resolve(conn, request)
    if retry_of is not None and retry_of.crm_request is not None:
        return runs.create(
            conn,
            run_key,
            request,
            context,
            retry_of.crm_request,
            retry_of=retry_of.id,
            overruled=overruled,
            asked_by=asked_by,
        )
    crm_request = None if request.dry_run else crm_requests.create_request(conn, request, context)
    return runs.create(conn, run_key, request, context, crm_request, asked_by=asked_by)


def plan_run(conn: Connection, run_id: int, offered: Callable[[], Offer] | None = None) -> StepResult:
    """Fit the run to what can be paid and hold its credits: the rest of the step `prepare_request`.

    `offered`: what the run's providers say of its request. Raises what that raises and, with the request left in state
    `error`, InsufficientCredits.
    """
    with runs.only_once(conn, run_id, "prepare_request") as step:
        if not step.done:
            offer = offered() if offered else None
            with conn.transaction():
                shortage = _plan(conn, runs.get(conn, run_id), offer)
                if shortage is None:
                    step.finish(_plan_result(conn, runs.get(conn, run_id), offer))
            if shortage:
                raise shortage
    return step.result


def resolve(conn: Connection, request: MiningRequest) -> crm_context.CrmContext:
    """What the request's names stand for in the CRM. Reads only. Raises InvalidRequest and CrmError."""
    mirrors = accounts.find(conn, request.credit_account).provider_conn_id
    if mirrors not in (None, request.provider_conn_id):
        why = f"it mirrors the account of the connection {mirrors!r}: use that as provider_conn_id, or another account"
        raise InvalidRequest([FieldProblem("credit_account", request.credit_account, why)])
    if mirrors and request.then_provider_conn_ids:
        why = f"the credit account {request.credit_account!r} mirrors that of {mirrors!r}, and pays no other: leave it"
        raise InvalidRequest(
            [
                FieldProblem(
                    "then_provider_conn_ids", request.then_provider_conn_ids, f"{why} empty, or use another account"
                )
            ]
        )
    return crm_context.resolve(conn, request)


def _plan(conn: Connection, run: Run, offer: Offer | None) -> InsufficientCredits | None:
    """Fit the run to the account, to budgets and to its own, and hold the most it can cost; or say what is missing.

    A provider that can take more than our own price of the leads makes us hold more, where that can be paid.
    """
    request = run.mining_request
    lead_number = request.lead_number
    if run.dry_run:
        runs.set_plan(conn, run.id, lead_number, request.most_it_can_cost, False)
        return None
    left = run_holds.spendable_for_run(conn, run.credit_account, run.id)
    if request.max_credits is not None and request.max_credits < left.credits:
        left = Spendable(request.max_credits, "the budget of this run (max_credits)")
    shortage = None
    if run.cost_of(lead_number).total > left.credits:
        affordable = left.credits // run.cost_of(1).total
        if request.on_insufficient_credits == "trim" and affordable:
            lead_number = affordable
        else:
            needed = run.cost_of(lead_number).total
            shortage = InsufficientCredits(run.credit_account, needed, left.credits, left.budget)
    # What is beyond the leads' own cost is for asking again, where companies turn out to be known or bad.
    own = run.cost_of(lead_number).total
    asked = own if lead_number < request.lead_number else max(own, request.max_credits or 0)
    most = max(asked, offer.most(lead_number) if offer else 0)
    cost = min(most, max(left.credits, own))
    if not shortage:
        run_holds.hold_for_run(conn, run.credit_account, cost, run.id)
    asks = run.retry_of is None and request.approval_threshold is not None  # a retry above it is not prepared
    above = asks and cost > (request.approval_threshold or 0)
    runs.set_plan(conn, run.id, lead_number, cost, needs_approval=above)
    set_request_state(conn, run, "error" if shortage else "draft", "credits" if shortage else None)
    return shortage


def _plan_result(conn: Connection, run: Run, offer: Offer | None) -> StepResult:
    request = run.mining_request
    limits = ledger.limits(conn, run.credit_account, run.id) if run.needs_approval else None
    return {
        "run_id": run.id,
        "request_number": run.request_number,
        "lead_number": run.lead_number,
        "max_cost": run.max_cost,
        "cost": str(run.cost_of(run.lead_number)),
        "balance": ledger.balance(conn, run.credit_account).available,
        "needs_approval": run.needs_approval,
        "approval": approval.question(run, limits) if limits else None,
        "notices": [
            *run.crm_context.notices,
            *filter(None, [request.privacy_notice]),
            *(offer.notices if offer else ()),
        ],
    }


def set_request_state(
    conn: Connection, run: Run, state: crm_requests.State, error_type: crm_requests.ErrorType | None = None
) -> None:
    """The state of the run's request in the CRM; where the run tries an earlier one's candidates again, only `done`."""
    if run.crm_request is not None and (run.retry_of is None or state == "done"):
        crm_requests.set_state(conn, run.crm_request, run.crm_context.acting_user_id, state, error_type)
