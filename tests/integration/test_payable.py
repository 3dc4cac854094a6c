"""What can be paid is kept: the first in the provider's order, up to the first that is beyond the leads or credits."""

from __future__ import annotations

from itertools import takewhile
from random import Random

import psycopg
import pytest

from lead_mining import candidates, payable, pipeline
from lead_mining.providers.base import Company, Contact, Page

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)


def accepted_with(conn: psycopg.Connection, key: str, costs: list[int]) -> int:
    """A run with accepted candidates of these costs, and a rejected one before each of them; its id."""
    run_id = int(pipeline.prepare_request(conn, key, {"countries": ["US"], "lead_number": 3})["run_id"])
    companies = [Company(name=f"{n}", contacts=(Contact(full_name="A"),) * (cost - 1)) for n, cost in enumerate(costs)]
    page = Page(raw={}, records=[{}], charged=0, next_cursor=None)
    candidates.store_page(conn, run_id, 1, 1, page, [c for one in companies for c in (Company(name="no"), one)])
    conn.execute(
        "UPDATE lead_mining.candidate SET state = CASE WHEN position %% 2 = 0 THEN 'accepted' ELSE 'rejected' END"
        " WHERE run_id = %s",
        [run_id],
    )
    return run_id


@pytest.mark.parametrize("seed", range(6))
def test_as_one_would_count(conn: psycopg.Connection, seed: int) -> None:
    random = Random(seed)  # the same each time
    costs = [random.randint(1, 6) for _ in range(random.choice([0, 1, 9, 40]))]
    leads, credits = random.randint(1, 45), random.randint(0, 150)
    run_id = accepted_with(conn, f"payable/{seed}", costs)
    total = 0

    def fits(cost: int) -> bool:
        nonlocal total
        total += cost
        return total <= credits

    kept = list(takewhile(fits, costs[:leads]))
    assert payable.keep(conn, run_id, leads, credits) == (len(kept), sum(kept) - len(kept), sum(kept))
    left = conn.execute(
        "SELECT position FROM lead_mining.candidate WHERE run_id = %s AND state = 'accepted' ORDER BY id", [run_id]
    ).fetchall()
    assert left == [(2 * n,) for n in range(1, len(kept) + 1)]
    why = conn.execute(
        "SELECT j.rule, j.value, j.severity, j.step FROM lead_mining.rejection j WHERE j.run_id = %s ORDER BY j.id",
        [run_id],
    ).fetchall()
    rule = "affordable" if len(kept) < leads else "no_more_than_asked"
    assert why == [(rule, str(cost), "reject", "debit_credits") for cost in costs[len(kept) :]]
