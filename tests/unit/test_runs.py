"""What a run keeps of its request, and reads again."""

from __future__ import annotations

from lead_mining.privacy.scrub import Needles
from lead_mining.request import MiningRequest
from lead_mining.runs import read_request


def test_a_request_is_read_after_somebody_whom_it_names_was_erased() -> None:
    request = MiningRequest.parse({"countries": ["US"], "notify": ["ann@acme.example", "bo@acme.example", "#sales"]})
    kept = Needles(emails=frozenset({"ann@acme.example"})).scrubbed(request.model_dump(mode="json"), names=True)
    assert "ann@acme.example" not in kept["notify"]
    assert read_request(kept).notify == ["bo@acme.example", "#sales"]


def test_a_request_of_before_there_was_anybody_to_tell_is_read_with_changes() -> None:
    assert read_request({"countries": ["US"]}, lead_number=7).lead_number == 7
