"""The wire is that of the recorded answers to a real Odoo 17."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from provider_simulator.odoo_iap import ENDPOINT
from provider_simulator.testing import Simulator, running_simulator

RECORDINGS = Path(__file__).parents[4] / "shared" / "odoo17" / "golden"

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of Odoo 17 are not beside the project")


def recording(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return read


def shape(value: Any) -> Any:
    """Keys, all the way down; of a list of records, the shapes that occur in it."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list) and all(isinstance(inner, dict) for inner in value) and value:
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return None


def kinds(records: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The JSON types that each key was seen with."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for key, value in record.items():
            seen.setdefault(key, set()).add(type(value).__name__)
    return seen


@pytest.mark.parametrize(
    "name", ["a_companies_lead", "b_people_role_opportunity", "f1_no_user_no_team", "f3_all_defaults"]
)
def test_recorded_requests_get_answers_of_the_recorded_shape(simulator: Simulator, name: str) -> None:
    recorded = recording(name)
    answer = simulator.client.post(ENDPOINT, json=recorded["iap_request"])
    assert answer.status_code == recorded["iap_response"]["http"] == 200
    theirs, ours = recorded["iap_response"]["body"], answer.json()
    assert len(ours["result"]["data"]) == recorded["iap_request"]["params"]["data"]["lead_number"]
    nobody = [dict.fromkeys(("email", "full_name", "phone", "role", "seniority", "title"))]
    for lead in [*theirs["result"]["data"], *ours["result"]["data"]]:
        if "people_data" in lead:
            lead["people_data"] = lead["people_data"] or nobody
    assert shape(ours) == shape(theirs)
    assert ours["id"] == theirs["id"]


def test_every_value_has_a_recorded_type(simulator: Simulator) -> None:
    """Over many leads: what Odoo was never sent, we do not send; only null may be new."""
    theirs_companies, theirs_people = [], []
    for name in ("a_companies_lead", "b_people_role_opportunity", "f1_no_user_no_team", "f3_all_defaults"):
        for lead in recording(name)["iap_response"]["body"]["result"]["data"]:
            theirs_companies.append(lead["company_data"])
            theirs_people.extend(lead.get("people_data", []))
    request = recording("b_people_role_opportunity")["iap_request"]
    request["params"]["data"].update(lead_number=200, countries=[], preferred_role=False, other_roles=[])
    leads = simulator.client.post(ENDPOINT, json=request).json()["result"]["data"]
    ours_companies = kinds([lead["company_data"] for lead in leads])
    ours_people = kinds([person for lead in leads for person in lead["people_data"]])
    never_seen_filled = {"market_cap", "sub_premise"}  # null in every recording
    for ours, theirs in ((ours_companies, kinds(theirs_companies)), (ours_people, kinds(theirs_people))):
        assert set(ours) == set(theirs)
        for key, types in ours.items():
            if key not in never_seen_filled:
                assert types <= theirs[key] | {"NoneType"}, key


def test_insufficient_credits_are_said_exactly_as_recorded() -> None:
    recorded = recording("d_credits")
    with running_simulator(credits=0) as poor:
        answer = poor.client.post(ENDPOINT, json=recorded["iap_request"])
    assert answer.status_code == recorded["iap_response"]["http"]
    assert answer.json() == recorded["iap_response"]["body"]


def test_no_result_is_said_exactly_as_recorded(simulator: Simulator) -> None:
    recorded = recording("e_noresult")
    request = recorded["iap_request"]
    request["params"]["data"]["countries"] = [{"code": "AQ", "states": []}]
    assert simulator.client.post(ENDPOINT, json=request).json() == recorded["iap_response"]["body"]
    assert simulator.account(request["params"]["account_token"])["charged"] == 0


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
def test_recordings_can_be_replayed_word_for_word(simulator: Simulator, name: str) -> None:
    recorded = recording(name)
    simulator.replay(recorded["iap_response"])
    answer = simulator.client.post(ENDPOINT, json=recorded["iap_request"])
    assert answer.status_code == recorded["iap_response"]["http"]
    assert answer.json() == recorded["iap_response"]["body"]
    with pytest.raises(httpx.HTTPStatusError, match="404"):  # a replay opens no account
        simulator.account(recorded["iap_request"]["params"]["account_token"])
