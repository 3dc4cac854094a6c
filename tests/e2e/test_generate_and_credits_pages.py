"""Generating leads and looking at credits in a real browser, light and dark, by keyboard too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from airflow_rest import api
from playwright.sync_api import Page, expect

from local_stack.stack import Stack

pytestmark = pytest.mark.e2e


def ended_run(page: Page, stack: Stack) -> str:
    """The id of the run that the form has started, when it has ended."""
    page.wait_for_url(re.compile(r"/lead-mining/requests/lead_mining/form__\w+$"))
    run_id = page.url.rpartition("/")[2]
    for _ in range(480):
        if stack.api.run_state("lead_mining", run_id) in ("success", "failed"):
            break
        page.wait_for_timeout(500)
    return run_id


def test_from_the_form_by_a_preview_to_leads(
    laptop: Page, stack: Stack, conn: psycopg.Connection, good: Callable[[str], None]
) -> None:
    page = laptop
    real_runs = "SELECT count(*) FROM lead_mining.run WHERE NOT dry_run"
    (before,) = conn.execute(real_runs).fetchone()
    page.goto("/lead-mining/generate/")
    expect(page.locator("#field-preferred_role")).to_be_hidden()
    good("40-generate-empty")

    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("One field is not right yet: Countries")
    expect(page.locator("#error-countries")).to_have_text("Choose at least one")

    page.get_by_label("Companies and their contacts").check()
    page.get_by_label("Find in countries").fill("united s")
    expect(page.locator("#list-countries label:visible")).to_have_count(2)  # with the Minor Outlying Islands
    page.keyboard.press("Tab")
    page.get_by_label("United States", exact=True).press("Space")
    expect(page.locator("#chosen-countries")).to_have_text("United States")
    expect(page.locator("#error-countries")).to_be_empty()
    page.get_by_label("California", exact=True).check()
    expect(page.get_by_label("Ontario", exact=True)).to_be_hidden()
    page.get_by_label("Number of leads").fill("0")
    expect(page.locator("#error-lead_number")).to_contain_text("greater than or equal to 1")
    expect(page.get_by_label("Number of leads")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Number of leads").fill("6")
    expect(page.get_by_label("Number of leads")).to_have_attribute("aria-invalid", "false")
    page.get_by_label("Contacts per company").fill("2")
    expect(page.locator("#cost")).to_contain_text("18 credits at most")
    expect(page.locator("#cost")).to_contain_text("Up to 6 for companies and up to 12 for their contacts")
    page.get_by_label("Seniority", exact=True).first.check()
    expect(page.locator("#field-preferred_role")).to_be_hidden()
    page.get_by_label("Role", exact=True).check()
    page.get_by_label("Preferred role").select_option("CEO")
    page.locator("#list-states").evaluate("states => states.scrollIntoView({block: 'center'})")
    good("41-generate-filled")

    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("At most 18 credits")
    expect(page.get_by_label("California", exact=True)).to_be_checked()
    good("42-generate-preview")
    assert conn.execute(real_runs).fetchone() == (before,)

    page.get_by_role("button", name="Generate leads").dblclick()
    run_id = ended_run(page, stack)
    assert conn.execute(real_runs).fetchone() == (before + 1,), "sent twice, it is one run"
    run = conn.execute(
        "SELECT request->'states', request->>'preferred_role', lead_number, count(c.lead_id) > 0 FROM lead_mining.run r"
        " JOIN lead_mining.candidate c ON c.run_id = r.id WHERE run_key = %s GROUP BY r.id",
        [f"lead_mining/{run_id}"],
    ).fetchall()
    assert run == [(["US-CA"], "CEO", 6, True)]


@pytest.fixture
def two_sources(stack: Stack) -> Iterator[tuple[str, str]]:
    """Connections to the simulator: one sells no contacts, the other finds those of any company."""
    first = json.loads(stack.env["AIRFLOW_CONN_LEAD_MINING_PROVIDER"])
    companies = first | {"extra": json.dumps(first["extra"] | {"contract": 19})}
    people = first | {"conn_type": "people_data_labs", "extra": json.dumps({"rates": {"search": [[1000, 60]]}})}
    made = {"companies_only": companies, "contacts_too": people}
    for conn_id, values in made.items():
        api(stack, "POST", "/connections", values | {"connection_id": conn_id})
    yield "companies_only", "contacts_too"
    for conn_id in made:
        api(stack, "DELETE", f"/connections/{conn_id}")


def test_where_a_source_sells_no_contacts_another_is_asked_for_them(
    laptop: Page, stack: Stack, conn: psycopg.Connection, good: Callable[[str], None], two_sources: tuple[str, str]
) -> None:
    page, (companies_only, contacts_too) = laptop, two_sources
    page.goto("/lead-mining/generate/")
    page.get_by_label("Companies and their contacts").check()
    page.get_by_label("Brazil", exact=True).check()  # where no other test mines: what is known is not mined again
    page.get_by_label("Number of leads").fill("8")
    page.get_by_label("Seniority", exact=True).first.check()
    page.locator("#field-seniority select").select_option("director")
    page.get_by_text("Connections, messages and trial run").click()
    page.get_by_label("Provider connection").fill(companies_only)
    expect(page.locator("#error-search_type")).to_contain_text("'companies_only' cannot do it")
    page.locator("#field-search_type").scroll_into_view_if_needed()
    good("46-generate-no-contacts")

    page.get_by_label("Then ask").fill(contacts_too)
    expect(page.locator("#error-search_type")).to_be_empty()
    expect(page.locator("#cost")).to_contain_text("the contacts of its companies are asked of 'contacts_too'")
    good("47-generate-two-sources")
    page.get_by_role("button", name="Generate leads").click()
    run_id = ended_run(page, stack)
    page.reload()
    for conn_id in two_sources:
        expect(page.locator("main")).to_contain_text(conn_id)
    good("48-request-of-two-sources")
    contacts = conn.execute(
        "SELECT sum(c.contacts) FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id"
        " WHERE r.run_key = %s AND c.lead_id IS NOT NULL",
        [f"lead_mining/{run_id}"],
    ).fetchone()
    assert contacts is not None
    assert contacts[0] > 0


def test_credits_are_shown_and_topped_up_once(
    laptop: Page, conn: psycopg.Connection, good: Callable[[str], None]
) -> None:
    page = laptop
    page.goto("/lead-mining/credits/")
    (before,) = conn.execute(
        "SELECT balance FROM lead_mining.ledger_account WHERE (owner, bucket) = ('default', 'available')"
    ).fetchone()
    row = page.get_by_role("row", name=re.compile("^default"))
    expect(row).to_contain_text(f"{before:,}")
    good("43-credits")

    page.get_by_label("Credits bought").fill("500")
    page.get_by_label("Payment reference").fill("INV/e2e <b>")
    page.get_by_role("button", name="Book credits").dblclick()
    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    expect(row).to_contain_text(f"{before + 500:,}")
    line = page.get_by_role("row").filter(has_text="INV/e2e <b>")
    expect(line).to_have_count(1)
    expect(line).to_contain_text("+500")
    page.get_by_label("Account", exact=True).select_option("default")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row").filter(has_text="INV/e2e <b>")).to_be_visible()
    good("44-credits-booked")
