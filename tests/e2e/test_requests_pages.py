"""The pages of requests as people use them, in headless Chromium: with the keyboard, in light and dark, and with axe."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack

pytestmark = pytest.mark.e2e
PEOPLE = {
    "countries": ["US", "DE", "FR"],
    "search_type": "people",
    "lead_number": 20,
    "contact_number": 2,
    "preferred_role": "CEO",
    "saved_search": "Spring & summer",
}
WITH_A_BAD_ONE = {"countries": ["US", "DE", "FR"], "lead_number": 60, "industries": ["Software & Services"]}


def trigger(stack: Stack, page: Page, conf: dict[str, object]) -> str:
    """A run of `lead_mining` that has ended; its id."""
    run_id = stack.api.trigger("lead_mining", conf)
    wait(stack, page, "lead_mining", run_id)
    return run_id


def wait(stack: Stack, page: Page, dag_id: str, run_id: str) -> None:
    for _ in range(480):
        state = stack.api.run_state(dag_id, run_id)
        if state in ("success", "failed"):
            return
        page.wait_for_timeout(500)
    raise AssertionError(stack.api.tasks(dag_id, run_id))


def test_a_request_is_followed_from_the_list_to_its_leads(
    laptop: Page, stack: Stack, conn: psycopg.Connection, good: Callable[[str], None]
) -> None:
    page = laptop
    run_id = stack.api.trigger("lead_mining", PEOPLE)
    page.goto("/lead-mining/")
    row = page.get_by_role("row").filter(has_text="20 companies and contacts in US, DE, FR").first
    expect(row).to_contain_text("Spring & summer")
    expect(row.locator(".badge.running")).to_be_visible()
    expect(row.locator(".badge.done")).to_be_visible()  # without a click: the list follows
    expect(page.get_by_role("status")).to_have_text("")
    wait(stack, page, "lead_mining", run_id)
    good("20-requests")

    page.reload()
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_label("Saved search").select_option("Spring & summer")
    page.get_by_role("button", name="Show").press("Enter")
    link = page.get_by_role("row").filter(has_text="Spring & summer").first.get_by_role("link", name=re.compile("^LMR"))
    link.press("Enter")
    number = page.get_by_role("heading", level=1).inner_text().removeprefix("Request ")
    assert conn.execute("SELECT run_key FROM lead_mining.run WHERE request_number = %s", [number]).fetchone() == (
        f"lead_mining/{run_id}",
    )

    loaded = conn.execute(
        "SELECT count(*), sum(contacts), (SELECT company->'contacts'->0->>'full_name' FROM lead_mining.candidate c"
        " WHERE c.run_id = r.id AND c.state = 'loaded' ORDER BY position LIMIT 1)"
        " FROM lead_mining.candidate JOIN lead_mining.run r ON r.id = run_id WHERE run_key = %s AND state = 'loaded'"
        " GROUP BY r.id", [f"lead_mining/{run_id}"],
    ).fetchone()  # fmt: skip
    expect(page.get_by_role("definition").filter(has_text=re.compile(rf"^{loaded[0]}$")).first).to_be_visible()
    good("21-request")
    page.get_by_text("Enrichment note of").first.click()
    note = page.frame_locator("iframe").first
    expect(note.get_by_text("Lead created by lead mining request")).to_be_visible()
    if loaded[2]:
        expect(note.get_by_text(loaded[2]).first).to_be_visible()
    page.get_by_text("Enrichment note of").first.scroll_into_view_if_needed()
    good("26-note")


def test_rejections_are_chosen_and_tried_again(
    laptop: Page, stack: Stack, conn: psycopg.Connection, good: Callable[[str], None]
) -> None:
    page = laptop
    run_id = trigger(stack, page, WITH_A_BAD_ONE)
    page.goto(f"/lead-mining/requests/lead_mining/{run_id}")
    page.get_by_role("link", name="Look at what was turned down").press("Enter")
    good("22-rejections")
    page.get_by_role("checkbox", name=re.compile("^Try .* again$")).first.press("Space")
    for rule in page.locator("input[name=overrule]").all():
        rule.press("Space")
    page.get_by_role("button", name="Try the chosen ones again").press("Enter")
    expect(page.get_by_text("1 rejected company once more").first).to_be_visible()
    retry = page.url.rpartition("/")[2].replace("%3A", ":").replace("%2B", "+")
    wait(stack, page, "retry_rejections", retry)
    expect(page.locator("#status .badge")).to_contain_text(re.compile("^done"))
    assert conn.execute(
        "SELECT array_length(overruled, 1) > 0 FROM lead_mining.run WHERE run_key = %s", [f"retry_rejections/{retry}"]
    ).fetchone() == (True,)
    good("23-retry")


def test_who_waits_for_approval_is_led_to_it(laptop: Page, stack: Stack, good: Callable[[str], None]) -> None:
    page = laptop
    run_id = stack.api.trigger("lead_mining", {"countries": ["US"], "lead_number": 3, "approval_threshold": 1})
    page.goto(f"/lead-mining/requests/lead_mining/{run_id}")
    expect(page.locator("#status .badge.waiting")).to_have_text("waiting for approval")
    good("24-waiting")
    page.get_by_role("link", name="approve or reject it").click()
    page.wait_for_timeout(3_000)  # Airflow 3.3 asks again where an answer overtakes its own note that the task waits
    page.get_by_role("button", name="Reject").click()
    wait(stack, page, "lead_mining", run_id)
    page.goto(f"/lead-mining/requests/lead_mining/{run_id}")
    expect(page.locator("#status .badge")).to_have_text("not approved: nothing was bought")


def test_a_request_that_was_refused_says_where_to_look(laptop: Page, stack: Stack, good: Callable[[str], None]) -> None:
    page = laptop
    run_id = trigger(stack, page, {"countries": ["US"], "team": "Moon base"})
    page.goto(f"/lead-mining/requests/lead_mining/{run_id}")
    expect(page.get_by_text("It did not get as far as a number")).to_be_visible()
    good("25-refused")
    page.get_by_role("link", name="the log of its first task").click()
    expect(page.get_by_text(re.compile("Moon base")).first).to_be_visible()


def test_the_last_task_leads_to_the_request(page: Page, stack: Stack) -> None:
    run_id = trigger(stack, page, {"countries": ["AQ"]})
    page.goto(f"/dags/lead_mining/runs/{run_id}/tasks/release/details")
    page.get_by_role("link", name="Request", exact=True).click()
    expect(page.locator("#status .badge")).to_have_text("done: nothing to load")
    expect(page.get_by_text("Ask more widely")).to_be_visible()
