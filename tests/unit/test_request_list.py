"""Where a request stands, in words, from our own tables and the state of its DAG run; what was asked, in a few words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from lead_mining.request_list import Funnel, MinedRequest, in_words, not_prepared

AT = dt.datetime(2026, 11, 1, 2, 0, tzinfo=dt.UTC)
STEPS: dict[str, dict[str, Any]] = {
    "prepare_request": {},
    "extract": {"candidates": 20},
    "validate": {"rejected": 4, "valid": 16},
    "deduplicate": {"duplicates": 2, "possible_duplicates": 1, "suppressed": 1, "accepted": 12},
    "debit_credits": {"leads": 10},
    "load_leads": {"leads": 9, "duplicates_since": 1},
    "write_enrichment_notes": {"notes": 9},
}


def request(upto: str | None = None, **more: Any) -> MinedRequest:
    """A request whose steps up to that one are finished."""
    names = list(STEPS)
    steps = {name: STEPS[name] for name in names[: names.index(upto) + 1]} if upto else {}
    return MinedRequest(
        **({"run_key": "lead_mining/x", "request": {}, "created_at": AT, "id": 1, "steps": steps} | more)
    )


@pytest.mark.parametrize(
    ("upto", "more", "airflow", "kind", "words"),
    [
        (None, {"id": None}, "queued", "running", "running: being checked and priced"),
        (None, {"id": None}, "failed", "failed", "failed: before it was numbered"),
        ("prepare_request", {"waits_for_approval": True}, "running", "waiting", "waiting for approval"),
        ("prepare_request", {}, "running", "running", "running: asking the provider"),
        ("load_leads", {}, "running", "running", "running: writing notes"),
        ("write_enrichment_notes", {}, "running", "running", "running: finishing"),
        (None, {"short_of_credits": True}, "failed", "failed", "failed: not enough credits"),
        ("prepare_request", {"answer_lost": True}, "failed", "failed", "failed: the answer to a paid call is lost"),
        ("prepare_request", {"charge_doubted": True}, "failed", "failed", "failed: a charge of the provider is in doubt"),
        ("extract", {"charge_doubted": True}, "failed", "failed", "failed: while checking quality"),
        ("extract", {}, "failed", "failed", "failed: while checking quality"),
        ("write_enrichment_notes", {}, "failed", "failed", "failed: but all its leads are loaded"),
        ("write_enrichment_notes", {}, "success", "done", "done: 9 leads"),
        ("write_enrichment_notes", {}, None, "done", "done: 9 leads"),
        ("deduplicate", {"dry_run": True}, None, "done", "done: a trial run"),
        ("prepare_request", {}, "success", "nothing", "not approved: nothing was bought"),
        ("extract", {}, None, "unknown", "unfinished: its run is gone from Airflow"),
    ],
)  # fmt: skip
def test_the_state_is_what_both_databases_say(
    upto: str | None, more: Mapping[str, Any], airflow: str | None, kind: str, words: str
) -> None:
    assert request(upto, **more).state(airflow) == (kind, words)


@pytest.mark.parametrize(("leads", "words"), [(0, "done: nothing to load"), (1, "done: 1 lead")])
def test_a_request_that_is_done_says_how_many_leads_came(leads: int, words: str) -> None:
    steps = STEPS | {"load_leads": {"leads": leads}}
    assert request(steps=steps).state("success").words == words


def test_the_funnel_adds_up_at_every_step() -> None:
    assert request("write_enrichment_notes").funnel == Funnel(20, 4, 4, 1, 9, left=2)
    for name in STEPS:
        found, *parts = request(name).funnel
        assert found == sum(parts)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"search_type": "people", "lead_number": 1200, "countries": ["DE", "FR"], "industries": ["Banks"]},
         "1,200 companies and contacts in DE, FR: Banks"),
        ({"search_type": "companies", "lead_number": 3, "countries": ["US"], "states": ["US-CA"]}, "3 companies in US-CA"),
        ({"countries": list("ABCDEFG")}, "3 companies in A, B, C, D, E and 2 more"),
        ({"countries": "DE", "lead_number": "' OR 1=1 --", "industries": 7}, "' OR 1=1 -- companies"),
        ({"countries": [None, {"x": "y" * 1000}]}, "3 companies in None, " + str({"x": "y" * 1000})[:60]),
    ],
)  # fmt: skip
def test_what_was_asked_is_said_in_a_few_words_whatever_was_typed(asked: Mapping[str, Any], words: str) -> None:
    assert in_words(asked) == words


@pytest.mark.parametrize(
    ("run_key", "conf", "asked"),
    [
        ("lead_mining/x", {}, "3 companies"),
        ("lead_mining/x", {"candidate_ids": [1, 2], "lead_number": 4}, "4 companies"),
        ("retry_rejections/x", {"candidate_ids": ["7"]}, "1 rejected company once more"),
        ("retry_rejections/x", {"candidate_ids": [7, 8]}, "2 rejected companies once more"),
        ("retry_rejections/x", {"candidate_ids": 7}, "0 rejected companies once more"),
    ],
)
def test_what_is_not_prepared_yet_is_read_from_what_was_typed(
    run_key: str, conf: Mapping[str, Any], asked: str
) -> None:
    found = not_prepared(run_key, conf | {"saved_search": ["no text"]}, AT)
    assert (found.asked, found.saved_search, found.id) == (asked, None, None)
