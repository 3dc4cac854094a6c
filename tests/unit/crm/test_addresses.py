from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.crm.addresses import email_domain_criterion, formatted, normalized_email, reply_to


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("info@acme.test", "info@acme.test"),
        ("Info@Acme.TEST", "info@acme.test"),
        ("Zoë.Ä@Acme.Test", "Zoë.Ä@acme.test"),
        ('"Doe, Jane" <Jane@Acme.test>', "jane@acme.test"),
        ("Jane <jane@acme.test>, joe@acme.test", "jane@acme.test"),
        ("jane@acme.test;", "jane@acme.test"),
        ("Jane Doe jane@acme.test", "jane@acme.test"),
        ("", None),
        (None, None),
        ("n/a", None),
        ("acme.test", None),
        ("@acme.test", None),
        ("a" * 3000 + "@acme.test", None),
    ],
)
def test_normalized_email(text: str | None, normalized: str | None) -> None:
    assert normalized_email(text) == normalized


@given(st.text(max_size=200))
def test_any_text_gives_an_address_or_nothing(text: str) -> None:
    found = normalized_email(text)
    assert found is None or ("@" in found and not found.startswith("@"))


@given(st.emails())
def test_an_address_is_found_in_itself(address: str) -> None:
    assert normalized_email(address) is not None


@pytest.mark.parametrize(
    ("normalized", "criterion"),
    [("jane@acme.test", "@acme.test"), ("jane@gmail.com", "jane@gmail.com"), (None, None)],
)
def test_email_domain_criterion(normalized: str | None, criterion: str | None) -> None:
    assert email_domain_criterion(normalized) == criterion


@pytest.mark.parametrize(
    ("name", "text"),
    [("Administrator", '"Administrator" <a@b.test>'), ('O"Neil \\', r'"O\"Neil \\" <a@b.test>'), ("", "a@b.test")],
)
def test_formatted(name: str, text: str) -> None:
    assert formatted(name, "a@b.test") == text


@pytest.mark.parametrize(
    ("company", "record", "text"),
    [
        ("My Company", "Sales", '"My Company Sales" <info@acme.test>'),
        ("My Company", "", '"My Company" <info@acme.test>'),
        ("C" * 60, "Sales", '"Sales" <info@acme.test>'),
        ("C" * 60, "S" * 60, "info@acme.test"),
    ],
)
def test_reply_to_is_shortened(company: str, record: str, text: str) -> None:
    assert reply_to(company, record, "info@acme.test") == text
