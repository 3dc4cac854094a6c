"""By what a company is recognised."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining import vocabulary
from lead_mining.identifiers import registered_domain
from lead_mining.matching.keys import KINDS, match_keys
from lead_mining.providers.base import Company, Contact


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("acme.com", "acme.com"),
        ("WWW.Acme.COM", "acme.com"),
        ("https://www.Shop.ACME.co.uk:8080/a?b#c", "acme.co.uk"),
        ("user:pw@acme.com", "acme.com"),
        ("acme.com.", "acme.com"),
        ("  acme.com/", "acme.com"),
        ("müller.de", "xn--mller-kva.de"),
        ("MÜLLER.de", "xn--mller-kva.de"),
        ("xn--mller-kva.de", "xn--mller-kva.de"),
        ("日本.jp", "xn--wgv71a.jp"),
        ("north.acme.example", "acme.example"),
        ("acme.github.io", "acme.github.io"),
        ("acme.myshopify.com", "acme.myshopify.com"),
    ],
)
def test_registered_domain(text: str, domain: str) -> None:
    assert registered_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "acme", "co.uk", "github.io", "10.0.0.1", "::1", "gmail.com", "mail.yahoo.co.uk", "facebook.com/acme",
        "acme.wordpress.com", "x" * 300 + ".com", "x" * 5000, "\x00.com", ".", "..", "http://", "ü" * 200 + ".de", "\ud800.com",
    ],
)  # fmt: skip
def test_what_is_no_companys_own_domain_gives_no_key(text: str) -> None:
    assert registered_domain(text) is None


def test_no_free_mail_domain_gives_a_key() -> None:
    assert [d for d in vocabulary.free_mail_domains() if match_keys(Company(domain=d))] == []


def keys(company: Company, kind: str) -> set[str]:
    return {value for k, value in match_keys(company) if k == kind}


def test_emails_of_the_company_and_of_its_contacts() -> None:
    company = Company(
        emails=("Info@Acme.COM", "Acme <sales@acme.com>", "me@gmail.com", "a@b.com, mailto:c@d.com;", "e@f.com\x00"),
        contacts=(Contact(email="ada@acme.com"), Contact(full_name="Bo")),
    )
    assert keys(company, "email") == {
        *("info@acme.com", "sales@acme.com", "me@gmail.com", "ada@acme.com"),
        *("a@b.com", "c@d.com", "e@f.com"),
    }


@pytest.mark.parametrize("text", ["", "@", "a@b", "a@@b.com", "call me", "x" * 400 + "@b.com"])
def test_what_is_no_address_gives_no_key(text: str) -> None:
    assert match_keys(Company(emails=(text,))) == frozenset()


@pytest.mark.parametrize(
    ("phone", "country", "number"),
    [
        ("(415) 555-0120", "US", "+14155550120"),
        ("(415) 555-0120", "us", "+14155550120"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("+44 20 7946 0018", None, "+442079460018"),
        ("+49 (0)2161 3173535", "US", "+4921613173535"),
    ],
)
def test_phones_are_e164(phone: str, country: str | None, number: str) -> None:
    assert keys(Company(phones=(phone,), country_code=country), "phone") == {number}


@pytest.mark.parametrize(
    ("phone", "country"), [("020 7946 0018", None), ("12", "GB"), ("none", "GB"), ("1" * 9999, "US"), ("020", "ZZ")]
)
def test_what_is_no_phone_gives_no_key(phone: str, country: str | None) -> None:
    assert match_keys(Company(phones=(phone,), country_code=country)) == frozenset()


def test_a_further_phone_does_not_recognise_a_company() -> None:
    phones = ("+1 415-555-0120", "+1 212-555-0161")
    assert keys(Company(phones=phones, country_code="US"), "phone") == {"+14155550120"}


def test_phones_of_contacts_do_not_recognise_a_company() -> None:
    assert match_keys(Company(country_code="US", contacts=(Contact(phone="(415) 555-0120"),))) == frozenset()


def test_reveal_ids_are_kept_as_given_unless_they_cannot_be_ids() -> None:
    assert match_keys(Company(reveal_id="Ab-1")) == {("reveal_id", "Ab-1")}
    assert match_keys(Company(reveal_id="x" * 501)) == frozenset()
    assert match_keys(Company(reveal_id="a\x00b")) == frozenset()
    assert match_keys(Company(reveal_id="")) == frozenset()


anything = st.one_of(st.none(), st.text(max_size=300))


@given(st.builds(Company, reveal_id=anything, domain=anything, country_code=anything, emails=st.tuples(st.text()), phones=st.tuples(st.text())))  # fmt: skip
def test_any_text_gives_keys_that_the_database_can_index(company: Company) -> None:
    for kind, value in match_keys(company):
        assert kind in KINDS
        assert value
        assert "\x00" not in value
        assert len(value.encode("utf-8", "replace")) < 2700  # a B-tree of PostgreSQL


def test_nothing_is_asked_of_the_network_or_written(tmp_path: Path) -> None:
    code = """
import socket
def refuse(*args): raise AssertionError("a connection was opened")
socket.socket.connect = socket.getaddrinfo = refuse
from lead_mining.matching.keys import match_keys
from lead_mining.providers.base import Company
print(len(match_keys(Company(domain="müller.de", emails=("a@b.com",), phones=("+44 20 7946 0018",)))))
"""
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert list(tmp_path.iterdir()) == []


def test_10000_companies_take_seconds() -> None:
    companies = [
        Company(domain=f"c{i}.co.uk", emails=(f"info@c{i}.co.uk",), phones=(f"+44 20 7946 {i:04d}",), country_code="GB")
        for i in range(10_000)
    ]
    started = time.perf_counter()
    assert sum(len(match_keys(company)) for company in companies) == 30_000
    assert time.perf_counter() - started < 15  # 2 s on an idle core; a machine under test is never idle
