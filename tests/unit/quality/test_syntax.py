"""Whether an address is well formed: what is remembered of domains changes no answer."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.quality import syntax
from lead_mining.quality.syntax import is_email

MAILBOXES = ["info", "a.b", "a..b", ".a", "a.", "A+b_c-9", "", "x" * 64, "x" * 65, "ü", "a b", '"a b"', "a@b", "ſ", "K"]
DOMAINS = [
    *("acme.com", "ACME.example", "acme", "acme..com", "acme.com.", "[1.2.3.4]", "1.2.3.4", "localhost", "a.test", ""),
    *(
        "müller.de",
        "xn--mller-kva.de",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a b.com",
        "a.com>",
        "a,b.com",
        "a。com",
        "a\n.com",
    ),
    *(
        "x" * 63 + ".com",
        "x" * 64 + ".com",
        ("x" * 60 + ".") * 3 + "com",
        ("x" * 60 + ".") * 4 + "com",
        "ü" * 60 + ".de",
    ),
]


def is_valid(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return False
    return True


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_address_is_well_formed_where_the_library_says_so(domain: str) -> None:
    for text in [f"{mailbox}@{domain}" for mailbox in MAILBOXES] + [f"Ada <ada@{domain}>", f" ada@{domain}"]:
        assert is_email(text) == is_valid(text), text


@given(st.text('aZ09._+-@ ü"[]<>:,\n', max_size=12), st.sampled_from(["@acme.com", "@a-b.de", ".com", ""]))
def test_any_text_is_well_formed_where_the_library_says_so(start: str, end: str) -> None:
    assert is_email(start + end) == is_valid(start + end)


def test_a_domain_is_validated_once_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = syntax._is_valid_email
    monkeypatch.setattr(syntax, "_is_valid_email", lambda text: asked.append(text) or real(text))
    texts = [f"person.{i}@counted-once.example" for i in range(50)]
    assert all(is_email(text) for text in texts)
    assert asked == ["a@counted-once.example"]
