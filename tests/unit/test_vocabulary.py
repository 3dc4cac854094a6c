"""The vocabulary is Odoo 17's (names, provider ids, white list of states) and ISO 3166."""

from __future__ import annotations

import pytest

from lead_mining import vocabulary


def test_counts_are_those_of_odoo() -> None:
    assert len(vocabulary.industries()) == 23
    assert len(vocabulary.roles()) == 22
    assert sorted(vocabulary.seniorities()) == ["director", "executive", "manager"]
    assert sorted(vocabulary.state_filter_countries()) == ["AE", "AR", "AU", "BR", "CA", "IN", "MX", "MY", "NZ", "US"]


def test_industries_have_the_providers_ids() -> None:
    assert vocabulary.industries()["Banks & Insurance"].reveal_ids == ("69", "157")
    assert vocabulary.industries()["Software & Services"].reveal_ids == ("165",)
    ids = [id_ for industry in vocabulary.industries().values() for id_ in industry.reveal_ids]
    assert len(ids) == len(set(ids))


def test_no_word_has_a_blank_at_its_ends() -> None:
    words = [*vocabulary.industries(), *vocabulary.roles(), *vocabulary.seniorities(), *vocabulary.free_mail_domains()]
    assert [word for word in words if word != word.strip() or not word] == []


def test_free_mail_domains() -> None:
    assert {"gmail.com", "hotmail.com", "yahoo.com"} <= vocabulary.free_mail_domains()


@pytest.mark.parametrize(
    ("iso", "code"), [("US-CA", "CA"), ("MY-01", "JHR"), ("IN-OD", "OR"), ("AE-AZ", "AZ"), ("MX-AGU", "AGU")]
)
def test_crm_state_code_is_odoos(iso: str, code: str) -> None:
    assert vocabulary.crm_state_code(iso) == code


def test_state_codes_know_all_spellings() -> None:
    assert {"01", "MY-01", "JHR"} <= vocabulary.state_codes("MY")
    assert vocabulary.state_codes("XX") == frozenset()


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["Information Technology", "Software & Services"], {"Software & Services"}),
        (["Financials", "BANKS "], {"Banks & Insurance"}),
        (["Utilities", "Independent Power and Renewable Electricity Producers"],
         {"Energy & Utilities", "Independent Power and Renewable Electricity Producers"}),
        (["Sorcery", None, ""], set()),
    ],
)  # fmt: skip
def test_industries_named(texts: list[str | None], names: set[str]) -> None:
    assert vocabulary.industries_named(texts) == names
