"""What a provider took for nothing: never less than none, never more than it took, whoever else gave what free."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mined_runs import make_run

from lead_mining import candidates

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
PAGES = st.lists(
    st.tuples(
        st.sampled_from([None, "a_provider", "dear", "free"]),  # None: of before there were several
        st.integers(0, 9),  # charged
        st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=3),  # companies: loaded?, contacts
    ),
    max_size=6,
)


@given(pages=PAGES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_lost_is_what_each_provider_took_beyond_what_it_brought(
    crm: psycopg.Connection, pages: list[tuple[str | None, int, list[tuple[bool, int]]]]
) -> None:
    took: Counter[str] = Counter()
    brought: Counter[str] = Counter()
    with crm.transaction(force_rollback=True):
        run_id = make_run(crm)
        position = 0
        for number, (provider, charged, companies) in enumerate(pages, 1):
            took[provider or "a_provider"] += charged
            crm.execute(
                "INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body, provider)"
                " VALUES (%s, %s, 3, %s, %s, '{}', %s)",
                [run_id, number, len(companies), charged, provider],
            )
            for loaded, contacts in companies:
                position += 1
                brought[provider or "a_provider"] += (1 + contacts) * loaded
                crm.execute(
                    "INSERT INTO lead_mining.candidate (run_id, position, page_number, company, contacts, state, lead_id)"
                    " VALUES (%s, %s, %s, '{}', %s, %s, %s)",
                    [run_id, position, number, contacts, *(("loaded", position) if loaded else ("rejected", None))],
                )
        lost = candidates.lost_to_rejections(crm, run_id)
    assert lost == sum(max(credits - brought[who], 0) for who, credits in took.items())
    assert 0 <= lost <= took.total()
