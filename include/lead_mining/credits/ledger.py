"""The credit ledger: top up, hold, capture, release, refund, charge.

Double entry in PostgreSQL; the rules stand in the database (`include/sql/migrations/0002_credits.sql` and `0003`), so
that no caller can break them. Each function does one thing once a key: called again with the same key it changes
nothing. The caller owns the transaction: nothing here commits, and a rollback leaves nothing. Every function that moves
credits locks the credit account until the caller's transaction ends, so keep those short.

Credits are whole numbers from 1 to 2**31 - 1. Wrong types raise TypeError, all else that is refused LedgerError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection, Cursor, sql
from psycopg.errors import CheckViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from lead_mining.exceptions import InsufficientCredits, LedgerError

_MAX_CREDITS = 2**31 - 1
_MAX_ACCOUNT, _MAX_KEY, _MAX_REFERENCE = 200, 300, 200


@dataclass(frozen=True)
class Balance:
    """What a credit account has, in credits. `spent` is the total so far."""

    available: int = 0
    held: int = 0
    spent: int = 0


def top_up(conn: Connection[Any], account: str, credits: int, key: str, reference: str) -> bool:
    """Add bought credits; opens the account if need be. `reference`: the payment, 1 to 200 characters.

    False: this key was topped up already, nothing changed. Raises LedgerError where the key was used for anything else.
    """
    _check_text("account", account, _MAX_ACCOUNT)
    _check_text("reference", reference, _MAX_REFERENCE)
    _check_credits(credits)
    with _cursor(conn) as cur:
        _lock(cur, account)
        return _post(cur, key, "top_up", account, credits, reference=reference)[1]


def hold(conn: Connection[Any], account: str, credits: int, key: str, run_id: int) -> int:
    """Set credits aside for a run of that account; returns the hold's id, the same for the same key.

    Raises InsufficientCredits where the account, known or not, or a monthly budget has too little: nothing is changed
    and the caller's transaction stays usable. LedgerError where the key was used for anything else.
    """
    _check_text("account", account, _MAX_ACCOUNT)
    _check_credits(credits)
    _check_integer("run_id", run_id)
    with _cursor(conn) as cur:
        left = _least(_limits(cur, account, run_id))
        if left.credits < credits and _posted(cur, key) is None:
            raise InsufficientCredits(account, credits, left.credits, left.budget)
        return _post(cur, key, "hold", account, credits, run_id=run_id)[0]


def capture(conn: Connection[Any], hold_id: int, credits: int, key: str, call_id: int | None = None) -> None:
    """Spend a part of a hold, or all of it. Raises LedgerError where the hold is unknown or has less left.

    `call_id`: the provider's call (lead_mining.provider_call.id) that a mirrored account pays with it.
    """
    _check_credits(credits)
    with _cursor(conn) as cur:
        owner, remaining = _lock_hold(cur, hold_id)
        if remaining < credits and _posted(cur, key) is None:
            raise LedgerError(f"hold {hold_id}: cannot capture {credits} credits, {remaining} are left in it")
        _post(cur, key, "capture", owner, credits, hold_id=hold_id, call_id=call_id)


def release(conn: Connection[Any], hold_id: int, key: str, keep: int = 0) -> int:
    """Give back what is left of a hold, but for `keep` credits; returns the credits this key gave back."""
    with _cursor(conn) as cur:
        owner, remaining = _lock_hold(cur, hold_id)
        done = _posted(cur, key)
        credits = done.credits if done else max(remaining - keep, 0)
        if credits:
            _post(cur, key, "release", owner, credits, hold_id=hold_id)
        return credits


def release_expired(conn: Connection[Any]) -> list[tuple[str, int, int]]:
    """Give back what is left of holds whose time is over (4,320 hours, as Odoo's IAP); (account, hold id, credits).

    Accounts are locked in the order of their names, so that two callers at once do not wait for each other in a circle.
    """
    expired = conn.execute(
        "SELECT owner, id FROM lead_mining.hold WHERE remaining > 0 AND expires_at <= now() ORDER BY owner, id"
    ).fetchall()
    given_back = [(owner, id_, release(conn, id_, f"hold/{id_}/expired")) for owner, id_ in expired]
    return [line for line in given_back if line[2]]


def refund(conn: Connection[Any], candidate_id: int, reason: str) -> int:
    """Give back what the lead of a candidate (lead_mining.candidate.id) was paid with, contacts included; once a lead.

    Returns the credits. Raises LedgerError, with the transaction still usable, where it was not paid, its account
    mirrors a provider (who alone can refund), or it was paid more days ago than the account allows.
    """
    _check_integer("candidate_id", candidate_id)
    _check_text("reason", reason, _MAX_REFERENCE)
    with _cursor(conn) as cur:
        row = cur.execute(
            "SELECT r.credit_account, k.cost FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id"
            " JOIN lead_mining.candidate_cost k ON k.candidate_id = c.id WHERE c.id = %s AND c.state = 'loaded'",
            [candidate_id],
        ).fetchone()
        if row is None:
            raise LedgerError(f"candidate {candidate_id} is no lead that was loaded, so there is nothing to refund")
        account, credits = row
        _lock(cur, account)
        try:
            with conn.transaction():
                _post(
                    cur,
                    f"refund/{candidate_id}",
                    "refund",
                    account,
                    credits,
                    reference=reason,
                    candidate_id=candidate_id,
                )
        except CheckViolation as refused:
            raise LedgerError(f"no refund: {refused.diag.message_primary}") from refused
        return int(credits)


def charge(
    conn: Connection[Any],
    account: str,
    credits: int,
    key: str,
    reference: str | None = None,
    call_id: int | None = None,
) -> bool:
    """Spend credits that no hold was made for: what a mirrored account's provider took for a call, or for `reference`.

    False: this key was charged already. Raises InsufficientCredits where less is available. Budgets count it, but do
    not refuse it: the credits are gone.
    """
    _check_text("account", account, _MAX_ACCOUNT)
    if reference is not None:
        _check_text("reference", reference, _MAX_REFERENCE)
    _check_credits(credits)
    with _cursor(conn) as cur:
        available = _lock(cur, account)
        if available < credits and _posted(cur, key) is None:
            raise InsufficientCredits(account, credits, available)
        return _post(cur, key, "charge", account, credits, reference=reference, call_id=call_id)[1]


def balance(conn: Connection[Any], account: str) -> Balance:
    """What the account has now; all zero for one that was never topped up."""
    _check_text("account", account, _MAX_ACCOUNT)
    with _cursor(conn) as cur:
        cur.execute(
            "SELECT bucket, balance FROM lead_mining.ledger_account WHERE owner = %s AND bucket <> 'issued'", [account]
        )
        return Balance(**dict(cur.fetchall()))


@dataclass(frozen=True)
class Spendable:
    """Credits that a new hold may take at most; `budget`: what limits them, None where it is the account itself."""

    credits: int
    budget: str | None


def limits(conn: Connection[Any], account: str, run_id: int | None = None) -> list[Spendable]:
    """What a hold, for that run if given, may take of the account and of each monthly budget on it, the account first.

    The account is locked until the caller's transaction ends.
    """
    _check_text("account", account, _MAX_ACCOUNT)
    with _cursor(conn) as cur:
        return _limits(cur, account, run_id)


def spendable(conn: Connection[Any], account: str, run_id: int | None = None) -> Spendable:
    """The least of the `limits`."""
    return _least(limits(conn, account, run_id))


def lock_balance(conn: Connection[Any], account: str) -> Balance:
    """What the account has now; nobody else can change it until the caller's transaction ends."""
    _check_text("account", account, _MAX_ACCOUNT)
    with _cursor(conn) as cur:
        _lock(cur, account)
    return balance(conn, account)


@dataclass(frozen=True)
class _Posted:
    """A transaction of the ledger, but for its reference, which describes and does not identify."""

    id: int
    kind: str
    owner: str
    credits: int
    hold_id: int | None
    run_id: int | None
    candidate_id: int | None
    call_id: int | None

    def __str__(self) -> str:
        parts = {"hold": self.hold_id, "run": self.run_id, "candidate": self.candidate_id, "call": self.call_id}
        of = "".join(f", {name} {id_}" for name, id_ in parts.items() if id_ is not None)
        return f"{self.kind} of {self.credits} credits on {self.owner!r}{of}"


def _post(
    cur: Cursor[TupleRow],
    key: str,
    kind: str,
    owner: str,
    credits: int,
    hold_id: int | None = None,
    run_id: int | None = None,
    reference: str | None = None,
    candidate_id: int | None = None,
    call_id: int | None = None,
) -> tuple[int, bool]:
    """Post a transaction once; returns its id and whether it is new. The account must be locked."""
    _check_text("key", key, _MAX_KEY)
    # Only what it has: who mines may not write a reference, not even none.
    all_of_it = {
        "key": key,
        "kind": kind,
        "owner": owner,
        "credits": credits,
        "hold_id": hold_id,
        "run_id": run_id,
        "candidate_id": candidate_id,
        "call_id": call_id,
        "reference": reference,
    }
    given = {column: value for column, value in all_of_it.items() if value is not None}
    cur.execute(
        sql.SQL(
            "INSERT INTO lead_mining.ledger_transaction ({}) VALUES ({}) ON CONFLICT (key) DO NOTHING RETURNING id"
        ).format(sql.SQL(", ").join(map(sql.Identifier, given)), sql.SQL(", ").join([sql.Placeholder()] * len(given))),
        list(given.values()),
    )
    if row := cur.fetchone():
        return row[0], True
    done = _posted(cur, key)
    wanted = _Posted(done.id if done else 0, kind, owner, credits, hold_id, run_id, candidate_id, call_id)
    if done is None or done != wanted:
        raise LedgerError(f"key {key!r} cannot be used for {wanted}; it stands for {done}")
    return done.id, False


def _posted(cur: Cursor[TupleRow], key: str) -> _Posted | None:
    _check_text("key", key, _MAX_KEY)
    cur.execute(
        "SELECT id, kind, owner, credits, hold_id, run_id, candidate_id, call_id FROM lead_mining.ledger_transaction"
        " WHERE key = %s",
        [key],
    )
    row = cur.fetchone()
    return _Posted(*row) if row else None


def _lock(cur: Cursor[TupleRow], account: str) -> int:
    """Lock a credit account until the transaction ends; returns its available credits, 0 for an unknown account."""
    conn = cur.connection
    if conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE:
        raise LedgerError("the ledger needs a transaction: switch autocommit off or use `with conn.transaction()`")
    row = cur.execute("SELECT lead_mining.ledger_lock(%s)", [account]).fetchone()
    return (row[0] or 0) if row else 0


_BUDGETS: LiteralString = """
    WITH this_month AS (SELECT date_trunc('month', now() AT TIME ZONE 'utc')::date AS month),
    budget AS (
        SELECT 'account' AS scope, name, monthly_budget AS most FROM lead_mining.credit_account WHERE name = %(account)s
        UNION ALL
        SELECT 'search', saved_search, search_budget FROM lead_mining.run WHERE id = %(run)s
    )
    SELECT CASE scope WHEN 'account' THEN 'credit account' ELSE 'saved search' END, name, to_char(month, 'YYYY-MM'),
           most, greatest(most - coalesce(used.credits, 0), 0)::bigint
    FROM budget CROSS JOIN this_month LEFT JOIN lead_mining.monthly_use AS used USING (scope, name, month)
    WHERE most IS NOT NULL
"""


def _limits(cur: Cursor[TupleRow], account: str, run_id: int | None) -> list[Spendable]:
    found = [Spendable(_lock(cur, account), None)]
    for of, name, month, most, left in cur.execute(_BUDGETS, {"account": account, "run": run_id}).fetchall():
        found.append(Spendable(left, f"the budget of {of} {name!r} for {month}, {most} credits,"))
    return found


def _least(found: list[Spendable]) -> Spendable:
    return min(found, key=lambda limit: limit.credits)


def _lock_hold(cur: Cursor[TupleRow], hold_id: int) -> tuple[str, int]:
    """Lock the account of a hold; returns its name and the credits left in the hold."""
    _check_integer("hold_id", hold_id)
    row = cur.execute("SELECT owner FROM lead_mining.hold WHERE id = %s", [hold_id]).fetchone()
    if row is None:
        raise LedgerError(f"hold {hold_id} does not exist")
    _lock(cur, row[0])
    left = cur.execute("SELECT remaining FROM lead_mining.hold WHERE id = %s", [hold_id]).fetchone()
    return row[0], left[0] if left else 0


def _cursor(conn: Connection[Any]) -> Cursor[TupleRow]:
    return conn.cursor(row_factory=tuple_row)  # the caller's own row factory may be any


def _check_credits(credits: int) -> None:
    _check_integer("credits", credits)
    if not 1 <= credits <= _MAX_CREDITS:
        raise LedgerError(f"credits: {credits} is not allowed; use 1 to {_MAX_CREDITS}")


def _check_integer(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: {value!r} is not a whole number")


def _check_text(name: str, value: str, longest: int) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is not text")
    if not 1 <= len(value) <= longest or not value.isprintable() or value != value.strip():
        raise LedgerError(
            f"{name}: {value[:longest]!r} is not allowed; use 1 to {longest} printable characters, no space at the ends"
        )
