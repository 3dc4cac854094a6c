"""The pages of saved searches and of quality in a real browser: mined by hand, light and dark, and with axe."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
from nights import SEARCHES
from playwright.sync_api import Page, expect

from lead_mining.credits import ledger
from local_stack.stack import Stack

pytestmark = pytest.mark.e2e
NAME, _ = SEARCHES["american_chiefs"]


def test_a_search_is_mined_by_hand_and_leads_to_what_came(
    laptop: Page, stack: Stack, conn: psycopg.Connection, good: Callable[[str], None]
) -> None:
    with conn.transaction():
        ledger.top_up(conn, "emea", 10, "searches page", "searches page")
    laptop.goto("/lead-mining/")
    laptop.get_by_role("link", name="Saved searches").click()
    row = laptop.get_by_role("row", name=re.compile(NAME))
    runs = row.get_by_role("cell").nth(3).get_by_role("link")
    before = runs.count()
    expect(row).to_contain_text("of 100 credits")
    row.get_by_role("button", name=f"Mine {NAME} now").press("Enter")
    expect(laptop.get_by_role("status")).to_contain_text(f"{NAME} is being mined for today")

    for _ in range(240):
        laptop.goto("/lead-mining/searches/")
        if runs.count() > before and runs.first.inner_text().isdigit():
            break
        laptop.wait_for_timeout(1000)
    expect(runs.first).to_have_text(re.compile(r"^\d+$"))
    good("50-searches")
    runs.first.click()
    expect(laptop.get_by_role("heading", level=1)).to_contain_text("LMR")
    expect(laptop.get_by_text(NAME).first).to_be_visible()


@pytest.mark.parametrize("page_of", ["quality", "data-docs"])
def test_axe_finds_nothing_serious_elsewhere_either(laptop: Page, good: Callable[[str], None], page_of: str) -> None:
    laptop.goto(f"/lead-mining/{page_of}/")
    good(f"51-{page_of}")
