"""The provider's books: accounts, what each bought, how far each filter was sold. One SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provider_simulator import wire
from provider_simulator.errors import InsufficientCreditError

_SCHEMA = """
create table if not exists account (
    token text primary key,
    balance integer not null check (balance >= 0),
    opened_at text not null,
    last_answer text
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

Leads = list[dict[str, Any]]


@dataclass
class Till:
    """An open transaction on one account."""

    connection: sqlite3.Connection
    token: str

    @property
    def balance(self) -> int:
        found = self.connection.execute("select balance from account where token = ?", (self.token,)).fetchone()
        return int(found[0])

    def last_answer(self) -> Leads | None:
        found = self.connection.execute("select last_answer from account where token = ?", (self.token,)).fetchone()
        return None if found[0] is None else list(json.loads(found[0]))

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

    def charge(self, leads: Leads) -> int:
        """Charges for these leads and remembers them. Raises ``InsufficientCreditError``: roll back."""
        due = wire.cost(leads)
        if due > self.balance:
            raise InsufficientCreditError(due)
        if leads:
            self.connection.execute(
                "update account set balance = balance - ?, last_answer = ? where token = ?",
                (due, json.dumps(leads), self.token),
            )
        return due

    def note(self, data: Any, leads: Leads, charged: int, outcome: str) -> None:
        """One line of the account's history. ``leads``: what was delivered."""
        self.connection.execute(
            "insert into call select ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, ? from call where token = ?",
            (
                self.token,
                datetime.now(UTC).isoformat(timespec="milliseconds"),
                json.dumps(data)[:10_000],
                *wire.counts(leads),
                charged,
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
        with closing(self._connect()) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        # autocommit: transactions are begun and ended by hand
        return sqlite3.connect(self.path, timeout=30, isolation_level=None)

    @contextmanager
    def till(self, token: str) -> Iterator[Till]:
        """Opens the account at first sight and locks the books: what happens inside happens whole or not at all."""
        with closing(self._connect()) as connection:
            connection.execute("begin immediate")
            try:
                connection.execute(
                    "insert into account values (?, ?, ?, null) on conflict do nothing",
                    (token, self.trial_credits, datetime.now(UTC).isoformat(timespec="seconds")),
                )
                yield Till(connection, token)
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def sell(self, token: str, data: Any, outcome: str, pick: Callable[[Till], Leads]) -> Leads:
        """Picks leads and charges for them in one transaction; a refusal for lack of credits is noted too."""
        try:
            with self.till(token) as till:
                leads = pick(till)
                till.note(data, leads, till.charge(leads), outcome)
                return leads
        except InsufficientCreditError:
            self.note(token, data, "insufficient_credits")
            raise

    def note(self, token: str, data: Any, outcome: str) -> None:
        """A call that delivered nothing and charged nothing."""
        with self.till(token) as till:
            till.note(data, [], 0, outcome)

    def add_credits(self, token: str, credits: int) -> None:
        with self.till(token) as till:
            till.connection.execute("update account set balance = balance + ? where token = ?", (credits, token))

    def account(self, token: str) -> dict[str, Any] | None:
        """Balance and calls, oldest first; ``None`` for a token that was never used."""
        with closing(self._connect()) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("begin")  # one snapshot for both reads
            account = connection.execute("select balance, opened_at from account where token = ?", (token,)).fetchone()
            if account is None:
                return None
            calls = connection.execute(
                "select number, time, filter, companies, contacts, charged, outcome from call "
                "where token = ? order by number",
                (token,),
            ).fetchall()
            return {
                **dict(account),
                "charged": sum(call["charged"] for call in calls),
                "calls": [{**dict(call), "filter": _read(call["filter"])} for call in calls],
            }


def _read(text: str) -> Any:
    """A filter that was too long to keep whole stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
