"""Mining a real list of 54,402 listed companies. Skipped where it is not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from known_ones import KnownOnes

from lead_mining.providers.base import Company, Exclusions, Query
from lead_mining.providers.lead_catalog import LeadCatalog

COMPANIES = Path(__file__).resolve().parents[4] / "shared/data/companies.parquet"
pytestmark = pytest.mark.skipif(not COMPANIES.exists(), reason="the list of companies is not on this machine")

# A FIGI names one listing, so a cross-listed company has several; where it is null, a hash stands in for it.
# `shareclass_figi` would join the listings, but is wrong for 124 ids: they stand at companies with different domains.
COLUMNS = {
    "reveal_id": "figi",
    "name": "name",
    "description": "summary",
    "sector": "sector",
    "industry_group": "industry_group",
    "industry": "industry",
    "country_code": "country",
    "state_code": "state",
    "city": "city",
    "zip": "zipcode",
    "domain": "website",
}
SOFTWARE = Query(countries=("IN", "JP", "CA"), industries=("Software & Services",))


@pytest.fixture(scope="module")
def catalogue() -> LeadCatalog:
    return LeadCatalog(COMPANIES, COLUMNS)


def mine(catalogue: LeadCatalog, query: Query, exclude: Exclusions) -> list[Company]:
    companies, cursor = [], None
    while True:
        page = catalogue.fetch(query, 100, cursor, exclude)
        companies += [catalogue.parse(record) for record in page.records]
        if page.next_cursor is None:
            return companies
        cursor = page.next_cursor


def test_software_in_three_countries_agrees_with_pandas(catalogue: LeadCatalog) -> None:
    import pandas as pd

    frame = pd.read_parquet(COMPANIES)
    expected = frame[frame.country.isin(["India", "Japan", "Canada"]) & (frame.industry_group == "Software & Services")]
    mined = mine(catalogue, SOFTWARE, Exclusions())
    assert [company.name for company in mined] == [str(name).strip() for name in expected.name]
    assert {company.country_code for company in mined} == {"IN", "JP", "CA"}
    assert all(company.reveal_id for company in mined)
    assert catalogue.preview(SOFTWARE, 3, Exclusions()).count == len(mined) == len(expected) > 500


def test_what_was_mined_is_not_found_again(catalogue: LeadCatalog) -> None:
    first = mine(catalogue, SOFTWARE, Exclusions())[:200]
    known = KnownOnes(
        reveal_ids=[company.reveal_id for company in first if company.reveal_id],
        domains=[company.domain for company in first if company.domain],
    )
    rest = mine(catalogue, SOFTWARE, known)
    assert catalogue.preview(SOFTWARE, 1, known).count == len(rest) > 0
    assert not known.reveal_ids & {company.reveal_id for company in rest}
    assert not known.domains & {company.domain for company in rest}


def test_states(catalogue: LeadCatalog) -> None:
    mined = mine(catalogue, Query(countries=("US",), states=("US-CA", "US-NY")), Exclusions())
    assert {company.state_code for company in mined} == {"CA", "NY"}
    assert {company.country_code for company in mined} == {"US"}


def test_every_row_can_be_read_and_nearly_every_country_is_one(catalogue: LeadCatalog) -> None:
    mined = mine(catalogue, Query(countries=()), Exclusions())
    assert len(mined) == 54_402
    assert catalogue.check() == "The catalogue holds 54402 companies"
    named = {company.country_code for company in mined if company.country_code}
    assert {code for code in named if len(code) != 2} == {"Netherlands Antilles"}  # dissolved in 2010
    assert not [
        company.domain for company in mined if company.domain and ("/" in company.domain or " " in company.domain)
    ]
