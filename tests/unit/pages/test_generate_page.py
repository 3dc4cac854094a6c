"""The form of a mining request as a page: its fields, what it costs, what a trial run found; hostile text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from lead_mining import request_form
from lead_mining.credits.ledger import Spendable
from lead_mining.crm.choices import Choices
from lead_mining.exceptions import FieldProblem
from lead_mining.pages.generate import Beside, checked_parts, form_page, preview_panel
from lead_mining.pricing import Price
from lead_mining.request_form import FIELDS, Filled
from lead_mining.summary import RejectionCount, RunSummary

UP = "../../"
HOSTILE = "<script>alert(1)</script>'\"&"
NOTHING = Choices((), (), ())
CRM = Choices(("Europe", HOSTILE), ("Spring", HOSTILE), ("anna@crm.example", HOSTILE))
PRICE = Price(
    needed=30,
    most=30,
    most_of_provider=0,
    least=Spendable(100, None),
    account="default",
    payable_leads=10,
    trimmed=False,
)
RUN = RunSummary(
    run_id=1, request_number=None, dry_run=True, max_cost=30, pages=1, candidates=10, would_find=1234, loaded=0, contacts=0,
    notes=0, rejections=(RejectionCount("deduplicate", "duplicate_domain", "reject", "company", 4),), credits_spent=0,
    credits_left=100, credit_account="default", provider_charged=0, lost_to_rejections=None, stopped=None, data_docs=None,
    notices=("people in DE are protected",),
)  # fmt: skip


def filled(**values: Any) -> Filled:
    return request_form.filled(request_form.defaults() | values)


def page(form: Filled, choices: Choices = CRM, **more: Any) -> str:
    arguments: dict[str, Any] = {"sees_people": True, "of": None} | more
    return form_page(form, arguments.pop("beside", Beside()), choices, UP, **arguments)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


def test_every_field_has_its_title_its_help_and_a_place_for_what_is_wrong() -> None:
    html = page(filled())
    text = text_of(html)
    for name, schema in FIELDS.items():
        assert schema["title"] in text
        assert f'id="help-{name}"' in html
        assert f'id="error-{name}"' in html
        assert f'aria-describedby="help-{name} error-{name}"' in html
        assert f'name="{name}"' in html


def test_each_control_has_a_label() -> None:
    html = page(filled())
    for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", html):
        if 'type="hidden"' in control or "aria-label=" in control or 'type="radio"' in control or "checkbox" in control:
            continue
        (id_,) = re.findall(r'\bid="([^"]+)"', control)
        assert f'<label class="title" for="{id_}">' in html
    assert len(re.findall(r'type="(?:radio|checkbox)"', html)) == len(re.findall(r'<label class="tick">', html))


def test_what_was_chosen_is_chosen_again() -> None:
    html = page(
        filled(countries=["DE"], lead_number=7, preferred_role="Legal", search_type="people", tags=["Spring", "New"])
    )
    assert re.search(r'name="countries" value="DE" checked', html)
    assert not re.search(r'name="countries" value="FR" checked', html)
    assert re.search(r'name="search_type" value="people" checked', html)
    assert '<option value="Legal" selected>' in html
    assert 'name="lead_number"' in html
    assert 'value="7"' in html
    assert re.search(r'name="tags" value="Spring" checked', html)
    assert re.search(r'<textarea name="tags"[^>]*>New</textarea>', html)
    assert '<p class="chosen" id="chosen-countries">Germany</p>' in html


def test_a_value_that_is_not_offered_is_kept() -> None:
    html = page(filled(countries=["DE", "XX"], preferred_role="Wizard"))
    assert '<input type="hidden" name="countries" value="XX">' in html
    assert '<option value="Wizard" selected>Wizard</option>' in html


def test_states_stand_under_their_countries() -> None:
    html = page(filled())
    assert len(re.findall(r'<fieldset id="states-of-(\w\w)">', html)) == 10
    (germanys,) = re.findall(r'<fieldset id="states-of-US">(.*?)</fieldset>', html, re.DOTALL)
    assert "California" in germanys
    assert set(re.findall(r'value="(\w\w)-', germanys)) == {"US"}


def test_logins_are_offered_only_to_who_sees_people() -> None:
    assert "anna@crm.example" in page(filled())
    assert "anna@crm.example" not in page(filled(), sees_people=False)


def test_a_problem_stands_beside_its_field_and_is_announced() -> None:
    html = page(filled(lead_number=0))
    assert re.search(r'id="lead_number"[^>]* aria-invalid="true"', html)
    assert '<p class="error" id="error-lead_number">0 is not allowed' in html
    (alert,) = re.findall(r'role="alert">(.*?)</div>', html, re.DOTALL)
    assert 'href="#field-lead_number"' in alert
    assert "aria-invalid" not in page(filled(countries=["DE"]))
    assert 'role="alert"' not in page(filled(countries=["DE"]))


def test_a_closed_section_with_a_problem_is_open() -> None:
    assert "<details open>" not in page(filled(countries=["DE"]))
    assert page(filled(countries=["DE"], team="\x07")).count("<details open>") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Enough 100 left in the account 'default'"),
        ({"most": 50}, "With its budget it may cost up to 50"),
        ({"most_of_provider": 33}, "Its provider may take up to 33 for so many"),
        (
            {"least": Spendable(29, None)},
            "Not enough 29 left in the account 'default' Ask for fewer leads, buy credits",
        ),
        (
            {"least": Spendable(29, "this month's budget of x")},
            "29 left in this month's budget of x Ask for fewer leads, raise the budget",
        ),
        (
            {"least": Spendable(29, None), "trimmed": True, "payable_leads": 9},
            "9 leads can be paid: that many are mined.",
        ),
        ({"least": Spendable(0, None), "trimmed": True, "payable_leads": 0}, "Ask for fewer leads"),
    ],
)
def test_the_cost_says_whether_it_can_be_paid(changes: dict[str, Any], said: str) -> None:
    form = filled(countries=["DE"], lead_number=10, search_type="people", contact_number=2, preferred_role="CEO")
    beside = Beside(replace(PRICE, **changes))
    for html in (page(form, beside=beside), checked_parts(form, beside, UP)):
        assert "30 credits at most Up to 10 for companies and up to 20 for their contacts." in text_of(html)
        assert said in text_of(html)


def test_what_a_provider_does_roughly_stands_beside_its_cost() -> None:
    form, beside = filled(countries=["DE"]), Beside(PRICE, notices=["industries 'Software' at 'x': wider there"])
    for html in (page(form, beside=beside), checked_parts(form, beside, UP)):
        assert "100 left in the account 'default' industries 'Software' at 'x': wider there" in text_of(html)


def test_what_is_checked_lands_in_places_that_the_page_has() -> None:
    html, parts = page(filled(), NOTHING), checked_parts(filled(), Beside(), UP)
    swapped = re.findall(r'id="([\w-]+)" hx-swap-oob="innerHTML"', parts)
    assert len(swapped) > len(FIELDS)
    for id_ in swapped:
        assert html.count(f'id="{id_}"') == 1


@pytest.mark.parametrize(
    ("run", "state", "said"),
    [
        (None, "queued", "Looking for what the provider has. Nothing is paid."),
        (RUN, "running", "Looking"),
        (RUN, "success", "Found 1,234 companies at the provider. Of 10 that were checked: Companies Number duplicate_domain 4"),
        (replace(RUN, rejections=()), "success", "turned down 0"),
        (replace(RUN, would_find=0, candidates=0), "success", "None The provider has no such company"),
        (replace(RUN, would_find=None), "success", "cannot tell how many it has without charging"),
        (RUN, "success", "At most 30 credits; 100 are left in the account 'default'. People in DE are protected"),
        (None, "failed", "Failed The log of its trial run says why. Nothing was paid."),
        (None, "success", "Failed"),
    ],
)  # fmt: skip
def test_a_preview_says_what_was_found(run: RunSummary | None, state: str, said: str) -> None:
    panel = preview_panel("lead_mining/form__1", run, state, UP)
    assert said in text_of(panel)
    assert ("hx-trigger" in panel) == (state in ("queued", "running"))


def test_hostile_text_does_nothing() -> None:
    form = filled(**{name: [HOSTILE] if "array" in schema["type"] else HOSTILE for name, schema in FIELDS.items()})
    form = form.with_problems((FieldProblem("team", HOSTILE, HOSTILE),))
    hostile_run = replace(
        RUN,
        credit_account=HOSTILE,
        notices=(HOSTILE,),
        rejections=(RejectionCount("x", HOSTILE, "reject", "company", 1),),
    )
    panel = preview_panel(f"lead_mining/{HOSTILE}", hostile_run, "success", UP)
    beside = Beside(replace(PRICE, account=HOSTILE), HOSTILE, [HOSTILE])
    html = page(
        form,
        beside=beside,
        of=f"lead_mining/{HOSTILE}",
        preview=panel,
        problem=HOSTILE,
        left_out=["team"],
    )
    for each in (html, checked_parts(form, beside, UP), panel):
        assert not re.search(r"<script(?! src=\"\.\./)", each)
        assert "alert(1)" in each
        assert not re.search(r'(?:href|action)="(?:javascript|data|https?):', each)
    assert "hx-on" not in html


def test_each_form_has_a_token_of_its_own() -> None:
    tokens = {re.findall(r'name="token" value="(\w{32})"', page(filled()))[0] for _ in range(2)}
    assert len(tokens) == 2
