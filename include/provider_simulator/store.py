"""The provider's books: accounts, what each bought, how far each filter was sold. One SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from provider_simulator.errors import InsufficientCreditError

_SCHEMA = """
create table if not exists account (
    token text primary key,
    balance integer not null check (balance >= 0),
    opened_at text not null
);
create table if not exists last_sale (
    token text primary key references account,
    data text not null,
    positions text not null
);
create table if not exists sold (
    token text not null references account,
    filter text not null,
    next_position integer not null,
    primary key (token, filter)
);
create table if not exists call (
    token text not null references account,
    number integer not null,
    time text not null,
    filter text not null,
    companies integer not null,
    contacts integer not null,
    charged integer not null,
    outcome text not null,
    primary key (token, number)
);
"""


@dataclass(frozen=True)
class Sale:
    """What one call delivers: the answer, the companies and contacts in it, and its price in credits."""

    answer: Any
    companies: int = 0
    contacts: int = 0
    price: int = 0


@dataclass
class Till:
    """An open transaction on one account."""

    connection: sqlite3.Connection
    token: str

    @property
    def balance(self) -> int:
        found = self.connection.execute("select balance from account where token = ?", (self.token,)).fetchone()
        return int(found[0])

    def last_sale(self) -> tuple[Any, list[int]] | None:
        """The filter that was last sold to, and the positions that were sold."""
        sold = "select data, positions from last_sale where token = ?"
        found = self.connection.execute(sold, (self.token,)).fetchone()
        return None if found is None else (json.loads(found[0]), json.loads(found[1]))

    def remember(self, data: Any, positions: list[int]) -> None:
        """For `last_sale`: the leads themselves would make up most of what is written."""
        self.connection.execute(
            "insert into last_sale values (?, ?, ?) "
            "on conflict (token) do update set data = excluded.data, positions = excluded.positions",
            (self.token, json.dumps(data), json.dumps(positions)),
        )

    def take(self, key: str, positions: list[int], number: int) -> list[int]:
        """The next positions of this filter for this account; from the start again when all were sold."""
        found = self.connection.execute(
            "select next_position from sold where token = ? and filter = ?", (self.token, key)
        ).fetchone()
        start = found[0] if found and found[0] < len(positions) else 0
        taken = positions[start : start + number]
        self.connection.execute(
            "insert into sold values (?, ?, ?) "
            "on conflict (token, filter) do update set next_position = excluded.next_position",
            (self.token, key, start + len(taken)),
        )
        return taken

    def charge(self, price: int) -> None:
        """Raises ``InsufficientCreditError``: roll back."""
        if price > self.balance:
            raise InsufficientCreditError(price)
        self.connection.execute("update account set balance = balance - ? where token = ?", (price, self.token))

    def note(self, asked: Any, sale: Sale, outcome: str) -> None:
        """One line of the account's history."""
        self.connection.execute(
            "insert into call select ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, ? from call where token = ?",
            (
                self.token,
                datetime.now(UTC).isoformat(timespec="milliseconds"),
                json.dumps(asked)[:10_000],
                sale.companies,
                sale.contacts,
                sale.price,
                outcome,
                self.token,
            ),
        )


class Store:
    """``path`` is made when it does not exist. Safe to use from several threads and processes."""

    def __init__(self, path: Path, trial_credits: int) -> None:
        self.path = path
        self.trial_credits = trial_credits
        path.parent.mkdir(parents=True, exist_ok=True)
        self._kept = threading.local()
        self._one_at_a_time = threading.Lock()  # who waits for SQLite's own lock sleeps longer than need be
        self._connection.execute("pragma journal_mode = wal")
        self._connection.executescript(_SCHEMA)

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's. Closing the last one writes the log back and waits for the disk, so they are kept."""
        if not hasattr(self._kept, "connection"):
            # autocommit: transactions are begun and ended by hand
            self._kept.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            # whole after a crash of the process; the last sales may be lost with the machine alone
            self._kept.connection.execute("pragma synchronous = normal")
        return cast("sqlite3.Connection", self._kept.connection)

    @contextmanager
    def till(self, token: str) -> Iterator[Till]:
        """Opens the account at first sight and locks the books: what happens inside happens whole or not at all."""
        connection = self._connection
        with self._one_at_a_time:
            connection.execute("begin immediate")
            try:
                connection.execute(
                    "insert into account (token, balance, opened_at) values (?, ?, ?) on conflict do nothing",
                    (token, self.trial_credits, datetime.now(UTC).isoformat(timespec="seconds")),
                )
                yield Till(connection, token)
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def note(self, token: str, asked: Any, outcome: str) -> None:
        """A call that delivered nothing and charged nothing."""
        with self.till(token) as till:
            till.note(asked, Sale(None), outcome)

    def add_credits(self, token: str, credits: int) -> None:
        with self.till(token) as till:
            till.connection.execute("update account set balance = balance + ? where token = ?", (credits, token))

    def balance(self, token: str) -> int:
        """Of a token that was never used: what a new account gets."""
        found = self._connection.execute("select balance from account where token = ?", (token,)).fetchone()
        return self.trial_credits if found is None else int(found[0])

    def spent(self, token: str) -> int:
        """Credits charged in all."""
        charged = "select coalesce(sum(charged), 0) from call where token = ?"
        return int(self._connection.execute(charged, (token,)).fetchone()[0])

    def account(self, token: str) -> dict[str, Any] | None:
        """Balance and calls, oldest first; ``None`` for a token that was never used."""
        connection = self._connection
        connection.execute("begin")  # one snapshot for both reads
        try:
            account = connection.execute("select balance, opened_at from account where token = ?", (token,)).fetchone()
            calls = connection.execute(
                "select number, time, filter, companies, contacts, charged, outcome from call "
                "where token = ? order by number",
                (token,),
            ).fetchall()
        finally:
            connection.execute("commit")
        if account is None:
            return None
        names = ("number", "time", "filter", "companies", "contacts", "charged", "outcome")
        told = [dict(zip(names, call, strict=True)) for call in calls]
        return {
            "balance": account[0],
            "opened_at": account[1],
            "charged": sum(call["charged"] for call in told),
            "calls": [{**call, "filter": _read(call["filter"])} for call in told],
        }


def _read(text: str) -> Any:
    """A filter that was too long to keep whole stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
