"""Finding persons in text and JSON: however they are written, and nobody else."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.privacy.scrub import ERASED, Needles

ANN = Needles(
    emails=frozenset(["ann.o'hara@acme.example"]),
    names=frozenset(["Ann O'Hara"]),
    phones=frozenset(["+14155550100"]),
    companies=frozenset(["acme.example", "r1"]),
)
RECORD = {"full_name": "Ann O'Hara", "email": "Ann.O'Hara@ACME.example", "title": "CEO", "age": 41, "active": True}


@pytest.mark.parametrize(
    "text",
    [
        "ann.o'hara@acme.example",
        "ANN.O'HARA@Acme.Example",
        "Ann <ann.o'hara@acme.example>, others",
        "<a href='mailto:ann.o%27hara@acme.example'>",
        "ann.o&#39;hara&#64;acme.example",
        "write to ann.o&#x27;hara%40acme.example.",
        "Ann O'Hara",
        "ANN  O&#39;HARA",
        "Ann&nbsp;O'Hara",
        "by\nAnn\tO&apos;Hara, CEO",
        "+1 (415) 555-0100",
        "tel:+14155550100",
        "call 1.415.555.0100 now",
    ],
)
def test_however_a_person_is_written(text: str) -> None:
    assert ANN.within(text, names=True)
    replaced = ANN.replaced(text, names=True)
    assert ERASED in replaced
    assert not ANN.within(replaced, names=True)
    assert any(fnmatchcase(text.lower(), pattern.replace("%", "*")) for pattern in ANN.patterns(names=True))


@pytest.mark.parametrize(
    "field",
    [
        "Zoë.Roe@gone.example",
        "zoë.roe@GONE.example",
        "ZOË.ROE@gone.example",
        "Zoë Roe <Zoë.Roe@gone.example>",
        "other@here.example, Zoë.Roe@gone.example",
        "Zoë.Roe@gone.example; other@here.example",
        "mailto:Zoë.Roe@gone.example",
        "Zoë.Roe@gone.example;",
        "Zoë Roe Zoë.Roe@gone.example",
        '"zo\\u00cb.roe@gone.example"',
        "ZO%C3%8B.ROE%40gone.example",
    ],
)
def test_a_person_is_known_in_a_field_of_addresses_however_it_is_written(field: str) -> None:
    zoe = Needles(emails=frozenset(["zoë.roe@gone.example"]))
    assert zoe.within(field, names=False)
    if "@" in field and "\\" not in field:
        assert zoe.is_email(field)
        assert zoe.is_record({"email": field, "title": "CEO"}, names=False)
        others = Needles(emails=frozenset(["roe@gone.example"]))
        assert not others.is_email(field)


@pytest.mark.parametrize(
    "text",
    [
        "joann.o'hara@acme.example",
        "x+ann.o'hara@acme.example",
        "ann.o'hara@acme.example.org",
        "ann.o'hara@acme.examples",
        "annXo'hara@acme.example",
        "Joann O'Hara",
        "Ann O'Harara",
        "Ann",
        "O'Hara",
        "214155550100",
        "+1415555010",
        "",
    ],
)
def test_others_stay(text: str) -> None:
    assert not ANN.within(text, names=True)
    assert ANN.replaced(text, names=True) == text


def test_names_count_only_where_it_is_known_to_be_about_them() -> None:
    assert ANN.replaced("Ann O'Hara, ann.o'hara@acme.example", names=False) == f"Ann O'Hara, {ERASED}"


def test_a_record_of_the_person_loses_all_its_texts() -> None:
    page: dict[str, Any] = {
        "data": [
            {
                "company_data": {"clearbit_id": "r1", "name": "Acme"},
                "people_data": [RECORD, {"email": "b@acme.example"}],
            }
        ]
    }
    scrubbed = ANN.scrubbed(page, names=True)
    assert scrubbed["data"][0]["people_data"] == [
        {"full_name": None, "email": None, "title": None, "age": None, "active": True},
        {"email": "b@acme.example"},
    ]
    assert scrubbed["data"][0]["company_data"] == {"clearbit_id": "r1", "name": "Acme"}
    assert page["data"][0]["people_data"][0] is RECORD
    assert RECORD["title"] == "CEO"


def test_a_record_with_the_name_and_another_address_is_somebody_elses() -> None:
    namesake = {"full_name": "Ann O'Hara", "email": "ann@other.example"}
    nameless = {"full_name": "ann o'hara", "email": None, "title": "CFO"}
    assert ANN.scrubbed([namesake, nameless], names=True) == [
        namesake,
        {"full_name": None, "email": None, "title": None},
    ]
    assert ANN.scrubbed([nameless], names=False) == [nameless]


def test_in_the_record_of_another_company_names_do_not_count() -> None:
    other = {"company_data": {"clearbit_id": "r2"}, "people_data": [{"full_name": "Ann O'Hara", "email": None}]}
    own = {"company_data": {"clearbit_id": "r1"}, "people_data": [{"full_name": "Ann O'Hara", "email": None}]}
    scrubbed = ANN.scrubbed({"data": [other, own]}, names=True)["data"]
    assert scrubbed[0] == other
    assert scrubbed[1]["people_data"] == [{"full_name": None, "email": None}]


def test_json_within_a_text_stays_json() -> None:
    row = {"domain": "acme.example", "contacts": json.dumps([RECORD, {"full_name": "Bo Li"}])}
    assert json.loads(ANN.scrubbed(row, names=True)["contacts"]) == [
        {"full_name": None, "email": None, "title": None, "age": None, "active": True},
        {"full_name": "Bo Li"},
    ]
    assert ANN.replaced("[Ann O'Hara]", names=True) == f"[{ERASED}]"


def test_keys_and_numbers_are_looked_at_too() -> None:
    assert ANN.scrubbed({"ann.o'hara@acme.example": 1, ERASED: 2, "n": 14155550100, "m": 7}, names=True) == {
        ERASED: 1,
        f"{ERASED} 1": 2,
        "n": None,
        "m": 7,
    }


def test_excerpts_are_of_the_persons_alone_and_say_where() -> None:
    page = {"data": [{"company_data": {"domain": "acme.example", "by": "by Ann O'Hara"}, "people_data": [RECORD]}]}
    assert list(ANN.excerpts(page, names=True)) == [
        ("data[0].company_data.by", "by Ann O'Hara"),
        ("data[0].people_data[0]", RECORD),
    ]


def test_all_addresses_of_a_domain() -> None:
    acme = Needles(domains=frozenset(["acme.example"]))
    text = "a@acme.example, b.c+d@mail.ACME.example; e@notacme.example f@acme.example.org"
    assert acme.replaced(text, names=False) == f"{ERASED}, {ERASED}; e@notacme.example f@acme.example.org"
    assert acme.is_email("Ann <ann@mail.acme.example>")
    assert not acme.is_email("ann@notacme.example")


@pytest.mark.parametrize("name", ["Max", "李明", "", " ", "\r \r", "x" * 301 + " y"])
def test_a_name_that_may_be_any_word_is_not_looked_for_in_texts(name: str) -> None:
    one = Needles(names=frozenset([name]))
    assert not one.within(f"the {name} of all", names=True)
    assert one.scrubbed({"full_name": name, "title": "CEO"}, names=True)["title"] == (None if name.strip() else "CEO")


@pytest.mark.parametrize(
    "text", ["Zoë Müller", "ZOË MÜLLER", "Иван Петров", "ИВАН ПЕТРОВ", "致李小龙先生", "Zo\\u00eb"]
)
def test_names_in_any_script(text: str) -> None:
    people = Needles(names=frozenset(["Zoë Müller", "иван петров", "李小龙"]))
    if "\\" not in text:
        assert people.within(text, names=True)
        ascii_lower = "".join(c.lower() if c.isascii() else c for c in text)  # as a database with the locale C
        assert any(fnmatchcase(ascii_lower, p.replace("%", "*")) for p in people.patterns(names=True))
    assert people.replaced(json.dumps(["Zoë Müller"]), names=True) == json.dumps([ERASED])


def test_without_anybody_nothing_is_found() -> None:
    nobody = Needles()
    assert nobody.patterns(names=True) == []
    assert not nobody.within("anything", names=True)
    assert nobody.scrubbed(RECORD, names=True) == RECORD


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_what_is_not_about_them_is_not_touched(value: Any) -> None:
    assert ANN.scrubbed(value, names=True) == value


@given(st.text(min_size=1, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_any_text_as_a_needle_is_text_and_not_a_pattern(word: str, before: str, after: str) -> None:
    hostile = Needles(
        emails=frozenset([word]),
        names=frozenset([f"{word} {word}"]),
        phones=frozenset([word]),
        domains=frozenset([word]),
    )
    hostile.patterns(names=True)
    hostile.replaced(f"{before}{after}", names=True)
    if word.strip() == word and len(word.split()) == 1:
        assert hostile.replaced(f"({word})", names=False) != f"({word})"


def test_long_texts_take_no_long_time() -> None:
    hard = Needles(
        emails=frozenset(["a" * 60 + "@acme.example"]),
        names=frozenset([" ".join("a" * 40)]),
        domains=frozenset(["acme.example"]),
    )
    started = time.process_time()
    for text in ("a" * 500_000, "a " * 250_000, "a@" * 250_000, "&nbsp;" * 100_000, "[" * 100_000 + "a@acme.example"):
        hard.replaced(text, names=True)
    assert time.process_time() - started < 20
