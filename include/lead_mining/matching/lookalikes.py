"""Possible duplicates: companies without a key in common whose names and places make it likely that they are one.

A person decides, or the param `on_possible_duplicate`. Only names that share a block are compared (`names.blocks`);
companies with domains of their own that differ are two, whatever their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import Connection

from lead_mining.identifiers import e164, registered_domain
from lead_mining.matching.crm_index import name_blocks
from lead_mining.matching.likeness import (
    FEATURES,
    Profile,
    describe,
    elsewhere_is_another,
    model,
    normalised_place,
    normalised_zip,
    places_must_reach,
    probability,
)
from lead_mining.matching.names import words
from lead_mining.providers.base import Company

_AT_ONCE = 5_000  # candidates that are compared with the CRM in one statement


@dataclass(frozen=True)
class Lookalike:
    """A candidate that may be known, what it is like, how likely they are one (0 to 1), and what speaks for it."""

    candidate_id: int
    duplicate_of: str
    probability: float
    why: str


class _Near(NamedTuple):
    """What a candidate may be the same as."""

    model: str
    record_id: int
    likely: float
    profile: Profile

    def beats(self, other: _Near | None) -> bool:
        """Likelier than the other; of equals, the first."""
        if self.likely < model().likely:
            return False
        return other is None or (-self.likely, *self[:2]) < (-other.likely, *other[:2])

    def of(self, candidate_id: int, mine: Profile) -> Lookalike:
        why = describe(mine, self.profile)
        return Lookalike(candidate_id, f"{self.model} {self.record_id}", round(self.likely, 3), why)


class _Block:
    """Candidates whose names share a block, by place: most of a large block is ruled out without being looked at."""

    def __init__(self) -> None:
        self._all: list[tuple[int, Profile]] = []
        self._by_place: dict[tuple[str, object], list[tuple[int, Profile]]] = defaultdict(list)

    def add(self, candidate_id: int, its: Profile) -> None:
        self._all.append((candidate_id, its))
        for place in ("city", "zip", "phone"):
            self._by_place[place, getattr(its, place)].append((candidate_id, its))

    def that_may_be_like(self, mine: Profile) -> Iterable[tuple[int, Profile]]:
        """Those of another city and another zip, with another phone number, are not; one of them twice does no harm."""
        if mine.city is None or mine.zip is None or not elsewhere_is_another():
            return self._all
        places = ("city", mine.city), ("zip", mine.zip), ("phone", mine.phone), ("city", None), ("zip", None)
        return [each for place in places if place != ("phone", None) for each in self._by_place.get(place, ())]


# Of the pairs that share a block, those whose places do not rule it out: fields that both have count as in the model.
# The index holds these fields; OFFSET 0 keeps the planner from reading the rows before they are needed.
_NEAR = """
SELECT near.candidate_id, k.model, k.record_id, k.name, near.country, k.city, k.zip, k.domain, k.phone
FROM (
    SELECT b.candidate_id, b.country, k.model, k.record_id
    FROM unnest(%(candidates)s::bigint[], %(blocks)s::text[], %(country)s::text[], %(city)s::bigint[],
                %(zip)s::bigint[], %(domain)s::bigint[], %(phone)s::bigint[])
         AS b (candidate_id, block, country, city, zip, domain, phone)
    JOIN lead_mining.known_company k ON k.{column} = hashtextextended(b.block, 0)
    WHERE {evidence} >= %(needed)s
    OFFSET 0
) near
JOIN lead_mining.known_company k ON k.model = near.model AND k.record_id = near.record_id
WHERE CASE k.model
    WHEN 'crm.lead' THEN EXISTS (SELECT FROM crm_lead l WHERE l.id = k.record_id) AND NOT EXISTS (
        SELECT FROM lead_mining.candidate own WHERE own.run_id = %(run_id)s AND own.lead_id = k.record_id)
    ELSE EXISTS (SELECT FROM res_partner p WHERE p.id = k.record_id) END
"""
_HASHED = ("city", "zip", "domain", "phone")
_EVIDENCE = "CASE WHEN b.country IS NULL THEN 0 ELSE %(same country)s END + " + " + ".join(
    f"CASE k.{field} = b.{field} WHEN true THEN %(same {field})s WHEN false THEN %(other {field})s ELSE 0 END"
    for field in _HASHED
)


def find_lookalikes(conn: Connection, run_id: int, companies: Sequence[tuple[int, Company]]) -> Iterator[Lookalike]:
    """The candidates, given as (id, company) in the provider's order, that are like a company of the CRM or like an
    earlier one of them that is not itself like another: the likeliest, from the model's threshold on.

    Reads only; the CRM as of the last `crm_index.refresh`.
    """
    kept: dict[str, _Block] = defaultdict(_Block)
    for first in range(0, len(companies), _AT_ONCE):
        profiles = {id_: profile(company) for id_, company in companies[first : first + _AT_ONCE]}
        in_crm = _like_the_crm(conn, run_id, profiles)
        for candidate_id, mine in profiles.items():
            own_blocks = name_blocks(mine.name, mine.country or "")
            earlier = (each for block in own_blocks for each in kept[block].that_may_be_like(mine))
            found = in_crm.get(candidate_id) or _like_an_earlier_one(candidate_id, mine, earlier)
            if found:
                yield found
                continue
            for block in own_blocks:
                kept[block].add(candidate_id, mine)


def profile(company: Company) -> Profile:
    """What a company is compared by."""
    country = company.country_code.upper() if company.country_code else None
    return Profile(
        words(company.name or company.legal_name or ""),
        country,
        normalised_place(company.city),
        normalised_zip(company.zip),
        registered_domain(company.domain) if company.domain else None,
        e164(company.phones[0], country) if company.phones else None,
    )


def _like_the_crm(conn: Connection, run_id: int, profiles: dict[int, Profile]) -> dict[int, Lookalike]:
    hashes = _hashes(conn, {getattr(mine, field) for mine in profiles.values() for field in _HASHED})
    hashed = {
        candidate_id: Profile(mine.name, mine.country, *(hashes.get(getattr(mine, field)) for field in _HASHED))
        for candidate_id, mine in profiles.items()
    }
    probed = [
        (candidate_id, country, block)
        for candidate_id, mine in profiles.items()
        for country in {mine.country, None}  # also where the CRM does not say which country
        for block in name_blocks(mine.name, country or "")
    ]
    parameters = {
        "run_id": run_id,
        "candidates": [candidate_id for candidate_id, _, _ in probed],
        "country": [country for _, country, _ in probed],
        "blocks": [block for _, _, block in probed],
        "needed": places_must_reach(),
        **{field: [getattr(hashed[candidate_id], field) for candidate_id, _, _ in probed] for field in _HASHED},
        **dict(zip(FEATURES, model().weights, strict=True)),
    }
    found: dict[int, _Near] = {}
    for column in ("block_1", "block_2"):
        query = _NEAR.format(column=column, evidence=_EVIDENCE).encode()
        with conn.transaction(), conn.cursor(f"near_{column}") as cursor:  # the server's: memory does not grow with it
            cursor.itersize = 10_000
            for candidate_id, record_model, record_id, name, *places in cursor.execute(query, parameters):
                mine, theirs = hashed[candidate_id], Profile(tuple(name.split()), *places)
                near = _Near(record_model, record_id, probability(mine, theirs), theirs)
                if near.beats(found.get(candidate_id)):
                    found[candidate_id] = near
    return {candidate_id: near.of(candidate_id, hashed[candidate_id]) for candidate_id, near in found.items()}


def _like_an_earlier_one(candidate_id: int, mine: Profile, others: Iterable[tuple[int, Profile]]) -> Lookalike | None:
    best = None
    for other, theirs in others:
        near = _Near("candidate", other, probability(mine, theirs), theirs)
        if near.beats(best):
            best = near
    return best and best.of(candidate_id, mine)


def _hashes(conn: Connection, values: set[object]) -> dict[object, object]:
    """As `known_company` has them."""
    return dict(
        conn.execute("SELECT v, hashtextextended(v, 0) FROM unnest(%s::text[]) AS v", [list(values)]).fetchall()
    )
