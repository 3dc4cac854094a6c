"""Subjects: normalised, and never shown."""

from __future__ import annotations

import hashlib

import pytest

from lead_mining.exceptions import InvalidRequest
from lead_mining.privacy.subject import Subject, read_subjects


@pytest.mark.parametrize(
    ("kind", "value", "normalised"),
    [
        ("email", " Ann Lee <Ann@ACME.example> ", "ann@acme.example"),
        ("domain", "https://www.Shop.ACME.co.uk/x", "acme.co.uk"),
        ("lead", " 0071 ", "71"),
    ],
)
def test_a_subject_is_normalised_and_not_shown(kind: str, value: str, normalised: str) -> None:
    subject = Subject.of(kind, value)
    assert subject.value == normalised
    assert subject.digest == hashlib.sha256(normalised.encode()).hexdigest()
    assert normalised not in f"{subject} {subject!r}" or kind == "lead"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "ann@initech"),
        ("email", "a@b.example, c@d.example"),
        ("email", "a" * 330 + "@b.example"),
        ("domain", "gmail.com"),
        ("domain", "ann@acme.example"),
        ("domain", "initech"),
        ("lead", "0"),
        ("lead", "-1"),
        ("lead", "2147483648"),
        ("lead", "٧١"),
        ("lead", "ann@acme.example"),
        ("person", "Ann"),
        ("", ""),
    ],
)
def test_what_is_no_subject_is_refused_and_not_repeated(kind: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Subject.of(kind, value)
    assert (kind == "lead" and "@" not in value) or not value or value not in str(refused.value)


def test_a_file_names_each_subject_once_in_its_order() -> None:
    text = "\ufeffValue, Kind\r\n\r\nB@x.example,email\r\n7,lead\r\nb@X.example,EMAIL\r\n"
    assert read_subjects(text) == [Subject("email", "b@x.example"), Subject("lead", "7")]


def test_each_wrong_line_is_named_at_most_20() -> None:
    lines = [f"email,ann{number}@acme" for number in range(30)]
    with pytest.raises(InvalidRequest) as refused:
        read_subjects("\n".join(["kind,value", *lines]))
    assert [problem.field for problem in refused.value.problems] == [f"line {n}, value" for n in range(2, 22)]


def test_too_many_subjects_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="1001 subjects"):
        read_subjects("kind,value\n" + "".join(f"lead,{number}\n" for number in range(1, 1002)))


@pytest.mark.parametrize(
    "text", ["", "kind\nlead", "kind,value,reason\n", 'kind,value\n"lead,7', "kind,value\r\rlead,7\0"]
)
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_subjects(text)
