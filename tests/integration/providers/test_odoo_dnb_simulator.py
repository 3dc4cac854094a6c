"""OdooDnb over real HTTP, against the provider simulator: filters, pages, exclusion, faults, and the books."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from lead_mining.exceptions import (
    ProviderError,
    ProviderUnavailable,
)
from lead_mining.providers.base import Company, Exclusions, Identity, Query
from lead_mining.providers.odoo_dnb import OdooDnb
from provider_simulator.testing import Simulator, running_simulator

TOKEN = "dnb-account"
BANKS = Query(countries=("JP", "BE"), industries=("Banks & Insurance",))


class Listed(Exclusions):
    def __init__(self, ids: Collection[str]) -> None:
        self.ids = ids

    def listed(self, countries: Collection[str], most: int) -> list[Identity]:
        return [(one, None) for one in self.ids]


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with running_simulator(credits=100_000) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator) -> Iterator[Simulator]:
    yield server
    server.clear_faults()
    server.clear_limits()


@pytest.fixture
def provider(simulator: Simulator) -> OdooDnb:
    return OdooDnb(simulator.url, TOKEN, "00000000-0000-0000-0000-000000000000")


def charged(simulator: Simulator) -> int:
    return int(simulator.account(TOKEN)["charged"])


def drain(provider: OdooDnb, query: Query, exclude: Exclusions, size: int = 10) -> list[Company]:
    found, cursor = [], None
    while True:
        page = provider.fetch(query, size, cursor, exclude)
        found += [provider.parse(record) for record in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_all_that_matches_comes_once_and_is_charged_once(provider: OdooDnb, simulator: Simulator) -> None:
    provider.fetch(BANKS, 1, None, Exclusions())
    before = charged(simulator)
    found = drain(provider, BANKS, Exclusions())
    assert len({company.reveal_id for company in found}) == len(found) == charged(simulator) - before > 20
    assert {company.country_code for company in found} <= {"JP", "BE"}
    assert {company.industry_group for company in found} == {"Banks & Insurance"}


def test_what_is_known_is_left_out_before_it_is_paid_for(provider: OdooDnb, simulator: Simulator) -> None:
    found = drain(provider, BANKS, Exclusions())
    before = charged(simulator)
    known = {company.reveal_id for company in found[::2] if company.reveal_id}
    rest = drain(provider, BANKS, Listed(known))
    assert {company.reveal_id for company in rest} == {company.reveal_id for company in found} - known
    assert charged(simulator) - before == len(rest)


def test_states_and_sizes(provider: OdooDnb) -> None:
    query = Query(("US",), states=("US-CA", "US-NY"), company_size_min=50, company_size_max=400)
    found = drain(provider, query, Exclusions(), size=200)
    assert {company.state_code for company in found} == {"CA", "NY"}
    assert all(50 <= (company.employees or 0) <= 400 for company in found)


def test_hostile_text_is_refused_record_by_record(provider: OdooDnb, simulator: Simulator) -> None:
    simulator.add_fault("hostile")
    page = provider.fetch(BANKS, 8, None, Exclusions())
    assert page.charged == len(page.records) == 8
    # 10^30 employees are no headcount
    for record in page.records:
        with pytest.raises(ProviderError, match="employees"):
            provider.parse(record)


def test_a_limit_is_told_to_the_gate(provider: OdooDnb, simulator: Simulator) -> None:
    simulator.limit("odoo_dnb", "search", calls=1, seconds=3600)
    provider.fetch(BANKS, 1, None, Exclusions())
    with pytest.raises(ProviderUnavailable) as caught:
        provider.fetch(BANKS, 1, None, Exclusions())
    assert caught.value.charge == "none"
    assert 0 < (caught.value.retry_after or 0) <= 3600
