"""Our words and a provider's: which of its countries, industries, roles and seniorities mean which of ours.

A provider's table is `data/NAME.csv` with the columns `kind`, `ours`, `theirs`, `roughly`. `ours` is a word as Query
has it: a country's code, a name of the vocabulary. A word for which the provider has several has several rows; one that
it cannot search for has one, without `theirs`. `roughly` says what is found where that is not quite what was asked for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from lead_mining.providers.base import Misfit, Query

Kind = Literal["country", "industry", "role", "seniority"]


class Words:
    """The words of one provider. Its table may leave out a kind altogether: then nothing is said about that."""

    def __init__(self, name: str, rows: Iterable[Mapping[str, str]]) -> None:
        self._name = name
        self._theirs: dict[tuple[str, str], tuple[str, ...]] = {}
        self._ours: dict[tuple[str, str], str] = {}
        self._roughly: dict[tuple[str, str], str] = {}
        for row in rows:
            kind, ours, theirs = row["kind"], row["ours"], row["theirs"]
            said = (theirs,) if theirs else ()
            self._theirs[kind, ours] = (*self._theirs.get((kind, ours), ()), *said)
            if theirs:
                self._ours.setdefault((kind, theirs.casefold()), ours)
            if row["roughly"]:
                self._roughly.setdefault((kind, ours), row["roughly"])
        self._kinds = {kind for kind, _ in self._theirs}

    @classmethod
    @cache
    def of(cls, name: str) -> Self:
        """The words in `data/NAME.csv`. Raises FileNotFoundError where there is no such table."""
        table = files("lead_mining.providers").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
        return cls(name, csv.DictReader(table.splitlines()))

    def theirs(self, kind: Kind, ours: str) -> tuple[str, ...]:
        """All of the provider's words for one of ours, in the table's order; none where it has none."""
        return self._theirs.get((kind, ours), ())

    def ours(self, kind: Kind, theirs: str) -> str | None:
        """Our word for one of the provider's, in any case: that of the table's first row with it, if any has."""
        return self._ours.get((kind, theirs.strip().casefold()))

    def meant(self, kind: Kind, said: Sequence[str], asked: Sequence[str] = ()) -> str | None:
        """Which of our words a record means, by its words, the most exact first: of those `asked` for, where any were.

        One that may mean several of these means the first of them.
        """
        if not asked:
            return next(filter(None, (self.ours(kind, text) for text in said)), None)
        meaning = {text.casefold(): ours for ours in reversed(asked) for text in self.theirs(kind, ours)}
        return next(filter(None, (meaning.get(text.strip().casefold()) for text in said)), None)

    def misfits(self, query: Query) -> list[Misfit]:
        """What of the query's words the provider cannot search for, or only roughly."""
        found = []
        for field, kind, word in _asked(query):
            if kind in self._kinds and not self.theirs(kind, word):
                why = f"{self._name} cannot search for it; leave it out, or choose another provider"
                found.append(Misfit(field, word, why))
            elif why := self._roughly.get((kind, word), ""):
                found.append(Misfit(field, word, why, roughly=True))
        return found


def _asked(query: Query) -> Iterator[tuple[str, Kind, str]]:
    """Field of the request, kind and word, of all words that count in the query."""
    yield from (("countries", "country", code) for code in query.countries)
    yield from (("industries", "industry", name) for name in query.industries)
    if query.contact_number and query.contact_filter_type == "role":
        if query.preferred_role:
            yield "preferred_role", "role", query.preferred_role
        yield from (("other_roles", "role", name) for name in query.other_roles)
    elif query.contact_number and query.seniority:
        yield "seniority", "seniority", query.seniority
