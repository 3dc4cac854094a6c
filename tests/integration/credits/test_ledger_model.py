"""The ledger against a model of a few lines, in any order of calls, repeats and rollbacks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InsufficientCredits, LedgerError

amounts = st.integers(1, 40)


@dataclass
class Model:
    available: int = 0
    spent: int = 0
    remaining: dict[int, int] = field(default_factory=dict)  # hold id to credits left

    def balance(self) -> Balance:
        return Balance(self.available, sum(self.remaining.values()), self.spent)


def machine(conn: psycopg.Connection[Any]) -> type[RuleBasedStateMachine]:
    class LedgerMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.account = f"model {uuid.uuid4().hex}"
            self.model = Model()
            self.keys = 0
            self.done: list[tuple[Callable[[], Any], Any]] = []  # every call that worked, with its answer

        def key(self) -> str:
            self.keys += 1
            return f"{self.account} {self.keys}"

        def call(self, function: Callable[..., Any], *args: Any) -> Any:
            answer = function(conn, *args)
            conn.commit()
            self.done.append((lambda: function(conn, *args), answer))
            return answer

        def pick(self, number: int) -> int:
            return list(self.model.remaining)[number % len(self.model.remaining)]

        @rule(credits=amounts)
        def top_up(self, credits: int) -> None:
            key = self.key()
            assert ledger.top_up(conn, self.account, credits, key, "invoice") is True
            conn.commit()
            self.done.append((lambda: ledger.top_up(conn, self.account, credits, key, "invoice"), False))
            self.model.available += credits

        @rule(credits=amounts)
        def hold(self, credits: int) -> None:
            if credits <= self.model.available:
                hold_id = self.call(ledger.hold, self.account, credits, self.key())
                assert hold_id not in self.model.remaining
                self.model.remaining[hold_id] = credits
                self.model.available -= credits
            else:
                with pytest.raises(InsufficientCredits):
                    ledger.hold(conn, self.account, credits, self.key())

        @precondition(lambda self: self.model.remaining)
        @rule(number=st.integers(0, 99), credits=amounts)
        def capture(self, number: int, credits: int) -> None:
            hold_id = self.pick(number)
            if credits <= self.model.remaining[hold_id]:
                self.call(ledger.capture, hold_id, credits, self.key())
                self.model.remaining[hold_id] -= credits
                self.model.spent += credits
            else:
                with pytest.raises(LedgerError):
                    ledger.capture(conn, hold_id, credits, self.key())

        @precondition(lambda self: self.model.remaining)
        @rule(number=st.integers(0, 99))
        def release(self, number: int) -> None:
            hold_id = self.pick(number)
            assert self.call(ledger.release, hold_id, self.key()) == self.model.remaining[hold_id]
            self.model.available += self.model.remaining[hold_id]
            self.model.remaining[hold_id] = 0

        @precondition(lambda self: self.done)
        @rule(number=st.integers(0, 99))
        def repeat(self, number: int) -> None:
            again, answer = self.done[number % len(self.done)]
            assert again() == answer
            conn.commit()

        @rule(credits=amounts)
        def roll_back(self, credits: int) -> None:
            key = self.key()
            ledger.top_up(conn, self.account, credits, key, "invoice")
            for hold_id, remaining in self.model.remaining.items():
                if remaining:
                    ledger.capture(conn, hold_id, 1, f"{key} {hold_id}")
            conn.rollback()

        @invariant()
        def as_modelled(self) -> None:
            assert ledger.balance(conn, self.account) == self.model.balance()

        @invariant()
        def proved_by_the_entries(self) -> None:
            rows = conn.execute(
                "SELECT a.bucket, a.balance, coalesce(sum(e.amount), 0) FROM lead_mining.ledger_account a"
                " LEFT JOIN lead_mining.ledger_entry e ON e.account_id = a.id WHERE a.owner = %s GROUP BY a.id",
                [self.account],
            ).fetchall()
            assert all(balance == total for _, balance, total in rows)
            assert sum(balance for _, balance, _ in rows) == 0
            assert all(balance >= 0 for bucket, balance, _ in rows if bucket != "issued")

        def teardown(self) -> None:
            conn.rollback()

    return LedgerMachine


def test_the_ledger_is_what_its_model_is(conn: psycopg.Connection[Any]) -> None:
    run_state_machine_as_test(
        machine(conn),
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
