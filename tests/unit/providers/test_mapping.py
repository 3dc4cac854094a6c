"""A provider's words for ours, there and back, and what a query asks for that it cannot do."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lead_mining import vocabulary
from lead_mining.providers import mapping
from lead_mining.providers.base import Misfit, Query
from lead_mining.providers.mapping import Words

TABLE = """\
country,US,united states,
country,FR,france,
industry,Media,broadcast media,
industry,Media,publishing,
industry,Materials,,
role,CEO,cxo,all of the board
role,Founder,owner,founders and owners
role,Owner,owner,
role,Legal,,
"""


def words(table: str = TABLE) -> Words:
    columns = ("kind", "ours", "theirs", "roughly")
    return Words("acme", [dict(zip(columns, line.split(","), strict=True)) for line in table.splitlines()])


def test_a_word_may_have_several_or_none_of_theirs() -> None:
    assert words().theirs("industry", "Media") == ("broadcast media", "publishing")
    assert words().theirs("industry", "Materials") == ()
    assert words().theirs("industry", "Transportation") == ()
    assert words().theirs("role", "Media") == ()


@pytest.mark.parametrize(
    ("theirs", "ours"), [("owner", "Founder"), (" CXO ", "CEO"), ("", None), ("janitor", None), ("publishing", None)]
)
def test_the_way_back_is_the_first_row_that_has_the_word(theirs: str, ours: str | None) -> None:
    assert words().ours("role", theirs) == ours


def test_what_cannot_be_searched_for_is_told_from_what_can_roughly() -> None:
    query = Query(
        countries=("US", "DE"),
        industries=("Media", "Materials"),
        contact_number=1,
        preferred_role="CEO",
        other_roles=("Owner", "Legal"),
    )
    cannot = "acme cannot search for it; leave it out, or choose another provider"
    assert words().misfits(query) == [
        Misfit("countries", "DE", cannot),
        Misfit("industries", "Materials", cannot),
        Misfit("preferred_role", "CEO", "all of the board", roughly=True),
        Misfit("other_roles", "Legal", cannot),
    ]


def test_only_what_counts_in_the_query_is_judged() -> None:
    companies = Query(countries=("US",), preferred_role="Legal", seniority="director")
    assert words().misfits(companies) == []
    by_seniority = Query(
        countries=("US",),
        contact_number=1,
        contact_filter_type="seniority",
        preferred_role="Legal",
        seniority="director",
    )
    assert words().misfits(by_seniority) == []  # its table says nothing of seniorities
    (misfit,) = words(TABLE + "seniority,manager,manager,\n").misfits(by_seniority)
    assert (misfit.field, misfit.value, misfit.roughly) == ("seniority", "director", False)


def test_a_table_is_read_by_the_providers_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = 'kind,ours,theirs,roughly\nrole,Sale,sales,"sales, and who sells"\n'
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "acme.csv").write_text(table, encoding="utf-8")
    monkeypatch.setattr(mapping, "files", lambda _: tmp_path)
    acme = Words.of("acme")
    assert (acme.theirs("role", "Sale"), acme.ours("role", "sales")) == (("sales",), "Sale")
    query = Query(countries=(), contact_number=1, preferred_role="Sale")
    assert acme.misfits(query) == [Misfit("preferred_role", "Sale", "sales, and who sells", roughly=True)]
    with pytest.raises(FileNotFoundError):
        Words.of("nobody")


@pytest.mark.parametrize(
    ("said", "asked", "ours"),
    [
        (["owner"], [], "Founder"),
        (["owner"], ["Owner", "Founder"], "Owner"),
        (["owner"], ["Founder", "Owner"], "Founder"),
        ([" OWNER "], ["Owner"], "Owner"),
        (["owner"], ["CEO"], None),
        (["janitor", "cxo"], [], "CEO"),
        (["cxo", "owner"], ["Owner", "CEO"], "CEO"),
        (["janitor"], [], None),
        ([], ["CEO"], None),
        ([""], ["Legal"], None),
    ],
)
def test_what_a_record_means_is_what_was_asked_for_by_its_most_exact_word(
    said: list[str], asked: list[str], ours: str | None
) -> None:
    assert words().meant("role", said, asked) == ours


# -- the tables of ours ----------------------------------------------------------------------------------------------

OURS = {
    "country": vocabulary.countries(),
    "industry": vocabulary.industries(),
    "role": vocabulary.roles(),
    "seniority": vocabulary.seniorities(),
}
TABLES = {path.stem: path for path in Path(mapping.__file__).with_name("data").glob("*.csv")}


def rows(table: str) -> list[dict[str, str]]:
    with TABLES[table].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_has_every_word_of_the_vocabulary_and_no_other(table: str) -> None:
    by_kind: dict[str, set[str]] = {}
    for row in rows(table):
        by_kind.setdefault(row["kind"], set()).add(row["ours"])
    assert by_kind
    assert by_kind == {kind: set(OURS[kind]) for kind in by_kind}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_says_each_thing_once(table: str) -> None:
    pairs = [(row["kind"], row["ours"], row["theirs"].casefold()) for row in rows(table)]
    assert len(pairs) == len(set(pairs))
    assert all(
        row["theirs"] == row["theirs"].strip() and row["roughly"] == row["roughly"].strip() for row in rows(table)
    )


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_way_back_leads_to_a_word_that_leads_there(table: str) -> None:
    known = Words.of(table)
    for row in rows(table):
        if row["theirs"]:
            back = known.ours(row["kind"], row["theirs"])  # type: ignore[arg-type]
            assert back is not None
            there = known.theirs(row["kind"], back)  # type: ignore[arg-type]
            assert row["theirs"].casefold() in [word.casefold() for word in there]


@pytest.mark.parametrize("table", ["apollo", "people_data_labs"])
def test_countries_and_industries_are_each_found_by_words_of_their_own(table: str) -> None:
    for kind in ("country", "industry"):
        theirs = [row["theirs"] for row in rows(table) if row["kind"] == kind]
        assert all(theirs)
        assert len(theirs) == len(set(theirs))
