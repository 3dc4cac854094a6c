"""Whether a request can be paid, as the accounts stand at this moment: what a person looks at before mining."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

from lead_mining.credits import overview
from lead_mining.credits.ledger import Spendable
from lead_mining.request import MiningRequest
from lead_mining.sources import Offer


@dataclass(frozen=True)
class Price:
    """A request beside what can be paid, in credits. `least`: the limit that is reached first."""

    needed: int
    most: int
    """Up to the budget of the run, where it is more than the leads asked for cost."""
    most_of_provider: int
    """What the dearest of its providers can take for the leads asked for; 0 where none says more than `needed`."""
    least: Spendable
    account: str
    payable_leads: int
    trimmed: bool
    """Whether as many leads are mined as can be paid, where not all can."""

    @property
    def enough(self) -> bool:
        return self.needed <= self.least.credits


def price(conn: Connection, request: MiningRequest, offer: Offer | None = None) -> Price:
    """Locks and sets aside nothing: `prepare_request` looks again, and then holds the credits.

    `offer`: what its providers say of it.
    """
    account = overview.one_account(conn, request.credit_account)
    limits = [Spendable(account.available if account else 0, None)]
    if account and account.monthly_budget is not None:
        limits.append(_left(account.monthly_budget, account.used, f"the account {account.name!r}"))
    if request.saved_search is not None and request.search_budget is not None:
        used = overview.used_by_search(conn, request.saved_search)
        limits.append(_left(request.search_budget, used, f"the saved search {request.saved_search!r}"))
    if request.max_credits is not None:
        limits.append(Spendable(request.max_credits, "the budget of this run"))
    least = min(limits, key=lambda limit: limit.credits)
    needed = request.cost_of(request.lead_number).total
    dearest = offer.most(request.lead_number) if offer else 0
    return Price(
        needed=needed,
        most=request.most_it_can_cost,
        most_of_provider=dearest if dearest > needed else 0,
        least=least,
        account=request.credit_account,
        payable_leads=min(least.credits // request.cost_of(1).total, request.lead_number),
        trimmed=request.on_insufficient_credits == "trim",
    )


def _left(budget: int, used: int, of: str) -> Spendable:
    return Spendable(max(budget - used, 0), f"this month's budget of {of}")
