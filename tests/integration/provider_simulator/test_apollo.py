"""Apollo's contract as the simulator speaks it: search, free people search, enrichment, prices, windows, faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from provider_simulator.testing import Simulator, running_simulator

KEY = "apollo-key"
CREDITS = 100_000
Arguments = list[tuple[str, str | int]]
GERMANY: Arguments = [("organization_locations[]", "Germany")]


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with running_simulator(credits=CREDITS) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator) -> Iterator[Simulator]:
    yield server
    server.clear_faults()
    server.clear_limits()


def post(simulator: Simulator, path: str, arguments: Arguments | None = None, **body: Any) -> httpx.Response:
    headers = {"x-api-key": body.pop("key", KEY)}
    return simulator.client.post(f"/api/v1/{path}", params=arguments or [], headers=headers, json=body or None)


def companies(simulator: Simulator, *arguments: tuple[str, str | int]) -> dict[str, Any]:
    paged: Arguments = [*arguments, ("page", 1), ("per_page", 100)]
    answer = post(simulator, "mixed_companies/search", paged)
    return with_accounts(answer.raise_for_status().json())


def with_accounts(page: dict[str, Any]) -> dict[str, Any]:
    """With all companies in the one list."""
    as_companies = [{**one, "id": one["organization_id"]} for one in page["accounts"]]
    return {**page, "organizations": page["organizations"] + as_companies}


def people(simulator: Simulator, *arguments: tuple[str, str | int]) -> dict[str, Any]:
    paged: Arguments = [*arguments, ("page", 1), ("per_page", 100)]
    answer = post(simulator, "mixed_people/api_search", paged)
    return dict(answer.raise_for_status().json())


def enrich(simulator: Simulator, *domains: str) -> dict[str, Any]:
    answer = post(simulator, "organizations/bulk_enrich", [("domains[]", domain) for domain in domains])
    return dict(answer.raise_for_status().json())


def charged(simulator: Simulator) -> int:
    return int(simulator.account(KEY)["charged"])


def test_a_page_costs_one_credit_and_an_empty_one_none(simulator: Simulator) -> None:
    found = companies(simulator, *GERMANY)
    before = charged(simulator)
    assert len(found["organizations"]) == 100
    assert found["pagination"]["total_pages"] == -(-found["pagination"]["total_entries"] // 100)
    assert not {"industry", "estimated_num_employees", "city"} & set(found["organizations"][0])
    companies(simulator, *GERMANY)
    assert charged(simulator) - before == 1
    assert companies(simulator, ("organization_locations[]", "Atlantis"))["organizations"] == []
    assert charged(simulator) - before == 1


def test_pages_bring_all_once(simulator: Simulator) -> None:
    pages = [
        with_accounts(post(simulator, "mixed_companies/search", [*GERMANY, ("page", page), ("per_page", 90)]).json())
        for page in range(1, 8)
    ]
    found = [one["id"] for page in pages for one in page["organizations"]]
    assert len(found) == len(set(found)) == pages[0]["pagination"]["total_entries"]
    assert pages[-1]["organizations"] == []
    assert len(pages[0]["accounts"]) == 9
    assert not {one["id"] for one in pages[0]["accounts"]} & set(found)


def test_filters_hold_after_enrichment(simulator: Simulator) -> None:
    found = companies(
        simulator,
        ("organization_locations[]", "california, US"),
        ("organization_locations[]", "Sao Paulo, Brazil"),
        ("organization_num_employees_ranges[]", "11,50"),
        ("organization_num_employees_ranges[]", "1000,"),
        ("q_organization_keyword_tags[]", "computer software"),
        ("q_organization_keyword_tags[]", "information technology & services"),
    )
    domains = [one["primary_domain"] for one in found["organizations"] if one["primary_domain"]][:10]
    assert domains
    for one in enrich(simulator, *domains)["organizations"]:
        assert (one["state"], one["country"]) in {("California", "United States"), ("São Paulo", "Brazil")}
        assert 11 <= one["estimated_num_employees"] <= 50 or one["estimated_num_employees"] >= 1000
        assert one["industry"] in {"computer software", "information technology & services"}


def test_enrichment_costs_what_is_found_in_the_order_asked(simulator: Simulator) -> None:
    first, second, *_ = (one for one in companies(simulator, *GERMANY)["organizations"] if one["primary_domain"])
    before = charged(simulator)
    answer = enrich(simulator, second["primary_domain"], "nobody.invalid", first["primary_domain"])
    assert [one and one["primary_domain"] for one in answer["organizations"]] == [
        second["primary_domain"], None, first["primary_domain"],
    ]  # fmt: skip
    assert (answer["unique_enriched_records"], answer["missing_records"]) == (2, 1)
    assert charged(simulator) - before == 2


def test_people_are_found_free_and_veiled_and_matched_for_a_credit_each(simulator: Simulator) -> None:
    ids: Arguments = [("organization_ids[]", one["id"]) for one in companies(simulator, *GERMANY)["organizations"]]
    before = charged(simulator)
    found = people(simulator, *ids, ("person_titles[]", "marketing"), ("person_seniorities[]", "manager"))
    assert charged(simulator) == before
    assert found["total_entries"] == len(found["people"]) > 0
    assert {one["title"] for one in found["people"]} == {"Marketing Manager"}
    assert all("***" in one["last_name_obfuscated"] and "email" not in one for one in found["people"])
    exactly = people(simulator, *ids, ("person_titles[]", "marketing"), ("include_similar_titles", "false"))
    assert exactly["total_entries"] == 0
    answer = post(simulator, "people/bulk_match", details=[{"id": found["people"][0]["id"]}, {"id": "nobody"}])
    person, nobody = answer.raise_for_status().json()["matches"]
    assert nobody is None
    assert person["seniority"] == "manager" and "*" not in person["name"]
    assert person["organization_id"] in {value for _, value in ids}
    assert (person["email"] is None) == (person["email_status"] == "unavailable")
    assert charged(simulator) - before == answer.json()["credits_consumed"] == 1


def test_the_balance_is_free(simulator: Simulator) -> None:
    companies(simulator, *GERMANY)
    stats = post(simulator, "usage_stats/credit_usage_stats").json()["credit_usage_stats"]["lead_credit"]
    assert stats == {"limit": CREDITS, "consumed": charged(simulator), "left_over": CREDITS - charged(simulator)}


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("mixed_companies/search", [("per_page", 101)]),
        ("mixed_companies/search", [("page", 0)]),
        ("mixed_companies/search", [("page", 501)]),
        ("mixed_companies/search", [("organization_industries[]", "banking")]),
        ("mixed_companies/search", [("organization_num_employees_ranges[]", "few")]),
        ("mixed_people/api_search", [("person_seniorities[]", "king")]),
        ("organizations/bulk_enrich", []),
        ("organizations/bulk_enrich", [("domains[]", f"{number}.example") for number in range(11)]),
    ],
)
def test_what_it_does_not_understand_is_422(simulator: Simulator, path: str, arguments: Arguments) -> None:
    answer = post(simulator, path, arguments)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_more_than_ten_people_are_refused(simulator: Simulator) -> None:
    assert (
        post(simulator, "people/bulk_match", details=[{"id": str(number)} for number in range(11)]).status_code == 422
    )


def test_keys_and_credits() -> None:
    with running_simulator(credits=1, tokens=frozenset({KEY})) as strict:
        refused = post(strict, "mixed_companies/search", GERMANY, key="other")
        assert (refused.status_code, refused.headers["content-type"]) == (401, "text/plain; charset=utf-8")
        assert post(strict, "usage_stats/credit_usage_stats", key="other").status_code == 401
        domains = [one["primary_domain"] for one in companies(strict, *GERMANY)["organizations"][:9]]
        poor = post(strict, "organizations/bulk_enrich", [("domains[]", domain or "") for domain in domains])
        assert poor.status_code == 422 and "credits" in poor.json()["error"]
        assert strict.account(KEY)["balance"] == 0


def test_windows_are_kept_by_bucket_and_told(simulator: Simulator, clock: Any) -> None:
    simulator.limit("apollo", "people", calls=2, seconds=60)
    simulator.limit("apollo", "people", calls=50, seconds=3600)
    clock.now += 20
    first, second, refused = (post(simulator, "mixed_people/api_search", GERMANY) for _ in range(3))
    assert [answer.headers["x-hourly-requests-left"] for answer in (first, second, refused)] == ["49", "48", "48"]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "40")
    assert refused.headers["x-minute-requests-left"] == "0"
    assert "maximum number of api calls" in refused.json()["message"]
    assert [one["refused"] for one in simulator.arrivals(KEY, "apollo", "people")] == [False, False, True]
    assert post(simulator, "mixed_companies/search", GERMANY).status_code == 200
    clock.now += 40
    assert post(simulator, "mixed_people/api_search", GERMANY).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [("http_429", 429), ("http_500", 500), ("user_error", 422), ("access_error", 401), ("insufficient_credits", 422)],
)
def test_faults_strike_paid_calls_and_charge_nothing(simulator: Simulator, fault: str, status: int) -> None:
    companies(simulator, *GERMANY)
    before = charged(simulator)
    simulator.add_fault(fault, seconds=3)
    assert post(simulator, "mixed_people/api_search", GERMANY).status_code == 200
    answer = post(simulator, "mixed_companies/search", GERMANY)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("3" if fault == "http_429" else None)
    assert charged(simulator) == before


def test_faults_in_the_records(simulator: Simulator) -> None:
    domains = [
        one["primary_domain"] for one in companies(simulator, *GERMANY)["organizations"] if one["primary_domain"]
    ][:4]
    good = enrich(simulator, *domains)["organizations"]
    before = charged(simulator)
    simulator.add_fault("charged_then_500")
    assert post(simulator, "organizations/bulk_enrich", [("domains[]", domains[0])]).status_code == 500
    assert charged(simulator) - before == 1
    simulator.add_fault("repeated_page")
    assert [one["id"] for one in enrich(simulator, *domains[1:])["organizations"]] == [good[0]["id"]]
    simulator.add_fault("wrong_types")
    assert enrich(simulator, *domains)["organizations"][0]["estimated_num_employees"] == "many"
    simulator.add_fault("missing_keys")
    assert [set(one) >= {"id"} for one in enrich(simulator, *domains)["organizations"]] == [True, True, False, True]
    simulator.add_fault("duplicate_companies")
    assert [one["id"] for one in enrich(simulator, *domains[:2])["organizations"]] == [good[0]["id"]] * 2
    simulator.add_fault("hostile")
    hostile = enrich(simulator, *domains)["organizations"]
    assert [one["id"] for one in hostile] == [one["id"] for one in good]
    assert "<script>" in hostile[0]["city"]
