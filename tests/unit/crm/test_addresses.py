from __future__ import annotations

import pytest

from lead_mining.crm.addresses import email_domain_criterion, formatted, reply_to


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
