"""The credit ledger: top up, hold, capture, release.

Double entry in PostgreSQL; the rules stand in the database (`include/sql/migrations/0002_credits.sql`), so that no
caller can break them. Each function does one thing once a key: called again with the same key it changes nothing.
The caller owns the transaction: nothing here commits, and a rollback leaves nothing. Every function that moves credits
locks the credit account until the caller's transaction ends, so keep those short.

Credits are whole numbers from 1 to 2**31 - 1. Wrong types raise TypeError, all else that is refused LedgerError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, Cursor
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


def hold(conn: Connection[Any], account: str, credits: int, key: str, run_id: int | None = None) -> int:
    """Set credits aside, for `run_id` (lead_mining.run.id) if given; returns the hold's id, the same for the same key.

    Raises InsufficientCredits where the account, known or not, has too little: nothing is changed and the caller's
    transaction stays usable. LedgerError where the key was used for anything else.
    """
    _check_text("account", account, _MAX_ACCOUNT)
    _check_credits(credits)
    if run_id is not None:
        _check_integer("run_id", run_id)
    with _cursor(conn) as cur:
        available = _lock(cur, account)
        if available < credits and _posted(cur, key) is None:
            raise InsufficientCredits(account, credits, available)
        return _post(cur, key, "hold", account, credits, run_id=run_id)[0]


def capture(conn: Connection[Any], hold_id: int, credits: int, key: str) -> None:
    """Spend a part of a hold, or all of it. Raises LedgerError where the hold is unknown or has less left."""
    _check_credits(credits)
    with _cursor(conn) as cur:
        owner, remaining = _lock_hold(cur, hold_id)
        if remaining < credits and _posted(cur, key) is None:
            raise LedgerError(f"hold {hold_id}: cannot capture {credits} credits, {remaining} are left in it")
        _post(cur, key, "capture", owner, credits, hold_id=hold_id)


def release(conn: Connection[Any], hold_id: int, key: str) -> int:
    """Give back what is left of a hold; returns the credits this key gave back, 0 where nothing was left."""
    with _cursor(conn) as cur:
        owner, remaining = _lock_hold(cur, hold_id)
        done = _posted(cur, key)
        credits = done.credits if done else remaining
        if credits:
            _post(cur, key, "release", owner, credits, hold_id=hold_id)
        return credits


def balance(conn: Connection[Any], account: str) -> Balance:
    """What the account has now; all zero for one that was never topped up."""
    _check_text("account", account, _MAX_ACCOUNT)
    with _cursor(conn) as cur:
        cur.execute(
            "SELECT bucket, balance FROM lead_mining.ledger_account WHERE owner = %s AND bucket <> 'issued'", [account]
        )
        return Balance(**dict(cur.fetchall()))


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

    def __str__(self) -> str:
        of = "".join(f", {k} {v}" for k, v in (("hold", self.hold_id), ("run", self.run_id)) if v is not None)
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
) -> tuple[int, bool]:
    """Post a transaction once; returns its id and whether it is new. The account must be locked."""
    _check_text("key", key, _MAX_KEY)
    cur.execute(
        "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, hold_id, run_id, reference)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO NOTHING RETURNING id",
        [key, kind, owner, credits, hold_id, run_id, reference],
    )
    if row := cur.fetchone():
        return row[0], True
    done = _posted(cur, key)
    if done is None or done != _Posted(done.id, kind, owner, credits, hold_id, run_id):
        wanted = _Posted(0, kind, owner, credits, hold_id, run_id)
        raise LedgerError(f"key {key!r} cannot be used for {wanted}; it stands for {done}")
    return done.id, False


def _posted(cur: Cursor[TupleRow], key: str) -> _Posted | None:
    _check_text("key", key, _MAX_KEY)
    cur.execute(
        "SELECT id, kind, owner, credits, hold_id, run_id FROM lead_mining.ledger_transaction WHERE key = %s", [key]
    )
    row = cur.fetchone()
    return _Posted(*row) if row else None


def _lock(cur: Cursor[TupleRow], account: str) -> int:
    """Lock a credit account until the transaction ends; returns its available credits, 0 for an unknown account."""
    conn = cur.connection
    if conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE:
        raise LedgerError("the ledger needs a transaction: switch autocommit off or use `with conn.transaction()`")
    cur.execute(
        "SELECT balance FROM lead_mining.ledger_account WHERE owner = %s AND bucket = 'available' FOR UPDATE", [account]
    )
    row = cur.fetchone()
    return row[0] if row else 0


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
