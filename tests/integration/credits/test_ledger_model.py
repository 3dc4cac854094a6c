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
from mined_runs import mine, set_aside

from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance
from lead_mining.exceptions import InsufficientCredits, LedgerError

amounts = st.integers(1, 40)


@dataclass
class Model:
    available: int = 0
    spent: int = 0
    remaining: dict[int, int] = field(default_factory=dict)  # hold id to credits left
    used: int = 0  # this month: held or spent, refunds or not
    budget: int | None = None
    leads: dict[int, int] = field(default_factory=dict)  # candidate id to what was paid for it, until it is refunded

    @property
    def spendable(self) -> int:
        return self.available if self.budget is None else min(self.available, max(self.budget - self.used, 0))

    def balance(self) -> Balance:
        return Balance(self.available, sum(self.remaining.values()), self.spent)


def machine(conn: psycopg.Connection[Any], mirrored: bool) -> type[RuleBasedStateMachine]:
    class LedgerMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.account = f"model {uuid.uuid4().hex}"
            self.model = Model()
            self.provider = self.account if mirrored else None
            accounts.set_up(conn, Account(self.account, self.provider))
            conn.commit()
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
            if credits <= self.model.spendable:
                hold_id = self.call(set_aside, self.account, credits, self.key())
                assert hold_id not in self.model.remaining
                self.model.remaining[hold_id] = credits
                self.model.available -= credits
                self.model.used += credits
            else:
                with pytest.raises(InsufficientCredits) as refused:
                    set_aside(conn, self.account, credits, self.key())
                assert refused.value.available == self.model.spendable
                conn.rollback()

        @rule(budget=st.none() | st.integers(0, 200))
        def set_budget(self, budget: int | None) -> None:
            accounts.set_up(conn, Account(self.account, self.provider, monthly_budget=budget))
            conn.commit()
            self.model.budget = budget

        @precondition(lambda self: mirrored)
        @rule(credits=amounts)
        def charge(self, credits: int) -> None:
            key = self.key()
            if credits <= self.model.available:
                assert ledger.charge(conn, self.account, credits, key, "by hand") is True
                conn.commit()
                self.done.append((lambda: ledger.charge(conn, self.account, credits, key, "by hand"), False))
                self.model.available -= credits
                self.model.spent += credits
                self.model.used += credits
            else:
                with pytest.raises(InsufficientCredits):
                    ledger.charge(conn, self.account, credits, key, "by hand")

        @precondition(lambda self: not mirrored)
        @rule(contacts=st.integers(0, 5))
        def load_a_lead(self, contacts: int) -> None:
            cost = 1 + contacts
            if cost > self.model.spendable:
                return
            row = conn.execute("SELECT coalesce(max(lead_id), 0) + 1 FROM lead_mining.candidate").fetchone()
            assert row
            ((candidate_id),) = mine(conn, self.account, {row[0]: contacts}, self.key()).values()
            conn.commit()
            self.model.leads[candidate_id] = cost
            self.model.available -= cost
            self.model.spent += cost
            self.model.used += cost

        @precondition(lambda self: self.model.leads)
        @rule(number=st.integers(0, 99))
        def refund(self, number: int) -> None:
            candidate_id = list(self.model.leads)[number % len(self.model.leads)]
            cost = self.model.leads.pop(candidate_id)
            assert self.call(ledger.refund, candidate_id, "closed") == cost
            self.model.available += cost
            self.model.spent -= cost

        @precondition(lambda self: self.model.remaining)
        @rule(number=st.integers(0, 99), keep=st.integers(0, 40))
        def release_all_but(self, number: int, keep: int) -> None:
            hold_id = self.pick(number)
            given_back = max(self.model.remaining[hold_id] - keep, 0)
            key = self.key()
            assert ledger.release(conn, hold_id, key, keep=keep) == given_back
            conn.commit()
            self.model.available += given_back
            self.model.used -= given_back
            self.model.remaining[hold_id] -= given_back

        @rule()
        def half_a_year_passes_for_the_holds(self) -> None:
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("UPDATE lead_mining.hold SET expires_at = now() WHERE owner = %s", [self.account])
            conn.execute("SET LOCAL session_replication_role = origin")
            given_back = [
                (id_, credits) for owner, id_, credits in ledger.release_expired(conn) if owner == self.account
            ]
            assert given_back == sorted((id_, left) for id_, left in self.model.remaining.items() if left)
            conn.commit()
            for id_, credits in given_back:
                self.model.remaining[id_] = 0
                self.model.available += credits
                self.model.used -= credits

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
            self.model.used -= self.model.remaining[hold_id]
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
            assert ledger.spendable(conn, self.account).credits == self.model.spendable
            used = conn.execute(
                "SELECT coalesce(sum(credits), 0) FROM lead_mining.monthly_use WHERE (scope, name) = ('account', %s)",
                [self.account],
            ).fetchone()
            assert used == (self.model.used,)
            stated = conn.execute(
                "SELECT available, spent FROM lead_mining.account_statement WHERE account = %s ORDER BY id DESC LIMIT 1",
                [self.account],
            ).fetchone()
            assert stated in (None, (self.model.available, self.model.spent))
            conn.rollback()  # the look at what is spendable locks the account

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


@pytest.mark.parametrize("mirrored", [False, True], ids=["local", "mirrored"])
def test_the_ledger_is_what_its_model_is(conn: psycopg.Connection[Any], mirrored: bool) -> None:
    run_state_machine_as_test(
        machine(conn, mirrored),
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
