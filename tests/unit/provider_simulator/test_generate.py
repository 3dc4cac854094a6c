"""The sample catalogue: the same every time, invented, clean where it says so."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import phonenumbers
import pycountry
import pytest
from email_validator import validate_email

from provider_simulator import reference
from provider_simulator.catalogue import COLUMNS, Catalogue, Row, write_catalogue
from provider_simulator.generate import _Maker, generate, slug

STATE_FILTER = {"AR", "AU", "BR", "CA", "IN", "MY", "MX", "NZ", "AE", "US"}
ODOO_INDUSTRY_IDS = {
    30,
    33,
    69,
    86,
    114,
    136,
    138,
    148,
    149,
    150,
    151,
    152,
    153,
    154,
    155,
    157,
    158,
    159,
    160,
    161,
    162,
}
ODOO_INDUSTRY_IDS |= {163, 165, 166, 167, 168, 238, 239}


@pytest.fixture(scope="module")
def clean(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["dirt"] == "[]"]


def test_columns_are_the_documented_ones(rows: list[Row]) -> None:
    assert {frozenset(row) for row in rows} == {frozenset(COLUMNS)}


def test_same_number_and_seed_give_the_same_rows_and_other_seeds_others() -> None:
    assert generate(300, 5) == generate(300, 5)
    assert generate(300, 5) != generate(300, 6)


def test_the_file_is_the_same_byte_for_byte_in_another_process(tmp_path: Path) -> None:
    digests = set()
    for hash_seed in ("1", "2"):
        out = tmp_path / f"{hash_seed}.parquet"
        command = [sys.executable, "-m", "provider_simulator", "catalogue", "--out", out, "--companies", "400"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
        digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_parquet_gives_back_what_was_written(tmp_path: Path) -> None:
    rows = generate(120)
    write_catalogue(tmp_path / "deep" / "catalogue.parquet", rows)
    catalogue = Catalogue.read(tmp_path / "deep" / "catalogue.parquet")
    assert catalogue.rows(list(range(len(catalogue)))) == rows
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["catalogue.parquet"]


def test_six_thousand_take_a_few_seconds() -> None:
    started = time.process_time()
    assert len(generate(6000, 3)) == 6000
    assert time.process_time() - started < 15  # about 2 on an idle core


def test_countries_industries_sizes_and_contacts_are_all_there(rows: list[Row]) -> None:
    countries = Counter(row["country_code"] for row in rows)
    assert set(countries) == STATE_FILTER | {"DE", "FR", "BE", "GB", "JP"}
    assert min(countries.values()) > 100
    assert {int(row["industry_id"]) for row in rows} == ODOO_INDUSTRY_IDS
    industries = Counter(row["odoo_industry"] for row in rows)
    assert len(industries) == 23
    assert min(industries.values()) > 50
    sizes = [row["employees"] for row in rows if row["employees"] is not None]
    assert min(sizes) == 1
    assert max(sizes) > 100_000
    contacts = [json.loads(row["contacts"]) for row in rows]
    assert {len(people) for people in contacts} == set(range(9))
    assert {person["role"] for people in contacts for person in people} == set(reference.roles())
    assert len(reference.roles()) == 22
    assert {person["seniority"] for people in contacts for person in people} == {"director", "executive", "manager"}


def test_states_are_of_their_country(clean: list[Row]) -> None:
    for row in clean:
        if row["country_code"] in STATE_FILTER - {"MY"}:  # Malaysia: Odoo's letters, not ISO's numbers
            assert pycountry.subdivisions.get(code=f"{row['country_code']}-{row['state_code']}"), row["state_name"]


def test_titles_go_with_roles(rows: list[Row]) -> None:
    roles = reference.roles()
    for row in rows:
        for person in json.loads(row["contacts"]):
            assert person["title"] in roles[person["role"]][person["seniority"]]


def test_clean_rows_are_complete_unique_and_well_formed(clean: list[Row]) -> None:
    for column in ("reveal_id", "name", "domain", "phone"):
        values = [row[column] for row in clean]
        assert None not in values
        assert len(set(values)) == len(values), column
    for row in clean:
        assert row["domain"].endswith(".example")
        assert row["domain"] == row["domain"].strip().lower()
        assert row["employees"] >= 1
        assert row["duplicate_of"] is None


def test_clean_addresses_and_numbers_are_valid(clean: list[Row]) -> None:
    for row in clean[:1500]:
        assert json.loads(row["emails"])[0] == row["email"]
        assert json.loads(row["phones"])[0] == row["phone"]
        people = json.loads(row["contacts"])
        emails = [*json.loads(row["emails"]), *(person["email"] for person in people)]
        for email in filter(None, emails):
            assert validate_email(email, check_deliverability=False).domain == row["domain"]
        numbers = [*json.loads(row["phones"]), *(person["phone"] for person in people)]
        for number in filter(None, numbers):
            parsed = phonenumbers.parse(number)
            assert phonenumbers.is_valid_number(parsed), number
            assert phonenumbers.region_code_for_number(parsed) == row["country_code"], number


def test_numbers_stay_new_and_valid_when_the_fictional_ones_are_used_up() -> None:
    maker = _Maker(Random(1))
    cologne = next(place for place in reference.places()["DE"] if place.city == "Köln")
    numbers = [maker._phone(cologne) for _ in range(1300)]  # 1,000 are kept for fiction
    assert len(set(numbers)) == 1300
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)


@pytest.mark.parametrize("companies", [1, 7, 13, 60, 300, 1000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_small_catalogues_are_whole(companies: int, seed: int) -> None:
    rows = generate(companies, seed)
    assert len({row["reveal_id"] for row in rows}) == companies
    assert sum(row["dirt"] != "[]" for row in rows) == round(0.08 * companies)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Silver Forge", "silver-forge"), ("O'Hanlon Großmann", "ohanlon-grossmann"), ("佐久間", ""), ("  Zoë!! ", "zoe")],
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_industry_texts_agree_with_their_id() -> None:
    for industry in reference.industries():
        assert industry.industry_id in reference.industry_ids()
        assert all((industry.sector, industry.industry_group, industry.industry, industry.sub_industry))
    names_by_id = {(industry.industry_id, industry.odoo_industry) for industry in reference.industries()}
    assert len(names_by_id) == len(ODOO_INDUSTRY_IDS)
