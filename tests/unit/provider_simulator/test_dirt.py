"""Every kind of dirt spoils what its name says, in the documented share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email

from provider_simulator.catalogue import Row
from provider_simulator.dirt import KINDS, SHARE


def _of(rows: list[Row], kind: str) -> list[Row]:
    found = [row for row in rows if json.loads(row["dirt"]) == [kind]]
    assert found
    return found


def _valid_phone(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _valid_email(address: Any) -> bool:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def test_share_is_as_documented_and_even(rows: list[Row]) -> None:
    kinds = Counter(kind for row in rows for kind in json.loads(row["dirt"]))
    assert set(kinds) == set(KINDS)
    assert sum(kinds.values()) == round(SHARE * len(rows)) == 480
    assert max(kinds.values()) - min(kinds.values()) <= 1


CHECKS: dict[str, Callable[[Row], bool]] = {
    "missing_name": lambda row: row["name"] is None and bool(row["legal_name"]),
    "missing_legal_name": lambda row: row["legal_name"] is None and bool(row["name"]),
    "missing_domain": lambda row: row["domain"] is None,
    "missing_employees": lambda row: row["employees"] is None,
    "missing_phone": lambda row: row["phone"] is None and row["phones"] == "[]",
    "upper_case_domain": lambda row: row["domain"].endswith(".EXAMPLE"),
    "www_domain": lambda row: "www." in row["domain"] or "://" in row["domain"],
    "malformed_domain": lambda row: not _valid_email(f"info@{row['domain']}"),
    "free_mail_domain": lambda row: row["domain"] == "gmail.com",
    "national_phone": lambda row: (
        not _valid_phone(row["phone"], None) and _valid_phone(row["phone"], row["country_code"])
    ),
    "unparseable_phone": lambda row: not _valid_phone(row["phone"], row["country_code"]),
    "malformed_email": lambda row: not _valid_email(row["email"]),
    # Gmail has no addresses with a hyphen: nobody is written to
    "free_mail_email": lambda row: row["email"].endswith("@gmail.com") and "-" in row["email"],
    "html_name": lambda row: "<" in row["name"] or "&" in row["name"],
    "html_description": lambda row: "<script" in row["description"] and "javascript:" in row["description"],
    "sql_name": lambda row: "'" in row["name"] or "%s" in row["name"],
    "unicode_name": lambda row: not row["name"].isascii(),
    "trailing_blanks": lambda row: row["name"] != row["name"].strip() and row["domain"] != row["domain"].strip(),
    "long_description": lambda row: len(row["description"]) > 10_000,
}


@pytest.mark.parametrize("kind", CHECKS)
def test_spoilt_as_named(rows: list[Row], kind: str) -> None:
    for row in _of(rows, kind):
        assert CHECKS[kind](row), row
        assert row["duplicate_of"] is None


def test_wrong_state_is_a_state_of_another_country(rows: list[Row]) -> None:
    country_of = {(row["state_code"], row["state_name"]): row["country_code"] for row in rows if row["dirt"] == "[]"}
    for row in _of(rows, "wrong_state"):
        assert country_of[row["state_code"], row["state_name"]] != row["country_code"]


@pytest.mark.parametrize(
    ("kind", "shared", "other"),
    [
        ("duplicate_domain", "domain", "phone"),
        ("duplicate_phone", "phone", "domain"),
    ],
)
def test_duplicates_name_the_company_that_they_repeat(rows: list[Row], kind: str, shared: str, other: str) -> None:
    by_id = {row["reveal_id"]: row for row in rows}
    for row in _of(rows, kind):
        original = by_id[row["duplicate_of"]]
        assert original["dirt"] == "[]"
        assert row[shared] == original[shared]
        assert row[other] != original[other]
        assert row["name"] != original["name"]
        assert row["country_code"] == original["country_code"]


def test_a_contact_is_sold_with_two_companies(rows: list[Row]) -> None:
    owners: dict[str, set[str]] = {}
    for row in rows:
        for person in json.loads(row["contacts"]):
            if person["email"]:
                owners.setdefault(person["email"], set()).add(row["reveal_id"])
    for row in _of(rows, "shared_contact_email"):
        shared = json.loads(row["contacts"])[0]["email"]
        assert len(owners[shared]) >= 2
    assert not [row for row in rows if len(json.loads(row["contacts"])) > 8]
