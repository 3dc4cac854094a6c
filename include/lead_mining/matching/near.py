"""Which companies are near enough to compare: they share a block of their name, and their places do not rule it out.

Only pairs in one of a few ways near can be one company, whatever their names (`likeness.places_must_reach`):

- they have one phone number, or one domain; or
- one of them has no domain, and they have one zip or, in a country that is known, one city; or one of them lacks it.

Each way is a look into an index, so that a pair that is not near is never read, however many names share a block. The
ways follow from the weights of the model: fit anew, `tests/unit/matching/test_near.py` says whether they still do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lead_mining.matching.likeness import FEATURES, Profile, model, places_must_reach

Place = tuple[object, ...]
"""Under which one company is filed and another looks it up."""


class Placed(NamedTuple):
    """A profile with hashes in the place of all but its name and country, and the hashes of its name's blocks in that
    country and where none is known: two each, or none for no name."""

    profile: Profile
    blocks: tuple[int, ...]
    blocks_nowhere: tuple[int, ...]


def filed_under(one: Placed) -> Iterator[Place]:
    """All places at which others may look for a company."""
    city, zip_code, domain, phone = one.profile[2:]
    bare = domain is None
    for block in one.blocks:
        yield block, bare
        yield block, bare, "city", city
        yield block, bare, "zip", zip_code
        if phone is not None:
            yield block, "phone", phone
        if not bare:
            yield block, "domain", domain


def looks_under(one: Placed) -> Iterator[Place]:
    """The places at which all that a company can be one with are filed."""
    city, zip_code, domain, phone = one.profile[2:]
    for block in one.blocks:
        for bare in (True, False) if domain is None else (True,):
            if city is None or zip_code is None:
                yield block, bare
                continue
            for zip_ in (zip_code, None):
                yield block, bare, "zip", zip_
            if one.profile.country is not None:
                for city_ in (city, None):
                    yield block, bare, "city", city_
        if phone is not None:
            yield block, "phone", phone
        if domain is not None:
            yield block, "domain", domain


# The same in SQL, of which each part can use an index that begins with the block; together they name a row mostly once.
_WAYS = (
    "(k.domain IS NULL) = p.bare AND k.zip = p.zip AND p.city IS NOT NULL",
    "(k.domain IS NULL) = p.bare AND k.zip IS NULL AND p.zip IS NOT NULL AND p.city IS NOT NULL",
    "(k.domain IS NULL) = p.bare AND k.city = p.city AND k.zip <> p.zip AND p.in_country = 1",
    "(k.domain IS NULL) = p.bare AND k.city IS NULL AND k.zip <> p.zip AND p.city IS NOT NULL AND p.in_country = 1",
    "(k.domain IS NULL) = p.bare AND (p.zip IS NULL OR p.city IS NULL)",
)
_ASKED = ("candidate_id", "in_country", "block_1", "block_2", "city", "zip", "domain", "phone")
_BLOCKS = ("k.block_1 = p.block_1", "k.block_2 = p.block_2 AND k.block_1 <> p.block_1")
_CONDITIONS = (
    *(f"{block} AND {way}" for block in _BLOCKS for way in _WAYS),
    *(
        f"p.bare AND k.{field} = p.{field} AND (k.block_1 = p.block_1 OR k.block_2 = p.block_2)"
        for field in ("phone", "domain")
    ),
)

# Fields that both have count as in the model.
_EVIDENCE = "CASE WHEN p.in_country = 1 THEN %(same country)s ELSE 0 END + " + " + ".join(
    f"CASE k.{field} = p.{field} WHEN true THEN %(same {field})s WHEN false THEN %(other {field})s ELSE 0 END"
    for field in ("city", "zip", "domain", "phone")
)


def near_in(table: str) -> str:
    """The query for the rows of a table that are near to who is asked for.

    The table has columns and indexes such as `known_company` has.
    """
    columns = "k.model, k.record_id, k.name, k.city, k.zip, k.domain, k.phone"
    ways = " UNION ALL ".join(f"SELECT {columns} FROM {table} k WHERE {condition}" for condition in _CONDITIONS)
    return f"""
SELECT p.candidate_id, p.in_country, k.*
FROM (
    SELECT * FROM unnest({", ".join(f"%({column})s::bigint[]" for column in _ASKED)}) AS p ({", ".join(_ASKED)})
    JOIN (VALUES (true), (false)) AS one_without_a_domain (bare) ON bare OR domain IS NULL
) p CROSS JOIN LATERAL ({ways}) k
WHERE {_EVIDENCE} >= %(needed)s
"""


def asked_for(rows: Iterable[Sequence[object]]) -> dict[str, object]:
    """The parameters of the query. Each row, of which there is one at least, has a candidate's id, 1 where the blocks
    are those of its country and else 0, its two blocks, and its city, zip, domain and phone.
    """
    # Arrays as text: psycopg takes many times as long for lists of so many numbers.
    arrays = (
        "{" + ",".join("NULL" if value is None else str(value) for value in column) + "}"
        for column in zip(*rows, strict=True)
    )
    weights = dict(zip(FEATURES, model().weights, strict=True))
    return {**dict(zip(_ASKED, arrays, strict=True)), **weights, "needed": places_must_reach()}
