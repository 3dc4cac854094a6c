"""A provider's balance, as it is asked for around calls, beside what it says that it charged for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import Connection

from lead_mining import charge_doubts, provider_calls
from lead_mining.exceptions import ProviderError
from lead_mining.plain import logger
from lead_mining.providers.base import Provider
from lead_mining.runs import Run
from lead_mining.sources import Source

log = logger(__name__)

LATE = timedelta(seconds=30)
"""By then the balance of every provider shows a call that has ended."""


def known_balance(provider: Provider, *, fresh: bool = True) -> int | None:
    """The provider's balance; None where it does not tell, or fails to. `fresh`: as it is at this moment."""
    try:
        return provider.balance(fresh)
    except ProviderError as error:
        log.warning("the provider's balance is not known: %s", error)
        return None


class BalanceWatch:
    """Asks for the balance before calls, and compares it with what it was at first and what all calls since cost.

    Where calls of others are under way, or had just ended at first, it says nothing and begins anew.
    """

    def __init__(self, conn: Connection, run: Run, source: Source) -> None:
        self._conn, self._run, self._source = conn, run, source
        self._known: tuple[datetime, int, timedelta] | None = None  # a balance, when it was so, and how late it may be

    def before_calls(self) -> tuple[datetime, int | None]:
        """The time, and the balance that is asked for after it. Raises ChargeDoubted."""
        at, balance = provider_calls.clock(self._conn), known_balance(self._source.provider, fresh=False)
        if balance is not None:
            expected = self._compared(balance)
            self._known = (at, balance, LATE) if expected is None else (at, expected, timedelta(0))
        return at, balance

    def after_calls(self) -> None:
        """Compare once more, where calls were made. Raises ChargeDoubted."""
        if self._known and (balance := known_balance(self._source.provider, fresh=False)) is not None:
            self._compared(balance)

    def _compared(self, balance: int) -> int | None:
        """What the balance should be; None where that cannot be said. Raises ChargeDoubted where it is less."""
        if self._known is None:
            return None
        at, before, late = self._known
        expected, _ = provider_calls.expected_balance(self._conn, self._source.conn_id, at, before, late=late)
        if expected is not None and balance < expected:
            charge_doubts.write_down(self._conn, self._run.id, "balance", before - expected, before - balance)
            charge_doubts.check(self._conn, self._run)
        return expected
