"""Looking up who is near finds the same as comparing each with all that share a block of its name."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from crm_records import add_lead
from more_itertools import chunked

from lead_mining.matching import crm_index
from lead_mining.matching.crm_index import name_blocks
from lead_mining.matching.likeness import Profile, describe, model, probability
from lead_mining.matching.lookalikes import Lookalike, find_lookalikes, profile
from lead_mining.providers.base import Company

NAMES = (
    "Acme Tools",
    "Acme Toolmakers",
    "ACME Tool & Die",
    "First Bank",
    "First National Bank",
    "Banco First",
    "!!",
    "",
)
COUNTRIES = ("DE", "DE", "FR", None)
CITIES, ZIPS = ("Berlin", "Bonn", None), ("10115", "53111", None)
DOMAINS = ("acme.com", "first.com", None, None)
PHONES = ("+493012345678", "+33144556677", None, None)


def some_companies(number: int, random_: random.Random) -> list[Company]:
    choice = random_.choice
    return [
        Company(
            name=f"{choice(NAMES)} {choice(('', 'AG', 'Ltd', 'Berlin'))}",
            country_code=choice(COUNTRIES),
            city=choice(CITIES),
            zip=choice(ZIPS),
            domain=choice(DOMAINS),
            phones=(phone,) if (phone := choice(PHONES)) else (),
        )
        for _ in range(number)
    ]


def add(crm: psycopg.Connection, company: Company) -> int:
    (country,) = crm.execute("SELECT (SELECT id FROM res_country WHERE code = %s)", [company.country_code]).fetchone()
    return add_lead(
        crm,
        partner_name=company.name,
        country_id=country,
        city=company.city,
        zip=company.zip,
        website=company.domain and f"https://{company.domain}",
        phone_sanitized=next(iter(company.phones), None),
    )


def by_brute_force(leads: dict[int, Profile], companies: Sequence[tuple[int, Company]]) -> Iterator[Lookalike]:
    kept: dict[int, Profile] = {}
    for candidate_id, company in companies:
        mine = profile(company)
        country = mine.country or ""
        in_crm = [("crm.lead", id_, p) for id_, p in leads.items() if share_a_block(mine, p, {country, ""})]
        earlier = [("candidate", id_, p) for id_, p in kept.items() if share_a_block(mine, p, {country})]
        for pool in (in_crm, earlier):
            likely = [(-probability(mine, theirs), record_model, id_, theirs) for record_model, id_, theirs in pool]
            best = min((one for one in likely if -one[0] >= model().likely), key=lambda one: one[:3], default=None)
            if best:
                yield Lookalike(candidate_id, f"{best[1]} {best[2]}", round(-best[0], 3), describe(mine, best[3]))
                break
        else:
            kept[candidate_id] = mine


def share_a_block(mine: Profile, theirs: Profile, countries: set[str]) -> bool:
    own = {block for country in countries for block in name_blocks(mine.name, country)}
    return not own.isdisjoint(name_blocks(theirs.name, theirs.country or ""))


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_found(crm: psycopg.Connection, seed: int) -> None:
    random_ = random.Random(seed)
    leads = {}
    if seed % 2:  # without, more of the batch is left for one another
        leads = {add(crm, company): profile(company) for company in some_companies(20, random_)}
    crm_index.refresh(crm)
    companies = list(enumerate(some_companies(120, random_), 1))
    expected = list(by_brute_force(leads, companies))
    assert 20 < len(expected) < len(companies)
    for size in (1000, 11):
        assert list(find_lookalikes(crm, 0, chunked(companies, size))) == expected
