from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from lead_mining.approval import question
from lead_mining.credits.ledger import Spendable
from lead_mining.request import MiningRequest
from lead_mining.runs import Run

PEOPLE = {
    "countries": ["US", "DE"],
    "search_type": "people",
    "preferred_role": "CEO",
    "lead_number": 1200,
    "approval_threshold": 10,
}


def page(params: dict[str, Any], *left: Spendable) -> str:
    request = MiningRequest.parse(params)
    cost = request.cost_of(request.lead_number).total
    as_kept = request.model_dump(mode="json")
    number = request.lead_number
    return question(Run(1, "k", as_kept, {}, "default", False, number, cost, True, None, 1, "LMR007"), left)


def rows(text: str) -> dict[str, str]:
    """First cell to second of all tables, read as Markdown. Fails where a cell holds more than text."""
    cells = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.level == 4 and token.type == "inline":
            assert {child.type for child in token.children or ()} <= {"text", "text_special"}
            cells.append("".join(child.content for child in token.children or ()))
    return dict(zip(cells[::2], cells[1::2], strict=True))


def test_all_that_is_asked_for_and_what_it_costs() -> None:
    left = [Spendable(968, None), Spendable(12, "the budget of saved search 'x' for 2026-11, 100 credits,")]
    assert rows(page(PEOPLE, *left)) == {
        "Asked for": "",
        "Request": "LMR007",
        "Leads, at most": "1,200",
        "Search for": "Companies and their contacts",
        "Countries": "United States, Germany",
        "Contacts per company": "3",
        "Preferred role": "CEO",
        "Credits": "",
        "It can cost": "up to 1200 credits for companies and up to 3600 for their contacts: at most 4800 credits",
        "Approval is asked for above": "10 credits",
        "Credit account 'default'": "968 credits left beside these",
        "The budget of saved search 'x' for 2026-11, 100 credits": "12 credits left beside these",
    }


def test_whom_it_tells_is_not_shown() -> None:
    assert "example" not in page(PEOPLE | {"notify": ["boss@example.com"]})


def test_only_what_was_filled_in() -> None:
    found = rows(page({"countries": ["FR"], "approval_threshold": 0, "filter_on_size": True, "company_size_max": 50}))
    assert found["Filter on company size"] == "yes"
    assert found["Employees, to"] == "50"
    assert not {"Contacts per company", "Employees, from", "Tags", "Seniority", "Trial run"} & found.keys()


@pytest.mark.parametrize(
    "tag",
    ["a|b", "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "**bold**", "`code`", "\\", "{{ 7*7 }}"],
)
def test_what_a_tag_holds_is_shown_as_text(tag: str) -> None:
    assert rows(page(PEOPLE | {"tags": [tag, "another"]}))["Tags"] == f"{tag}, another"
