"""What a run keeps of its request, and reads again."""

from __future__ import annotations

from typing import Any

import pytest

from lead_mining.exceptions import InvalidRequest
from lead_mining.privacy.scrub import Needles
from lead_mining.request import MiningRequest
from lead_mining.runs import Run, check_same_request, read_request


def run_of(kept: dict[str, Any]) -> Run:
    return Run(1, "lead_mining/a", kept, {}, "default", False, 3, 3, False, None, 1, "LMR001")


def test_a_request_is_read_after_somebody_whom_it_names_was_erased() -> None:
    request = MiningRequest.parse({"countries": ["US"], "notify": ["ann@acme.example", "bo@acme.example", "#sales"]})
    kept = Needles(emails=frozenset({"ann@acme.example"})).scrubbed(request.model_dump(mode="json"), names=True)
    assert "ann@acme.example" not in kept["notify"]
    assert read_request(kept).notify == ["bo@acme.example", "#sales"]


def test_a_request_of_before_there_was_anybody_to_tell_is_read_with_changes() -> None:
    assert read_request({"countries": ["US"]}, lead_number=7).lead_number == 7


@pytest.mark.parametrize("field", sorted(set(MiningRequest.model_fields) - {"notify"}))
def test_a_request_that_differs_in_any_field_is_another_one(field: str) -> None:
    request = MiningRequest.parse({"countries": ["US"]})
    kept = request.model_dump(mode="json")
    check_same_request(run_of(kept), request)
    with pytest.raises(
        InvalidRequest, match=rf"^Not valid:\n  - {field}: .* is in this CRM already, as LMR001.*'other'"
    ):
        check_same_request(run_of(kept | {field: "other"}), request)


def test_what_an_older_version_did_not_ask_for_and_what_was_erased_since_make_no_other_request() -> None:
    asked = {"countries": ["US"], "tags": ["met ann@acme.example"]}
    request = MiningRequest.parse(asked | {"notify": ["bo@acme.example"]})
    check_same_request(run_of(asked), request)
    check_same_request(run_of(Needles(emails=frozenset({"ann@acme.example"})).scrubbed(asked, names=True)), request)
    with pytest.raises(InvalidRequest, match="dry_run: True is not allowed"):
        check_same_request(run_of(asked), request.model_copy(update={"dry_run": True}))
