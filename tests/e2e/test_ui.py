"""The UI as a salesperson uses it, in headless Chromium: trigger by the form, watch the run, open Data Docs."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack

pytestmark = pytest.mark.e2e


def choose(page: Page, param: str, *labels: str) -> None:
    """Choose labels in a multi-select of the trigger form."""
    for label in labels:
        page.locator(f"#element_{param} input").first.fill(label)
        page.get_by_role("option", name=re.compile(re.escape(label))).first.click()


def test_mine_by_the_form_watch_the_run_and_open_data_docs(
    page: Page, stack: Stack, conn: psycopg.Connection, picture: Callable[..., None]
) -> None:
    leads_before = conn.execute("SELECT count(*) FROM crm_lead").fetchone()
    page.goto("/dags/lead_mining")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Number of leads")).to_be_visible()
    picture("1-form-empty")

    choose(page, "countries", "Germany", "United States")
    choose(page, "industries", "Software & Services")
    dialog.get_by_role("spinbutton").first.fill("5")
    picture("2-form-filled")
    dialog.get_by_role("button", name="Trigger").click()
    expect(dialog).to_be_hidden()  # then the run is made

    run_id = _newest_run(stack)
    page.goto(f"/dags/lead_mining/runs/{run_id}")
    expect(page.get_by_role("link", name="prepare_request").first).to_be_visible()
    picture("3-run")
    _wait_for_success(stack, page, run_id)
    page.reload()
    expect(page.get_by_role("link", name="write_enrichment_notes").first).to_be_visible()
    picture("4-run-ended")

    page.goto(f"/dags/lead_mining/runs/{run_id}/tasks/release")
    expect(page.get_by_text(re.compile(r"leads loaded")).first).to_be_visible()
    picture("5-summary-in-the-log")
    assert conn.execute("SELECT count(*) FROM crm_lead").fetchone() > leads_before

    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Lead mining").click()
    docs = opened.value
    docs.get_by_role("navigation", name="Lead mining").get_by_role("link", name="Data Docs").click()
    docs.get_by_role("link", name=re.compile("LMR")).first.click()
    expect(docs.get_by_text("domain_is_well_formed").first).to_be_visible()
    picture("6-data-docs", docs)
    docs.get_by_role("link", name="Open in Great Expectations").first.click()
    expect(docs.get_by_text(re.compile("Expectation", re.IGNORECASE)).first).to_be_visible()
    picture("7-data-docs-of-a-suite", docs)


def test_from_a_run_to_its_data_docs_to_what_a_rule_turned_down_and_quality_over_time(
    page: Page, stack: Stack, conn: psycopg.Connection, picture: Callable[..., None]
) -> None:
    for _ in range(2):  # two points of a line
        run_id = stack.api.trigger(
            "lead_mining", {"countries": ["US", "DE", "FR"], "lead_number": 40, "saved_search": "E2E"}
        )
        _wait_for_success(stack, page, run_id)
    rule, count = conn.execute(
        "SELECT q.rule, q.failed FROM lead_mining.quality_rule_result q JOIN lead_mining.run r ON r.id = q.run_id"
        " WHERE r.run_key = %s AND q.suite = 'company' AND q.failed > 0 ORDER BY q.failed DESC LIMIT 1",
        [f"lead_mining/{run_id}"],
    ).fetchone()  # the simulator's companies are as dirty as real ones

    page.goto(f"/dags/lead_mining/runs/{run_id}")
    page.get_by_role("row").filter(has_text="validate").get_by_role("link", name="1 to 40").click()
    page.get_by_role("tab", name="Details").or_(page.get_by_role("link", name="Details")).first.click()
    expect(page.get_by_role("link", name="Rejections")).to_be_visible()
    page.get_by_role("link", name="Data Docs", exact=True).click()
    row = page.get_by_role("row", name=re.compile(rf"^{rule} "))
    expect(row).to_contain_text(f"{count} of 40")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile(f"{rule}: {count}"))).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(
        2 + count + len(conn.execute(
            "SELECT DISTINCT step, rule, severity, contact_index IS NULL FROM lead_mining.rejection j"
            " JOIN lead_mining.run r ON r.id = j.run_id WHERE r.run_key = %s", [f"lead_mining/{run_id}"]
        ).fetchall())
    )  # fmt: skip
    picture("10-rejections")
    page.get_by_role("link", name="quality over time").click()
    expect(page.get_by_text("lead_mining_provider · E2E")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("LMR")).first).to_be_visible()
    picture("11-quality-over-time")
    page.emulate_media(color_scheme="dark")
    picture("12-quality-over-time-dark")


def test_the_form_does_not_start_a_run_without_countries(page: Page) -> None:
    page.goto("/dags/lead_mining")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("This field is required")).to_be_visible()
    expect(dialog.get_by_role("button", name="Trigger")).to_be_disabled()


def test_connection_types_have_forms(page: Page, picture: Callable[[str], None]) -> None:
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").first.click()
    page.keyboard.type("lead_catalog")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(dialog.get_by_text("The file, as every worker sees it").first).to_be_visible()
    picture("8-connection-form")


def _newest_run(stack: Stack) -> str:
    runs = stack.api._call("GET", "/dags/lead_mining/dagRuns?order_by=-run_after&limit=1")
    return str(runs["dag_runs"][0]["dag_run_id"])


def _wait_for_success(stack: Stack, page: Page, run_id: str) -> None:
    for _ in range(480):
        state = stack.api.run_state("lead_mining", run_id)
        if state in ("success", "failed"):
            break
        page.wait_for_timeout(500)
    assert state == "success", stack.api.tasks("lead_mining", run_id)


def _wait_for_the_question(stack: Stack, page: Page, run_id: str) -> None:
    for _ in range(240):
        states = {task["task_id"]: task["state"] for task in stack.api.tasks("lead_mining", run_id)}
        if states.get("approve_cost") == "awaiting_input":
            return
        page.wait_for_timeout(500)
    raise AssertionError(states)


def test_a_person_sees_what_is_asked_for_and_what_it_costs_and_rejects_it(
    page: Page, stack: Stack, conn: psycopg.Connection, picture: Callable[[str], None]
) -> None:
    conf = {"countries": ["US", "DE"], "lead_number": 7, "approval_threshold": 5, "tags": ["<b>Spring</b> | 50% *off*"]}
    run_id = stack.api.trigger("lead_mining", conf)
    _wait_for_the_question(stack, page, run_id)
    page.goto(f"/dags/lead_mining/runs/{run_id}/tasks/approve_cost/required_actions")
    expect(page.get_by_text("at most 7 credits").first).to_be_visible()
    expect(page.get_by_role("cell", name="United States, Germany")).to_be_visible()
    expect(page.get_by_role("cell", name="<b>Spring</b> | 50% *off*")).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("credits left beside these"))).to_be_visible()
    picture("9-approval")
    page.wait_for_timeout(3_000)  # Airflow 3.3 asks again where an answer overtakes its own note that the task waits
    page.get_by_role("button", name="Reject").click()
    _wait_for_success(stack, page, run_id)
    assert conn.execute("SELECT sum(remaining), max(released) FROM lead_mining.hold WHERE released = 7").fetchone() == (
        0,
        7,
    )


@pytest.mark.parametrize(
    "dag_id",
    [
        *(
            "credits_top_up",
            "credits_account",
            "credits_refund",
            "credits_settle",
            "credits_charge",
            "retry_rejections",
        ),
        *("privacy_suppress", "privacy_erase", "privacy_export", "privacy_retention"),
    ],
)
def test_the_forms_of_the_other_dags_open(page: Page, picture: Callable[[str], None], dag_id: str) -> None:
    page.goto(f"/dags/{dag_id}")
    page.get_by_role("button", name="Trigger").first.click()
    expect(page.get_by_role("dialog").get_by_text("CRM connection").first).to_be_visible()
    picture(f"form-{dag_id}")
