"""Possible duplicates: companies whose names and places make it likely that they are one."""

from __future__ import annotations

import psycopg
import pytest
from crm_records import add_lead
from more_itertools import chunked
from statement_counter import counted_statements

from lead_mining.matching import crm_index
from lead_mining.matching.likeness import probability
from lead_mining.matching.lookalikes import Lookalike, find_lookalikes
from lead_mining.providers.base import Company

ACME = Company(name="Acme Tools GmbH", country_code="DE", city="Berlin", zip="10115", domain="acme.example")


def lookalikes(crm: psycopg.Connection, *companies: Company) -> list[Lookalike]:
    crm_index.refresh(crm)
    return sorted(find_lookalikes(crm, 0, [list(enumerate(companies, 1))]), key=lambda like: like.candidate_id)


def germany(crm: psycopg.Connection) -> int:
    return int(crm.execute("SELECT id FROM res_country WHERE code = 'DE'").fetchone()[0])


def test_a_lead_written_otherwise_is_found_with_the_reason(crm: psycopg.Connection) -> None:
    lead = add_lead(crm, partner_name="ACME Tools G.m.b.H.", country_id=germany(crm), city="BERLIN")
    (found,) = lookalikes(crm, ACME)
    assert (found.candidate_id, found.duplicate_of) == (1, f"crm.lead {lead}")
    assert found.probability > 0.7
    assert found.why == "same name, same country, same city"


def test_a_lead_whose_country_nobody_wrote_down_is_found_too(crm: psycopg.Connection) -> None:
    lead = add_lead(crm, partner_name="Acme Tools GmbH", phone_sanitized="+493012345678")
    (found,) = lookalikes(crm, ACME.model_copy(update={"phones": ("030 12345678",)}))
    assert found.duplicate_of == f"crm.lead {lead}"


@pytest.mark.parametrize(
    "columns",
    [
        {"partner_name": "Acme Tools GmbH", "website": "https://another.example"},
        {"partner_name": "Zenox Tools GmbH", "city": "Berlin"},
        {"partner_name": "Tools GmbH"},
        {"partner_name": None, "name": "Acme Tools GmbH wants an offer"},
    ],
)
def test_other_companies_are_let_through(crm: psycopg.Connection, columns: dict[str, object]) -> None:
    add_lead(crm, country_id=germany(crm), **columns)
    assert lookalikes(crm, ACME) == []


def test_another_country_is_another_company(crm: psycopg.Connection) -> None:
    (france,) = crm.execute("SELECT id FROM res_country WHERE code = 'FR'").fetchone()
    add_lead(crm, partner_name="Acme Tools GmbH", country_id=france)
    assert lookalikes(crm, ACME) == []


def test_the_likeliest_is_named_and_the_oldest_of_equals(crm: psycopg.Connection) -> None:
    add_lead(crm, partner_name="Acme Toolmakers", country_id=germany(crm))
    oldest = add_lead(crm, partner_name="Acme Tools", country_id=germany(crm))
    add_lead(crm, partner_name="Acme Tools", country_id=germany(crm))
    (found,) = lookalikes(crm, ACME)
    assert found.duplicate_of == f"crm.lead {oldest}"


def test_within_a_batch_the_earlier_one_stays(crm: psycopg.Connection) -> None:
    again = Company(name="Acme Tools", country_code="DE", city="Berlin")
    third = Company(name="ACME TOOLS", country_code="DE")
    other = Company(name="Zenox Foods", country_code="DE", city="Berlin")
    found = lookalikes(crm, ACME, other, again, third)
    assert [(f.candidate_id, f.duplicate_of) for f in found] == [(3, "candidate 1"), (4, "candidate 1")]


def test_companies_without_a_name_are_like_nobody(crm: psycopg.Connection) -> None:
    add_lead(crm, partner_name="")
    assert lookalikes(crm, Company(domain="a.example"), Company(domain="b.example"), Company(name="!!")) == []


def test_statements_do_not_grow_with_the_candidates(crm: psycopg.Connection) -> None:
    crm_index.refresh(crm)
    few = [(n, Company(name=f"Firm{n} Ltd", country_code="GB")) for n in range(2)]
    many = [(n, Company(name=f"Firm{n} Ltd", country_code="GB")) for n in range(200)]
    counts = []
    for companies in (few, many):
        with counted_statements(crm) as statements:
            list(find_lookalikes(crm, 0, [companies]))
        counts.append(len(statements))
    assert counts == [1, 1]  # the hashes; cursors beside


def test_chunks_are_compared_with_one_another(crm: psycopg.Connection) -> None:
    companies = [
        ACME,
        Company(name="Zenox Foods", country_code="DE", city="Berlin"),
        Company(name="Acme Tools", country_code="DE", city="Berlin"),
        Company(name="Zenox Foods", country_code="FR", city="Paris"),
        Company(name="ACME TOOLS", country_code="DE"),
        Company(name="Zenox Food", country_code="FR"),
    ]
    whole = lookalikes(crm, *companies)
    assert [(f.candidate_id, f.duplicate_of) for f in whole] == [
        (3, "candidate 1"),
        (5, "candidate 1"),
        (6, "candidate 4"),
    ]
    numbered = list(enumerate(companies, 1))
    for size in (1, 2, 3, 4):
        assert list(find_lookalikes(crm, 0, chunked(numbered, size))) == whole


def test_a_thousand_of_one_name_are_compared_with_the_first_alone(
    crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm_index.refresh(crm)
    compared = []
    real = probability
    monkeypatch.setattr(
        "lead_mining.matching.lookalikes.probability", lambda one, other: compared.append(1) or real(one, other)
    )
    companies = [(n, Company(name="Acme Tools", country_code="DE")) for n in range(1000)]
    found = list(find_lookalikes(crm, 0, chunked(companies, 100)))
    assert {like.duplicate_of for like in found} == {"candidate 0"}
    assert len(found) == 999
    assert len(compared) <= 2 * 999  # by two blocks
