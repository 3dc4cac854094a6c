"""Selling leads: from the params of a call to the leads delivered, charged in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provider_simulator import wire
from provider_simulator.catalogue import Catalogue
from provider_simulator.errors import AccessError, InsufficientCreditError, ServiceError, UserError
from provider_simulator.faults import Fault, disfigure
from provider_simulator.search import Search, is_text, parse_search
from provider_simulator.store import Leads, Store, Till


@dataclass
class Service:
    """``tokens``: the account tokens that are accepted; empty: any, each opens its own account."""

    catalogue: Catalogue
    store: Store
    tokens: frozenset[str] = frozenset()

    def token_of(self, params: Any) -> str:
        """Raises ``AccessError`` when there is no token or an unknown one."""
        token = params.get("account_token") if isinstance(params, dict) else None
        if not is_text(token) or not token or (self.tokens and token not in self.tokens):
            raise AccessError("The account token is not known. Check the token of your IAP account.")
        return str(token)

    def mine(self, params: Any, fault: Fault | None = None) -> dict[str, Any]:
        """``result`` of the call. Raises ``ServiceError``: then nothing was charged."""
        token = self.token_of(params)
        data = params.get("data")
        try:
            if not is_text(params.get("dbuuid")):
                raise UserError("dbuuid: a text is needed")
            search = parse_search(data)
        except UserError:
            self.store.note(token, data, "user_error")
            raise
        if fault and (refusal := _refusal(fault, search)):
            self.store.note(token, data, fault)
            raise refusal
        if fault is Fault.CREDIT_FLAG:
            self.store.note(token, data, fault)
            return wire.result([], credit_error=True)
        leads = self.store.sell(token, data, fault or "ok", lambda till: self._pick(till, data, search, fault))
        return wire.result(disfigure(fault, leads) if fault else leads)

    def balance(self, params: Any) -> int:
        """Credits left. Raises ``AccessError``. An account that was never used has what a new one gets."""
        balance = self.store.balance(self.token_of(params))
        return self.store.trial_credits if balance is None else balance

    def note_failure(self, params: Any, fault: Fault) -> None:
        """Writes a call that fails before anything is sold into the account's history."""
        self.store.note(self.token_of(params), params.get("data"), fault)

    def _pick(self, till: Till, data: Any, search: Search, fault: Fault | None) -> Leads:
        if fault is Fault.REPEATED_PAGE and (last := till.last_sale()):
            return self._leads(last[1], parse_search(last[0]))
        twice = fault is Fault.DUPLICATE_COMPANIES
        number = max(1, search.lead_number - 1) if twice else search.lead_number
        taken = till.take(search.key, self.catalogue.matching(search), number)
        sold = taken + taken[:1] if twice else taken
        if sold:
            till.remember(data, sold)
        return self._leads(sold, search)

    def _leads(self, positions: list[int], search: Search) -> Leads:
        return [wire.lead(row, search) for row in self.catalogue.rows(positions)]


def _refusal(fault: Fault, search: Search) -> ServiceError | None:
    match fault:
        case Fault.USER_ERROR:
            return UserError("Your request cannot be executed now.")
        case Fault.ACCESS_ERROR:
            return AccessError("The account token is not known. Check the token of your IAP account.")
        case Fault.INSUFFICIENT_CREDITS:
            return InsufficientCreditError(search.lead_number)
    return None
