"""Addresses and numbers read from fields as Odoo reads them, and role addresses told apart. Domains: matching/test_keys.py."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining import vocabulary
from lead_mining.identifiers import (
    e164,
    email_address,
    email_addresses,
    is_email_address,
    is_role_address,
    mailboxes,
    one_mailbox,
)

ADDRESSES = st.from_regex(r"[a-zA-Zëß0-9_.+-]{1,9}@([a-zA-Z0-9ü-]{1,9}\.){1,2}[a-zA-Z]{2,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("field", "addresses"),
    [
        ("Info@Acme.TEST", ["info@acme.test"]),
        ("Zoë.Ä@Acme.Test", ["Zoë.Ä@acme.test"]),
        ('"Doe, Jane" <Jane@Acme.test>', ["jane@acme.test"]),
        ("Jane <jane@acme.test>, Joe@acme.test", ["jane@acme.test", "joe@acme.test"]),
        ("jane@acme.test; joe@acme.test", ["jane@acme.test", "joe@acme.test"]),
        ("jane@acme.test;", ["jane@acme.test"]),
        ("mailto:Jane@acme.test", ["jane@acme.test"]),
        ("Jane Doe jane@acme.test", ["jane@acme.test"]),
        ("jane@acme.test (at work)", ["jane@acme.test"]),
        ("j\x00ane@acme.test", ["jane@acme.test"]),
        (f"{':' * 900} jane@acme.test", ["jane@acme.test"]),
        (f"{'(' * 9000} jane@acme.test", ["jane@acme.test"]),
        ("", []),
        (None, []),
        ("n/a", []),
        ("acme.test", []),
    ],
)
def test_all_addresses_of_a_field_are_found(field: str | None, addresses: list[str]) -> None:
    assert email_addresses(field) == addresses
    assert email_address(field) == (addresses[0] if addresses else None)
    assert mailboxes(field) == {address.lower() for address in addresses}
    assert one_mailbox(field or "") == (addresses[0].lower() if len(addresses) == 1 else None)


@given(
    st.lists(ADDRESSES, min_size=1, max_size=4), st.sampled_from([", ", "; ", ",", ";", "\n,", " , ;"]), st.booleans()
)
def test_every_address_of_a_list_is_found_and_stays_as_it_is_read(
    addresses: list[str], between: str, named: bool
) -> None:
    read = email_addresses(between.join(f"Ann <{address}>" if named else address for address in addresses))
    assert [address.lower() for address in read] == [address.lower() for address in addresses]
    assert [email_addresses(address) for address in read] == [[address] for address in read]
    assert all(map(is_email_address, read))


@given(st.text(st.sampled_from('a@.,;:<>()[]"\\ \n\0ëx')), st.integers(1, 999))
def test_any_field_has_an_answer(text: str, times: int) -> None:
    for field in (text, text * times):
        assert all("@" in address and "\0" not in address for address in email_addresses(field))
        assert all(map(is_email_address, mailboxes(field)))


def _numbers() -> list[tuple[str, str, str]]:
    """(region, in E.164, as dialled there) of the library's example numbers of all countries."""
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    found = [(r, phonenumbers.example_number_for_type(r, k)) for r in phonenumbers.SUPPORTED_REGIONS for k in kinds]
    forms = (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.NATIONAL)
    return [(r, *(phonenumbers.format_number(n, form) for form in forms)) for r, n in found if n]


def test_every_countrys_example_numbers_are_read_in_every_notation() -> None:
    examples = _numbers()
    assert len(examples) > 480
    for region, number, national in examples:
        assert e164(national, region) == e164(number, None) == number
        international = phonenumbers.format_number(
            phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL
        )
        for country in (region, "US", "DE"):
            assert e164(international, country) == e164(f"tel:{number}", country) == number
        without_plus, from_abroad = number[1:], f"00{number[1:]}"
        if len(without_plus) > 11:  # than any number of the United States
            assert e164(without_plus, "US") == e164(from_abroad, "US") == number


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("0049 30 901820", "US", "+4930901820"),
        ("390236618300", "US", "+390236618300"),
        ("+55 11 8123-4567", None, "+5511981234567"),
        ("(71) 8812-3456", "BR", "+5571988123456"),
        ("+52 1 55 5123 4567", None, "+525551234567"),
        ("5215551234567", "US", "+525551234567"),
        ("+1 415 555 01201", "US", None),
        ("0012", "US", None),
    ],
)
def test_numbers_dialled_from_abroad_without_a_plus_or_as_in_former_years(
    text: str, country: str | None, number: str | None
) -> None:
    assert e164(text, country) == number


@pytest.mark.parametrize(
    "address",
    [
        *("info@acme.example", "INFO@acme.example", "sales.de@acme.example", "info-uk@x.example", "office1@x.example"),
        *(
            "no-reply@x.example",
            "customer.service@x.example",
            "kontakt@x.example",
            "vendas+crm@x.example",
            "rh@x.example",
        ),
        *("postmaster@x.example", "abuse@x.example", "ventas_es@x.example"),
    ],
)
def test_a_functions_address(address: str) -> None:
    assert is_role_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "ada@acme.example",
            "ada.lovelace@acme.example",
            "a.lovelace@x.example",
            "info.lovelace@x.example",
            "al@x.example",
        ),
        *("de@x.example", "1@x.example", "@x.example", "info", "", "sales-ada@x.example", "informer@x.example"),
    ],
)
def test_in_doubt_it_is_a_persons(address: str) -> None:
    assert not is_role_address(address)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert is_role_address(text) in (True, False)


def test_the_list_is_in_order_and_has_no_persons_names() -> None:
    names = vocabulary.role_addresses()
    assert {"info", "sales", "postmaster", "kontakt"} <= names
    assert all(name.isascii() and name.isalnum() and name == name.lower() for name in names)
    assert not names & {"anna", "max", "john", "maria", "law", "case"}
