"""Many runs at once on one account with too little in it: what it has is spent, and no run waits for ever."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from databases import new_database

from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.credits.ledger import Balance
from provider_simulator.generate import generate
from provider_simulator.testing import Simulator, running_simulator

from .runner import Mining, StepRunner
from .sweep import STEPS

LEADS = 2


@pytest.fixture(scope="module")
def clean_provider() -> Iterator[Simulator]:
    """Sells nothing that would be rejected: what is held is spent."""
    rows = [row for row in generate() if row["dirt"] == "[]" and row["duplicate_of"] is None and row["name"]]
    with running_simulator(rows) as running:
        yield running


@pytest.mark.parametrize(("runs", "payable"), [(8, 3), (32, 10)])
@pytest.mark.parametrize("trim", [False, True], ids=["or none", "trimmed"])
def test_all_that_can_be_paid_is_mined_and_no_more(
    postgres_server: str,
    crm_template: Callable[[str], str],
    clean_provider: Simulator,
    runner: StepRunner,
    tell: Callable[..., None],
    runs: int,
    payable: int,
    trim: bool,
) -> None:
    credits = payable * LEADS + 1  # one is too little for another run, but for a trimmed one
    request = {
        "countries": ["US"],
        "lead_number": LEADS,
        "on_insufficient_credits": "trim" if trim else "fail",
    }
    with new_database(postgres_server, crm_template("embedded")) as dsn, tempfile.TemporaryDirectory() as docs:
        with psycopg.connect(dsn) as conn:
            ledger.top_up(conn, "default", credits, key="trial", reference="trial")
        token = f"many-{uuid4().hex}"
        minings = [Mining(dsn, clean_provider.url, token, f"lead_mining/{n}", request, docs) for n in range(runs)]
        outcomes = runner.run_together(minings, STEPS)
        with psycopg.connect(dsn) as conn:
            balance = ledger.balance(conn, "default")
            states = Counter(conn.execute("SELECT state, error_type FROM crm_iap_lead_mining_request").fetchall())
            leads = conn.execute("SELECT count(*) FROM crm_lead WHERE lead_mining_request_id IS NOT NULL").fetchall()
            found = audit(conn)
    paid = payable + trim
    failures = Counter((outcome.failure.step, outcome.failure.error) for outcome in outcomes if outcome.failure)
    tell(f"{runs} runs at once, credits for {payable}{', trimmed' * trim}", runs, runs, runs - len(found), len(found))
    assert [outcome.exit_code for outcome in outcomes] == [0] * runs, "none hung"
    assert failures == {("prepare_request", "InsufficientCredits"): runs - paid}
    assert states == {("done", None): paid, ("error", "credits"): runs - paid}
    spent = credits if trim else credits - 1
    assert balance == Balance(available=credits - spent, spent=spent)
    assert leads == [(spent,)]
    assert clean_provider.account(token)["charged"] == spent
    assert found == []
