"""Role addresses told apart from persons'. Domains, addresses and numbers themselves: matching/test_keys.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining import vocabulary
from lead_mining.identifiers import is_role_address


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
