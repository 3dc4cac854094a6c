from __future__ import annotations

import json
import math
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from note_reader import note

from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company, Contact

ODOO17 = Path(__file__).parents[4] / "shared" / "odoo17"

RICH = Company(
    reveal_id="r1",
    name="Alder & Finch <Labs>",
    description='Makes "quiet" pumps & valves',
    company_type="private",
    founded_year=1987,
    logo="https://logo.example/alder.png",
    phones=("+44 (0)20 7946 0958", "020-7946-0959", "+1 555 010 9999 ext. 7", "+44 (0)20 7946 0958"),
    emails=("hello@alder.example", "sales@alder.example"),
    timezone="America/Argentina/Buenos_Aires",
    timezone_url="http://time.is/São Paulo",
    employees=12345,
    estimated_annual_revenue="$100M-$250M",
    annual_revenue=195_000_000,
    market_cap=1_500_000_000.4,
    sector_primary="Industrials",
    sector="industrials ",
    industry_group="Capital Goods",
    industry="Machinery",
    sub_industry="Pumps",
    technologies=("c++_builder", "aws_ec2", "3d_cart", "AWS_EC2"),
    facebook="alder.finch",
    linkedin="company/alder finch",
    crunchbase="organization/alder",
    twitter="@alder",
    twitter_bio="Pumps, quietly",
    twitter_followers=2914,
    contacts=(
        Contact(full_name="Zoë Tanaka", title="CEO & founder", email="zoe@alder.example", phone="+44 20 7946 0001"),
        Contact(full_name="Bo Li", email="bo@alder.example"),
        Contact(role="ceo", seniority="executive"),
    ),
)
RICH_TEXTS = [
    "Lead created by lead mining request LMR001",
    "Alder & Finch <Labs>",
    'Makes "quiet" pumps & valves',
    "private",
    "1987",
    "Industrials",
    "Capital Goods",
    "Machinery",
    "Pumps",
    "12,345",
    "$100M-$250M per year",
    "$1,500,000,000",
    "+44 (0)20 7946 0958",
    "020-7946-0959",
    "+1 555 010 9999 ext. 7",
    "hello@alder.example",
    "sales@alder.example",
    "America/Argentina/Buenos Aires",
    "C++ Builder",
    "Aws Ec2",
    "3D Cart",
    "Facebook",
    "LinkedIn",
    "Crunchbase",
    "Pumps, quietly",
    "2,914 followers",
    "Zoë Tanaka",
    "CEO & founder",
    "zoe@alder.example",
    "+44 20 7946 0001",
    "Bo Li",
    "bo@alder.example",
]
RICH_LINKS = [
    "https://www.facebook.com/alder.finch",
    "https://www.linkedin.com/company/alder%20finch",
    "https://www.crunchbase.com/organization/alder",
    "https://twitter.com/alder",
    "tel:+442079460958",
    "tel:02079460959",
    "mailto:hello@alder.example",
    "mailto:sales@alder.example",
    "https://time.is/S%C3%A3o%20Paulo",
    "mailto:zoe@alder.example",
    "tel:+442079460001",
    "mailto:bo@alder.example",
]


def test_every_fact_is_there_once() -> None:
    shown = note(RICH)
    labels = {"Company type", "Founded", "Sectors", "Employees", "Estimated revenue", "Market cap", "Phone", "E-mail"}
    labels |= {"Time zone", "Technologies", "Contacts", "Name", "·"}
    facts = [text for text in shown.texts if text not in labels]
    assert sorted(facts) == sorted([*RICH_TEXTS, "Twitter", "Twitter"]), "Twitter: the link and the row's header"
    assert shown.links == RICH_LINKS
    assert labels <= set(shown.texts)


def test_a_company_of_which_nothing_is_known_has_the_opening_line_alone() -> None:
    nothing = Company(reveal_id="r1", domain="x.example", street="1 Way", contacts=(Contact(role="ceo"),))
    assert render_note(nothing, lead_type="lead", request_number="LMR007").strip() == (
        "<p>Lead created by lead mining request LMR007</p>"
    )


def test_an_opportunity_is_called_one() -> None:
    assert note(Company(), "opportunity").texts == ["Opportunity created by lead mining request LMR001"]


@pytest.mark.parametrize(
    ("fact", "label", "text"),
    [
        ({"company_type": "private"}, "Company type", "private"),
        ({"founded_year": 1999}, "Founded", "1999"),
        ({"sub_industry": "Pumps"}, "Sectors", "Pumps"),
        ({"employees": 1}, "Employees", "1"),
        ({"annual_revenue": 1_234_567.8}, "Estimated revenue", "$1,234,568 per year"),
        ({"estimated_annual_revenue": "$0-$1M", "annual_revenue": 5.0}, "Estimated revenue", "$0-$1M per year"),
        ({"market_cap": 7_000.0}, "Market cap", "$7,000"),
        ({"phones": ("call 5",)}, "Phone", "call 5"),
        ({"phones": ("(-) - .",)}, "Phone", "(-) - ."),
        ({"phones": ("1" * 21,)}, "Phone", "1" * 21),
        ({"phones": ("٠١٢٣٤٥",)}, "Phone", "٠١٢٣٤٥"),
        ({"emails": ("a@" + "x" * 300,)}, "E-mail", "a@" + "x" * 252 + "…"),
        ({"emails": ("not an address",)}, "E-mail", "not an address"),
        ({"timezone": "Asia/Ho_Chi_Minh", "timezone_url": "javascript:alert(1)"}, "Time zone", "Asia/Ho Chi Minh"),
        ({"technologies": ("microsoft_office_365",)}, "Technologies", "Microsoft Office 365"),
        ({"twitter_bio": "Hello"}, "Twitter", "Hello"),
        ({"twitter_followers": 1000}, "Twitter", "1,000 followers"),
    ],
)
def test_only_what_is_known_has_a_row(fact: dict[str, Any], label: str, text: str) -> None:
    shown = note(Company(**fact))
    assert shown.texts[1:] == [label, text]
    assert shown.counts["tr"] == 1
    assert shown.links == []


@pytest.mark.parametrize("number", [0, -5, 10**15, 10**400])
def test_absurd_whole_numbers_are_no_facts(number: int) -> None:
    absurd = Company(founded_year=number, employees=number, twitter_followers=number)
    assert note(absurd).texts == ["Lead created by lead mining request LMR001"]


@pytest.mark.parametrize("number", [0.0, -5.5, 1e15, 1e308, math.nan, math.inf, -math.inf])
def test_absurd_amounts_are_no_facts(number: float) -> None:
    absurd = Company(annual_revenue=number, market_cap=number)
    assert note(absurd).texts == ["Lead created by lead mining request LMR001"]


def test_long_texts_are_cut_where_the_documentation_says() -> None:
    shown = note(Company(name="n" * 300, description="word " * 1000, technologies=tuple(f"t{i}" for i in range(150))))
    assert shown.texts[1] == "n" * 254 + "…"
    assert len(shown.texts[2]) <= 2000
    assert shown.texts[2].endswith("word…")
    assert shown.texts[-2:] == ["T99", "and 50 more"]
    exact = note(Company(name="n" * 255, description="d" * 2000))
    assert exact.texts[1:] == ["n" * 255, "d" * 2000]


def test_many_contacts_are_cut_and_counted() -> None:
    people = tuple(Contact(full_name=f"Person {i}") for i in range(130))
    assert note(Company(contacts=people)).texts[-2:] == ["Person 99", "and 30 more contacts"]


def test_ten_thousand_notes_take_seconds() -> None:
    render_note(RICH, lead_type="lead", request_number="LMR001")
    start = time.process_time()
    for _ in range(500):
        render_note(RICH, lead_type="lead", request_number="LMR001")
    assert time.process_time() - start < 1.0, "500 notes; usually a quarter of that"


def provider_answer(name: str) -> Company:
    """A recorded answer of the provider, field by field."""
    file = ODOO17 / f"sample_body_{name}.provider.json"
    if not file.exists():
        pytest.skip(f"no recorded answer at {file}")
    answer = json.loads(file.read_text(encoding="utf-8"))
    data = answer["company_data"]
    same = {field: data[field] for field in Company.model_fields if field in data}
    return Company(
        **same,
        phones=tuple(data["phone_numbers"]),
        emails=tuple(data["email"]),
        technologies=tuple(data["tech"]),
        contacts=tuple(Contact(**person) for person in answer.get("people_data", [])),
    )


class Words(HTMLParser):
    """The texts of any HTML, and its links as texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [unquote(value or "") for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.found.append(" ".join(data.split()))


@pytest.mark.parametrize("name", ["company", "people"])
def test_it_says_all_that_odoo_says_of_the_same_answer(name: str) -> None:
    company = provider_answer(name)
    odoo = Words((ODOO17 / f"sample_body_{name}.html").read_text(encoding="utf-8")).found
    html = render_note(company, lead_type="opportunity", request_number="LMR001")
    ours = " ".join(Words(html).found).replace(",", "")
    not_facts = {"", "•", "Timezone", "Email", "Technologies Used", "Opportunity created by Odoo Lead Generation"}
    for said in odoo:
        if said not in not_facts:
            bare = re.sub(r"^https?://www\.", "", said).replace("mailto:", "").replace(",", "")
            bare = re.sub(r"[ -]", "", bare.removeprefix("tel:")) if said.startswith("tel:") else bare
            assert bare in ours, f"{said!r} is not in our note"


@pytest.mark.parametrize("name", ["company", "people"])
def test_it_says_each_thing_once(name: str) -> None:
    company = provider_answer(name)
    shown = note(company).texts
    values = [company.name, company.description, company.company_type, company.twitter_bio]
    values += [*company.emails, *company.phones]
    for person in company.contacts:
        values += [person.full_name, person.title, person.email, person.phone]
    for value in filter(None, values):
        assert shown.count(value) == 1, value
