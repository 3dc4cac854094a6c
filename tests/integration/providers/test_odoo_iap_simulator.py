"""OdooIap over real HTTP, against the provider simulator: good answers, its faults, and its books."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    MalformedRecord,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.base import Company, Exclusions, Query
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import Simulator, running_simulator

TOKEN = "integration-account"
COMPANIES = Query(countries=("US", "DE"))
PEOPLE = Query(countries=("US",), contact_number=3, preferred_role="CEO", other_roles=("Marketing", "Sale"))


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with running_simulator(credits=100_000) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator) -> Iterator[Simulator]:
    yield server
    server.clear_faults()


@pytest.fixture
def provider(simulator: Simulator) -> OdooIap:
    return OdooIap(simulator.url, TOKEN, "00000000-0000-0000-0000-000000000000")


def charged(simulator: Simulator) -> int:
    return int(simulator.account(TOKEN)["charged"])


def readable(provider: OdooIap, records: list[dict[str, object]]) -> tuple[list[Company], int]:
    """The companies that can be read, and how many records cannot."""
    companies, refused = [], 0
    for record in records:
        try:
            companies.append(provider.parse(record))
        except MalformedRecord:
            refused += 1
    return companies, refused


@pytest.mark.parametrize(
    "query",
    [
        COMPANIES,
        Query(countries=("US",), states=("US-CA", "US-NY")),
        Query(countries=("US", "GB"), industries=("Software & Services",)),
        Query(countries=("US",), company_size_min=10, company_size_max=500),
    ],
)
def test_companies_match_what_was_asked(provider: OdooIap, query: Query) -> None:
    page = provider.fetch(query, 5, None, Exclusions())
    companies = [provider.parse(record) for record in page.records]
    assert 1 <= len(companies) <= 5
    assert {company.country_code for company in companies} <= set(query.countries)
    if query.states:
        assert {f"US-{company.state_code}" for company in companies} <= set(query.states)
    if query.company_size_min is not None:
        assert all(10 <= (company.employees or 0) <= 500 for company in companies)


def test_what_is_said_to_be_charged_is_what_the_provider_books(provider: OdooIap, simulator: Simulator) -> None:
    provider.fetch(COMPANIES, 1, None, Exclusions())
    for query in (COMPANIES, PEOPLE, Query(countries=("US",), contact_number=2, contact_filter_type="seniority",
                                           seniority="manager")):  # fmt: skip
        before = charged(simulator)
        page = provider.fetch(query, 20, None, Exclusions())
        assert page.records
        assert page.charged == charged(simulator) - before


def test_contacts_have_the_roles_asked_for(provider: OdooIap) -> None:
    page = provider.fetch(PEOPLE, 20, None, Exclusions())
    contacts = [contact for record in page.records for contact in provider.parse(record).contacts]
    assert contacts
    assert {contact.role for contact in contacts} <= {"CEO", "marketing", "sale"}


@pytest.mark.parametrize(
    ("fault", "expected", "paid"),
    [
        ("http_429", ProviderUnavailable, False),
        ("http_500", ProviderUnavailable, False),
        ("not_json", MalformedAnswer, False),
        ("user_error", ProviderRejected, False),
        ("access_error", ProviderAccessDenied, False),
        ("insufficient_credits", ProviderCreditsExhausted, False),
        ("credit_flag", ProviderCreditsExhausted, False),
        ("cut_off", ProviderUnavailable, True),
        ("charged_then_500", ProviderUnavailable, True),
    ],
)
def test_a_fault_is_told_and_the_call_not_repeated(
    provider: OdooIap, simulator: Simulator, fault: str, expected: type[ProviderError], paid: bool
) -> None:
    provider.fetch(COMPANIES, 1, None, Exclusions())
    before, balance = simulator.account(TOKEN), provider.balance()
    simulator.add_fault(fault, seconds=7)
    with pytest.raises(expected) as caught:
        provider.fetch(COMPANIES, 3, None, Exclusions())
    after = simulator.account(TOKEN)
    assert (after["charged"] - before["charged"] > 0) == paid
    assert paid <= (caught.value.charge != "none"), "what was paid is never said not to be"
    assert balance is not None
    assert provider.balance() == balance - (after["charged"] - before["charged"])
    assert len(after["calls"]) == len(before["calls"]) + 1
    assert TOKEN not in str(caught.value)
    if fault == "http_429":
        assert isinstance(caught.value, ProviderUnavailable)
        assert caught.value.retry_after == 7


@pytest.mark.parametrize("fault", ["missing_keys", "wrong_types", "hostile", "duplicate_companies", "repeated_page"])
def test_a_bad_page_is_delivered_whole_and_only_bad_records_are_refused(
    provider: OdooIap, simulator: Simulator, fault: str
) -> None:
    provider.fetch(COMPANIES, 5, None, Exclusions())
    simulator.add_fault(fault)
    before = charged(simulator)
    page = provider.fetch(COMPANIES, 5, None, Exclusions())
    companies, refused = readable(provider, page.records)
    assert len(companies) + refused == len(page.records) > 0
    assert page.charged == charged(simulator) - before
    assert (refused > 0) == (fault == "wrong_types") or fault in ("missing_keys", "hostile")


def test_an_account_without_credits(simulator: Simulator) -> None:
    with running_simulator(credits=2) as poor, pytest.raises(ProviderCreditsExhausted, match="InsufficientCredit"):
        OdooIap(poor.url, "poor-account", "db").fetch(COMPANIES, 10, None, Exclusions())


def test_an_unknown_token(simulator: Simulator) -> None:
    with running_simulator(tokens=frozenset({"known-token"})) as strict, pytest.raises(ProviderAccessDenied):
        OdooIap(strict.url, "other-token", "db").fetch(COMPANIES, 1, None, Exclusions())


def test_nobody_listens() -> None:
    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        OdooIap("http://127.0.0.1:9", TOKEN, "db").fetch(COMPANIES, 1, None, Exclusions())


def test_checking_costs_nothing(provider: OdooIap, simulator: Simulator) -> None:
    provider.fetch(COMPANIES, 1, None, Exclusions())
    before = simulator.account(TOKEN)
    assert "The server answers (HTTP " in provider.check()
    assert simulator.account(TOKEN) == before


def test_the_balance_falls_by_what_is_charged(provider: OdooIap, simulator: Simulator) -> None:
    new = OdooIap(simulator.url, "never-used", "00000000-0000-0000-0000-000000000000")
    assert new.balance() == 100_000
    page = new.fetch(PEOPLE, 5, None, Exclusions())
    assert page.charged > 5
    assert new.balance() == 100_000 - page.charged
    simulator.buy_credits("never-used", 40)
    assert new.balance() == 100_040 - page.charged
