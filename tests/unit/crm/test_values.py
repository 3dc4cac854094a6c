from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.crm.values import Phone, clean, lead_values, phone_columns
from lead_mining.providers.base import Company, Contact

ACME = Company(
    reveal_id="r1",
    name="Acme",
    legal_name="Acme Inc.",
    domain="acme.test",
    phones=("+1 415-555-0120", "+1 415-555-0121"),
    emails=("Info@Acme.test", "sales@acme.test"),
    street="1 Main Street",
    city="San Francisco",
    zip="94107",
    state_code="CA",
    country_code="US",
)
JANE = Contact(full_name="Jane Doe", email="jane@acme.test", phone="+1 415-555-0199", title="CEO")


def test_a_company_alone() -> None:
    assert lead_values(ACME)._asdict() == {
        "name": "Acme",
        "partner_name": "Acme Inc.",
        "contact_name": None,
        "function": None,
        "email_from": "Info@Acme.test",
        "email_normalized": "info@acme.test",
        "email_domain_criterion": "@acme.test",
        "email_state": "correct",
        "phone": "+1 415-555-0120",
        "website": "https://www.acme.test",
        "street": "1 Main Street",
        "city": "San Francisco",
        "zip": "94107",
        "reveal_id": "r1",
        "country_code": "US",
        "state_code": "CA",
    }


def test_the_first_contact_takes_over_name_function_and_email_but_not_the_phone() -> None:
    values = lead_values(ACME.model_copy(update={"contacts": (JANE, Contact(full_name="Joe"))}))
    assert (values.contact_name, values.function, values.email_from) == ("Jane Doe", "CEO", "jane@acme.test")
    assert values.phone == "+1 415-555-0120"


def test_a_contact_without_email_loses_the_companys() -> None:
    values = lead_values(ACME.model_copy(update={"contacts": (Contact(full_name="Joe"), JANE)}))
    assert (values.email_from, values.email_normalized, values.email_state) == (None, None, None)


def test_nothing_known() -> None:
    values = lead_values(Company(domain="acme.test"))
    assert (values.name, values.partner_name, values.email_from, values.phone) == ("acme.test", None, "", "")
    assert (values.email_normalized, values.email_state, values.country_code) == (None, None, None)


def test_without_a_domain_there_is_no_website() -> None:
    assert lead_values(Company(name="Acme")).website is None
    assert lead_values(Company()).name == ""


@pytest.mark.parametrize(
    ("legal_name", "name", "partner_name"),
    [(None, "Acme", "Acme"), ("", "Acme", "Acme"), ("", "", ""), (None, None, None)],
)
def test_partner_name(legal_name: str | None, name: str | None, partner_name: str | None) -> None:
    assert lead_values(Company(legal_name=legal_name, name=name)).partner_name == partner_name


@pytest.mark.parametrize("email", ["n/a", "@", "x" * 100_000 + "@acme.test"])
def test_a_bad_email_is_kept_and_marked(email: str) -> None:
    values = lead_values(Company(name="Acme", emails=(email,)))
    assert (values.email_from, values.email_normalized, values.email_state) == (email, None, "incorrect")


@pytest.mark.parametrize(
    ("phone", "country", "company_country", "columns"),
    [
        ("+1 415-555-0120", "US", None, Phone("+14155550120", "correct")),
        ("(212) 234-3663", "US", None, Phone("+12122343663", "correct")),
        ("(212) 234-3663", "FR", None, Phone(None, "incorrect")),
        ("+32 4 35 94 91", "BE", None, Phone(None, "incorrect")),
        ("+32 16 33 87 85", "BE", None, Phone("+3216338785", "correct")),
        # without the lead's country the CRM company's decides the number, but not its state
        ("016 33 87 85", None, "BE", Phone("+3216338785", "incorrect")),
        ("+32 16 33 87 85", None, "US", Phone("+3216338785", "correct")),
        # no country at all: as it came
        ("016 33 87 85", None, None, Phone("016 33 87 85", "incorrect")),
        ("+32 16 33 87 85", None, None, Phone("+32 16 33 87 85", "correct")),
        ("", "US", "US", Phone(None, None)),
        ("call us", "US", None, Phone(None, "incorrect")),
        ("9" * 1999, "US", None, Phone(None, "incorrect")),
    ],
)
def test_phone_columns(phone: str, country: str | None, company_country: str | None, columns: Phone) -> None:
    assert phone_columns(phone, country, company_country) == columns


def test_a_phone_that_the_index_cannot_hold_is_left_out() -> None:
    assert lead_values(Company(name="Acme", phones=("1" * 2001,))).phone == ""
    assert lead_values(Company(name="Acme", phones=("1" * 2000,))).phone == "1" * 2000


@given(st.text(alphabet=st.characters(codec=None), max_size=50))
def test_clean_text_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert cleaned is not None
    assert "\x00" not in cleaned
    cleaned.encode("utf-8")


def test_clean_keeps_what_can_be_stored() -> None:
    text = "Zoë 🦊 <b>'; DROP TABLE crm_lead; --\n\t\\N"
    assert clean(text) == text
    assert clean(None) is None
    assert clean("a\x00b\ud800c") == "ab?c"
