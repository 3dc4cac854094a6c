"""What is looked at every day so that no credit goes astray: expired holds, mirrored balances, lost answers, doubts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from psycopg import Connection

from lead_mining import charge_doubts, provider_calls, runs
from lead_mining.charge_doubts import Doubt
from lead_mining.counting import many
from lead_mining.credits import accounts, ledger
from lead_mining.exceptions import LeadMiningError
from lead_mining.plain import logger
from lead_mining.provider_calls import Call
from lead_mining.providers.base import Provider
from lead_mining.settling import settle_by_kept_answer

log = logger(__name__)


@dataclass(frozen=True)
class Comparison:
    """A mirrored account beside its provider, in credits. `reported`: None where the provider could not tell: `why`."""

    account: str
    expected: int
    """Available and held: what the provider should have."""
    reported: int | None
    unsettled_calls: int
    """Calls of the provider whose outcome is not known: they may explain a difference."""
    why: str | None = None

    @property
    def differs(self) -> bool:
        return self.reported is not None and self.reported != self.expected

    def __str__(self) -> str:
        if self.reported is None:
            return f"{self.account}: the provider could not tell its balance: {self.why}"
        if not self.differs:
            return f"{self.account}: {self.expected:,} credits, as the provider says"
        more = self.reported - self.expected
        what = (
            f"{more:,} more than booked: if they were bought there, book the payment with the DAG credits_top_up"
            if more > 0
            else f"{-more:,} fewer than booked: look into the provider's account for who spent them, then book them"
            " with the DAG credits_charge"
        )
        unsettled = f"; {many(self.unsettled_calls, 'unsettled call')} may be why" if self.unsettled_calls else ""
        return f"{self.account}: the provider says {self.reported:,} credits, {what}{unsettled}"


def release_expired_holds(conn: Connection) -> list[str]:
    """Give back holds older than 4,320 hours; a line for each."""
    with conn.transaction():
        return [
            f"{account}: {credits:,} credits of hold {id_}" for account, id_, credits in ledger.release_expired(conn)
        ]


def compare_balances(conn: Connection, provider_of: Callable[[str], Provider]) -> list[Comparison]:
    """Ask the provider of each mirrored account for its balance and keep what it says in lead_mining.balance_report.

    `provider_of`: Airflow connection id to provider. A difference is told, never booked: only a person knows why. While
    a call is on its way, an account is not compared: its provider may have charged already.
    """
    compared = []
    for account in accounts.mirrored(conn):
        assert account.provider_conn_id is not None
        comparison = _compare(conn, account.name, account.provider_conn_id, provider_of)
        if comparison.reported is not None:
            conn.execute(
                "INSERT INTO lead_mining.balance_report (account, reported, expected, unsettled_calls)"
                " VALUES (%s, %s, %s, %s)",
                [account.name, comparison.reported, comparison.expected, comparison.unsettled_calls],
            )
        compared.append(comparison)
    return compared


def _compare(conn: Connection, account: str, conn_id: str, provider_of: Callable[[str], Provider]) -> Comparison:
    def expected() -> int:
        balance = ledger.balance(conn, account)
        return balance.available + balance.held

    before, reported, why = expected(), None, None
    try:
        reported = provider_of(conn_id).balance()
        why = None if reported is not None else "it has no way to"
    except LeadMiningError as error:
        why = str(error)
    calls = [call for call in provider_calls.unsettled(conn) if call.provider == conn_id]
    if reported is not None and (expected() != before or any(call.pending for call in calls)):
        reported, why = None, "a call is on its way, and may be charged already; compare again when it has ended"
    return Comparison(account, before, reported, len(calls), why)


def doubted_charges(conn: Connection) -> list[Doubt]:
    """Charges of the last seven days that were in doubt, oldest first."""
    return charge_doubts.since(conn, provider_calls.clock(conn) - timedelta(days=7))


def read_kept_answers(conn: Connection, provider_of: Callable[[str], Provider]) -> None:
    """Store the answers that are kept and can be read. `provider_of`: Airflow connection id to provider."""
    for call in provider_calls.unsettled(conn):
        try:
            settle_by_kept_answer(conn, runs.get(conn, call.run_id), call, provider_of)
        except LeadMiningError as error:  # it is listed, with what to do
            log.warning("%s", error)


def unsettled_calls(conn: Connection) -> list[Call]:
    """Calls whose outcome a person has to find out: no answer that can be read is kept, and the provider has ended its
    work on them."""
    return [call for call in provider_calls.unsettled(conn) if not call.pending]
