"""Suppression lists as CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from lead_mining.exceptions import InvalidRequest
from lead_mining.privacy.suppression import Entry
from lead_mining.privacy.suppression_file import asked_for, read_csv

GOOD = """kind,value,reason
email, "Ann <Ann@Acme.example>",asked
person,Ánn  Example @ www.acme.example,
phone,+49 30 123456,
domain,https://www.initech.example/x,a competitor
country,kp,sanctions
"""


@pytest.mark.parametrize("text", [GOOD, "\ufeff" + GOOD, GOOD.replace(",", ";"), GOOD.replace("\n", "\r\n")])
def test_each_kind_is_normalised(text: str) -> None:
    text = text.replace('"', "")
    assert [(e.kind, e.value, e.reason, e.source) for e in read_csv(text, "list.csv", "no reason")] == [
        ("email", "ann@acme.example", "asked", "list.csv"),
        ("person", "ann example@acme.example", "no reason", "list.csv"),
        ("phone", "+4930123456", "no reason", "list.csv"),
        ("domain", "initech.example", "a competitor", "list.csv"),
        ("country", "KP", "sanctions", "list.csv"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line names the columns"),
        ("ann@acme.example\n", "the first line names the columns"),
        ("kind,value\n", "at least one line"),
        ("kind,worth\nemail,a@b.example\n", "the first line names the columns"),
        ("kind,value\nmail,ann@acme.example\n", "line 2, kind: 'mail' is not allowed; use one of domain, country"),
        ("kind,value\nemail,ann\n", "line 2, email"),
        ("kind,value\ndomain,gmail.com\n", "not that of a mail service"),
        ("kind,value\nperson,Ann Example\n", "a full name, @ and the domain"),
        ("kind,value\nphone,030 123456\n", "with + and the country's code"),
        ("kind,value\ncountry,XX\n", "ISO 3166-1"),
        ("kind,value\nemail,a@b.example,why,more\n", "more fields than the header"),
        ("kind,value\n" + "email,a@b.example\n" * 100_001, "split the file"),
        ("kind,value\nemail,\x00@b.example\n", "line 2, email"),
        ("kind,value\nemail\n", "line 2, email"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_csv(text, "list.csv", "no reason")
    assert said in str(caught.value)


def test_twenty_wrong_lines_are_named_and_nobodys_address_is_repeated() -> None:
    text = "kind,value\n" + "".join(f"email,secret person {n}\n" for n in range(50)) + "phone,0172 secret\n"
    with pytest.raises(InvalidRequest) as caught:
        read_csv(text, "list.csv", "no reason")
    said = str(caught.value)
    assert "line 2," in said
    assert "31 more lines" in said
    assert "secret" not in said


def test_an_entry_shows_no_person() -> None:
    assert "ann" not in repr(Entry.of("email", "ann@acme.example", "r", "s"))
    assert "acme.example" in repr(Entry.of("domain", "acme.example", "r", "s"))


def test_the_form_and_a_file_together(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("kind,value\nemail,ann@acme.example\n")
    found = asked_for(str(file), ["Initech.example"], ["de"], "because")
    assert [(e.kind, e.value, e.source) for e in found] == [
        ("domain", "initech.example", "form"), ("country", "DE", "form"), ("email", "ann@acme.example", "file list.csv"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"kind,value\nemail,\xff@b.example\n"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidRequest, match="UTF-8"):
        asked_for(str(file), None, None, "because")


def test_no_file_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="give domains, countries or a file"):
        asked_for(None, None, [], "because")
    with pytest.raises(InvalidRequest, match="cannot read it"):
        asked_for(str(tmp_path / "absent.csv"), None, None, "because")
