"""What people are told of a run: words for sales, singular and plural, and no markup of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lead_mining.credits.ledger import Spendable
from lead_mining.crm.context import CrmContext
from lead_mining.messages import Message, Troubles, about_ended, about_late, about_not_begun
from lead_mining.provider_calls import Call
from lead_mining.request import MiningRequest
from lead_mining.runs import Run
from lead_mining.summary import RejectionCount, RunSummary

LISTS = [name for name, field in CrmContext.model_fields.items() if "tuple" in str(field.annotation)]
LINK = "https://airflow.example.com/lead-mining/requests/lead_mining/r%201"
FINE = Troubles((), (), 0, Spendable(900, None))
CONTEXT: dict[str, Any] = dict.fromkeys(CrmContext.model_fields, None) | {
    "acting_user_id": 2,
    "acting_partner_id": 3,
    "email_from": "",
    "company_id": 1,
    "lead_type": "lead",
    "record_company_id": 1,
    "record_company_name": "",
    "created_subtype_id": 1,
    "note_subtype_id": 2,
    **dict.fromkeys(LISTS, ()),
}
CALL = Call(7, 1, 1, "p", 10, 12, None, "unknown", False, datetime.now(UTC), None, datetime.now(UTC), None, None)


def run(**changes: Any) -> Run:
    request = {"countries": ["DE"], "lead_number": 10} | changes.pop("request", {})
    made = Run(
        id=1,
        run_key="lead_mining/r 1",
        request=MiningRequest.parse(request).model_dump(mode="json"),
        context=CONTEXT,
        credit_account="default",
        dry_run=False,
        lead_number=10,
        max_cost=30,
        needs_approval=False,
        approved_by=None,
        crm_request_id=1,
        request_number="LMR001",
    )
    return replace(made, **changes)


def came_to(**changes: Any) -> RunSummary:
    made = RunSummary(
        run_id=1,
        request_number="LMR001",
        dry_run=False,
        max_cost=30,
        pages=1,
        candidates=10,
        would_find=None,
        loaded=8,
        contacts=0,
        notes=8,
        rejections=(),
        credits_spent=8,
        credits_left=992,
        credit_account="default",
        provider_charged=10,
        lost_to_rejections=0,
        stopped="enough",
        data_docs=None,
        notices=(),
    )
    return replace(made, **changes)


def told(of: Run, came: RunSummary, troubles: Troubles = FINE, rules: dict[str, str] | None = None) -> Message:
    return about_ended(of, came, troubles, rules or {}, LINK)


def turned_down(*rules: tuple[str, str, int]) -> tuple[RejectionCount, ...]:
    return tuple(RejectionCount("validate", rule, "reject", of, count) for rule, of, count in rules)


def test_what_came_for_a_saved_search() -> None:
    message = told(run(request={"saved_search": "Berlin nightly"}), came_to(contacts=5, credits_spent=13))
    assert message == Message(
        "Lead mining: 8 leads from request LMR001",
        (
            "8 leads with 5 contacts came from the saved search 'Berlin nightly' (request LMR001).",
            "That cost 13 credits; 992 credits are left in the account default.",
        ),
        LINK,
    )


@pytest.mark.parametrize(
    ("came", "lines"),
    [
        (
            came_to(loaded=1, contacts=1, credits_spent=1, credits_left=1),
            (
                "1 lead with 1 contact came from request LMR001 (10 companies in Germany).",
                "That cost 1 credit; 1 credit is left in the account default.",
            ),
        ),
        (
            came_to(loaded=0, credits_spent=0, candidates=0, credits_left=0),
            (
                "No leads came from request LMR001 (10 companies in Germany): the provider found none.",
                "That cost nothing; no credits are left in the account default.",
            ),
        ),
        (
            came_to(loaded=1_200, credits_spent=1_200, lost_to_rejections=3, provider_charged=1_203),
            (
                "1,200 leads came from request LMR001 (10 companies in Germany).",
                "That cost 1,200 credits; 992 credits are left in the account default.",
                "The provider charged 1,203, 3 of them for what was turned down.",
            ),
        ),
    ],
)
def test_one_many_and_none(came: RunSummary, lines: tuple[str, ...]) -> None:
    assert told(run(), came).lines == lines


def test_opportunities_are_called_so_and_many_countries_are_counted() -> None:
    request = {"countries": ["DE", "FR", "IT", "ES", "AT"], "search_type": "people", "preferred_role": "CEO"}
    message = told(run(request=request, context=CONTEXT | {"lead_type": "opportunity"}), came_to(loaded=2))
    assert message.subject == "Lead mining: 2 opportunities from request LMR001"
    assert "(10 companies and their contacts in Germany, France, Italy and 2 more countries)" in message.lines[0]


def test_what_was_turned_down_is_said_in_plain_words() -> None:
    rejections = turned_down(
        ("duplicate_domain", "company", 3),
        ("duplicate_name", "company", 2),
        ("domain_is_known", "company", 1),
        ("rule_of_nobody", "company", 1),
        ("possible_duplicate", "company", 4),
        ("suppressed_email", "contact", 1),
    )
    message = told(run(), came_to(rejections=rejections), rules={"domain_is_known": "The company has a website."})
    assert message.lines[2:] == (
        "Turned down of companies: 5 because the CRM has them already, or they were bought before; 4 because the CRM"
        " probably has them (a person can look at them, and load them without buying again); 1 because this does not"
        " hold: The company has a website; others for 1 other reason.",
        "Turned down of contacts: 1 because they asked not to be contacted, or are blocked.",
    )


def test_notices_of_the_summary_are_told() -> None:
    assert told(run(), came_to(notices=("it found nothing new 5 nights in a row",))).lines[-1] == (
        "Note: it found nothing new 5 nights in a row"
    )


def test_a_trial_run_says_that_it_is_one() -> None:
    trial = run(dry_run=True, crm_request_id=None, request_number=None)
    message = told(trial, came_to(would_find=1, loaded=0, credits_spent=0, dry_run=True))
    assert message.subject == "Lead mining: the trial run has ended"
    assert message.lines == (
        "It was a trial run: nothing was bought, charged or put into the CRM.",
        "The provider has 1 new company for the trial request (10 companies in Germany).",
        "A real run costs at most 30 credits; 992 credits are left in the account default.",
    )
    assert "cannot tell without charging" in told(trial, came_to(would_find=None)).lines[1]


def test_a_retry_says_so() -> None:
    line = told(run(retry_of=3, lead_number=1), came_to(loaded=1, candidates=0)).lines[0]
    assert line == "1 lead came from 1 company of request LMR001 that was tried again."


def test_a_cost_that_was_not_approved() -> None:
    message = told(run(needs_approval=True), came_to(candidates=0, loaded=0, credits_spent=0, stopped=None))
    assert message.subject == "Lead mining: request LMR001 was not approved"
    assert message.lines == (
        "Nothing was bought for request LMR001 (10 companies in Germany): its cost, up to 30 credits, was rejected, or"
        " nobody answered in time.",
        "The credits that were set aside are given back; 992 credits are left in the account default.",
    )
    assert "8 leads" in told(run(needs_approval=True, approved_by="ann"), came_to()).subject


# -- failures


def failed(*tasks: str, **changes: Any) -> Troubles:
    return replace(Troubles(tasks, (), 0, Spendable(900, None)), **changes)


def test_a_failure_says_what_failed_that_nothing_is_lost_and_who_has_to_do_what() -> None:
    message = told(run(), came_to(loaded=0, credits_spent=0), failed("extract"))
    assert message.subject == "Lead mining: request LMR001 has failed"
    assert message.lines == (
        "Request LMR001 (10 companies in Germany) came to a halt where companies were bought from the provider (task"
        " extract).",
        "No credits are lost: what was set aside is given back, and what was bought is kept; 992 credits are left in the"
        " account default.",
        "What to do: whoever looks after Airflow finds in the log of the task extract what is wrong and what mends it,"
        " and then clears the task: the run goes on where it stopped, and buys nothing twice.",
    )


def test_leads_that_are_in_are_told_of_though_the_notes_failed() -> None:
    assert (
        "In the CRM, and paid for with 8 credits: 8 leads."
        in told(run(), came_to(), failed("write_enrichment_notes")).lines
    )


def test_where_an_answer_is_lost_nobody_claims_that_no_credits_are() -> None:
    text = " ".join(told(run(), came_to(loaded=0, credits_spent=0), failed("extract", unsettled=[CALL])).lines)
    assert "it may have charged up to 12 credits for it" in text
    assert "decides with the DAG credits_settle, call 7; then the task extract is cleared" in text
    assert "No credits are lost" not in text
    doubt = "the provider charged 9 credits for page 1, which could cost 5"
    text = " ".join(told(run(), came_to(), failed("extract", doubts=[doubt])).lines)
    assert f"A charge is in doubt: {doubt}. Nothing more is bought." in text
    assert "No credits are lost" not in text
    text = " ".join(told(run(), came_to(), failed("load_leads", lost=1)).lines)
    assert "1 credit went to the provider for answers that never came." in text
    assert "No credits are lost" not in text


def test_credits_that_do_not_suffice_are_to_be_bought() -> None:
    short = failed("prepare_request", spendable=Spendable(5, None))
    text = " ".join(told(run(), came_to(loaded=0, credits_spent=0), short).lines)
    assert "It can cost up to 30 credits more, and the credit account default has 5 left." in text
    assert "books them with the DAG credits_top_up" in text
    budget = failed("prepare_request", spendable=Spendable(5, "the monthly budget of credit account 'default'"))
    assert "the monthly budget of credit account 'default' has 5 left" in " ".join(told(run(), came_to(), budget).lines)


def test_a_request_that_could_not_be_begun() -> None:
    message = about_not_begun(LINK)
    assert "nothing was bought, charged or put into the CRM" in message.lines[0]
    assert "What to do" in message.lines[1]


# -- late runs


def test_a_run_that_waits_for_an_approval_says_who_has_to_answer() -> None:
    waits = run(needs_approval=True)
    message = about_late("request LMR001", 4.1, ["prepare_request"], waits, LINK)
    assert message.subject == "Lead mining: request LMR001 waits for an approval"
    assert message.lines[0] == "Request LMR001 was started 4 hours ago and has not ended."
    assert "can cost up to 30 credits, and somebody has to approve that" in message.lines[1]
    assert "Required Actions" in message.lines[2]
    for done, on in (["prepare_request", "extract"], waits), (["prepare_request"], replace(waits, approved_by="ann")):
        assert about_late("x", 4, done, on, LINK).subject == "Lead mining: x has not ended in time"


@pytest.mark.parametrize(
    ("done", "of", "where"),
    [
        (["prepare_request"], run(), "It is where companies were bought from the provider (task extract)."),
        (
            ["prepare_request", "extract", "validate"],
            run(),
            "It is where duplicates were looked for (task deduplicate).",
        ),
        ([], None, "Its tasks say how far it has come."),
        (None, None, "The CRM's database does not answer, which may be why."),
    ],
)
def test_a_late_run_says_where_it_is(done: list[str] | None, of: Run | None, where: str) -> None:
    message = about_late("x", 0.5, done, of, None)
    assert message.lines[0] == "X was started 30 minutes ago and has not ended."
    assert message.lines[1] == where
    assert "nothing is bought twice" in message.lines[2]


# -- markup


def test_what_others_wrote_is_no_markup() -> None:
    hostile = '<script>alert(1)</script> & <!channel> "x"'
    message = told(run(request={"saved_search": hostile}), came_to(notices=("<b>",)))
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert "<p>Note: &lt;b&gt;</p>" in message.html
    assert "<" not in message.slack.replace(LINK, "")
    assert "&lt;!channel&gt;" in message.slack
    assert message.slack.endswith(f"\n{LINK}")
    assert Message("s", ("a",), 'https://x/"><b>').html == (
        '<p>a</p><p><a href="https://x/&quot;&gt;&lt;b&gt;">Look at the run in Airflow</a></p>'
    )
    assert Message("s", ("a",)).html == "<p>a</p>"


def test_an_answer_that_is_kept_is_said_to_be_no_loss() -> None:
    kept = replace(CALL, kept=True)
    text = " ".join(told(run(), came_to(loaded=0, credits_spent=0), failed("extract", unsettled=[kept])).lines)
    assert "mends the provider 'p', then the task extract is cleared: nothing is bought twice" in text
    assert "credits_settle" not in text
