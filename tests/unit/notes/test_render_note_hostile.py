"""Provider text is hostile: whatever it is, it stays text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_reader import Note, note

from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company, Contact


def test_a_huge_record_stays_a_small_note() -> None:
    long = "<b>&\"' " * 20_000
    texts = {name: long for name, info in Company.model_fields.items() if info.annotation == str | None}
    huge = Company(
        **texts,
        phones=(long,) * 10 + tuple(map(str, range(10_000))),
        technologies=tuple(f"{long}{i}" for i in range(200)),
        contacts=(Contact(full_name=long, title=long, email=long, phone=long),) * 1000,
    )
    html = render_note(huge, lead_type="lead", request_number="LMR001")
    Note(html)
    assert len(html) < 1_000_000


def test_white_space_and_control_characters_go() -> None:
    dirty = Company(
        name="Ac\x00me\u202e\tInc\r\n\x0b\x1b[31m",
        description="two\n\nlines\u2028and\u00a0more\ud800".encode("utf-8", "ignore").decode(),
        emails=("a\u2066b@x.example",),
    )
    assert note(dirty).texts[1:] == ["Acme Inc [31m", "two lines and more", "E-mail", "ab@x.example"]


def test_lone_surrogates_cannot_break_the_encoding() -> None:
    broken = Company.model_construct(name="A\ud800B", description="\udfff", twitter="x\udc80y")
    html = render_note(broken, lead_type="lead", request_number="LMR001")
    assert Note(html).texts[1] == "AB"
    assert html.encode("utf-8")


PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "vbscript:msgbox(1)",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "https://user:pass@evil.example/",
    "https:evil.example",
    "http://",
    "http://[::1",
    "ftp://evil.example/x",
    "file:///etc/passwd",
    'https://ok.example/"onerror="alert(1)',
    "https://ok.example/<script>",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7}<%= 7*7 %>",
    "<!-- --><![CDATA[x]]><?php ?>",
    "</td></tr></table></div><style>*{display:none}</style>",
    "&lt;script&gt;&#x3c;script&#62;",
    "<svg/onload=alert(1)>",
    "a@b.example?bcc=all@evil.example&body=<x>",
    "a@b.example?bcc=all",
    "a@b.example%0d%0aBcc:all@evil.example",
    "+1555;phone-context=evil.example",
    "*2767*3855#",
]


def hostile(payload: str) -> Company:
    """The payload in every text of a company and of a contact."""
    texts = {name: payload for name, info in Company.model_fields.items() if info.annotation == str | None}
    person = Contact(full_name=payload, email=payload, phone=payload, title=payload)
    lists = dict.fromkeys(("phones", "emails", "technologies", "tags"), (payload,))
    return Company(**texts, **lists, contacts=(person,))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_text(payload: str) -> None:
    shown = note(hostile(payload), request_number=payload)  # Note fails on tags, attributes and schemes not ours
    cleaned = " ".join(payload.replace("\x01", "").split())
    assert shown.texts[0] == f"Lead created by lead mining request {cleaned}"
    assert shown.texts.count(cleaned) >= 6, "it can be read as it came: name, description, type, sector, ..."
    for link in shown.links:
        host = link.split("/")[2] if link.startswith("http") else ""
        assert "evil.example" not in host
        assert "?" not in link or not link.startswith("mailto:")


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/web/session/logout",
        "https://time.is.evil.example/",
        "https://time.is@evil.example/",
        "https://a:b@time.is/x",
        "https://time.is:8443/x",
        "//time.is/x",
        "https://time.is\\@evil.example/x",
        "https://time.is/?next=https://crm.example/",
        "https://time.is/",
    ],
)
def test_a_time_zone_links_to_its_page_alone(url: str) -> None:
    shown = note(Company(timezone="Europe/Paris", timezone_url=url))
    assert (shown.texts[1:], shown.links) == (["Time zone", "Europe/Paris"], [])


addresses = st.sampled_from(["http://crm.example/web/session/logout", "https://time.is/Paris", "https://a:b@time.is/x"])
texts = st.text(max_size=60) | st.sampled_from(PAYLOADS) | addresses
maybe = st.none() | texts
people = st.builds(Contact, full_name=maybe, email=maybe, phone=maybe, title=maybe)


@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        Company,
        name=maybe,
        description=maybe,
        logo=maybe,
        timezone=maybe,
        timezone_url=maybe,
        linkedin=maybe,
        twitter=maybe,
        estimated_annual_revenue=maybe,
        founded_year=st.none() | st.integers(),
        employees=st.none() | st.integers(),
        annual_revenue=st.none() | st.floats(),
        phones=st.lists(texts, max_size=3).map(tuple),
        emails=st.lists(texts | st.emails(), max_size=3).map(tuple),
        technologies=st.lists(texts, max_size=3).map(tuple),
        contacts=st.lists(people, max_size=3).map(tuple),
    )
)
def test_any_company_makes_a_sound_note(company: Company) -> None:
    shown = note(company)
    everything = " ".join(shown.texts)
    for text in (company.name, company.description, *(contact.full_name for contact in company.contacts)):
        # what is left of a text that has only plain characters is all of it
        if text and text.isprintable() and text == " ".join(text.split()):
            assert text in everything
