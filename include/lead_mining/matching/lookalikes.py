"""Possible duplicates: companies without a key in common whose names and places make it likely that they are one.

A person decides, or the param `on_possible_duplicate`. Only names that share a block are compared (`names.blocks`);
companies with domains of their own that differ are two, whatever their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import Connection

from lead_mining.identifiers import e164, registered_domain
from lead_mining.matching.crm_index import name_blocks
from lead_mining.matching.likeness import (
    FEATURES,
    Profile,
    describe,
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
_BLOCKS = ("block_1", "block_2")
_HASHED = ("city", "zip", "domain", "phone")
_EVIDENCE = "CASE WHEN b.country IS NULL THEN 0 ELSE %(same country)s END + " + " + ".join(
    f"CASE k.{field} = b.{field} WHEN true THEN %(same {field})s WHEN false THEN %(other {field})s ELSE 0 END"
    for field in _HASHED
)


# The same within a batch: pairs of candidates that share a block, the earlier one as what the later may be like.
_BATCH = """
CREATE TEMPORARY TABLE batch_company (
    candidate_id bigint, name text, country text, city bigint, zip bigint, domain bigint, phone bigint,
    block_1 bigint, block_2 bigint
) ON COMMIT DROP
"""
_NEAR_IN_BATCH = """
SELECT b.candidate_id, b.name, b.country, b.city, b.zip, b.domain, b.phone,
       k.candidate_id, k.name, k.country, k.city, k.zip, k.domain, k.phone
FROM batch_company b
JOIN batch_company k ON k.{column} = b.{column} AND k.candidate_id < b.candidate_id
WHERE {evidence} >= %(needed)s
"""


def find_lookalikes(
    conn: Connection, run_id: int, chunks: Iterable[Sequence[tuple[int, Company]]]
) -> Iterator[Lookalike]:
    """The candidates, given as (id, company) with ids in the provider's order, that are like a company of the CRM, or
    like an earlier one of them that is not itself like another: the likeliest, from the model's threshold on.

    To be called in a transaction. Reads only; the CRM as of the last `crm_index.refresh`.
    """
    conn.execute(_BATCH)
    for chunk in chunks:
        for first in range(0, len(chunk), _AT_ONCE):
            batch = _hashed(conn, {id_: profile(company) for id_, company in chunk[first : first + _AT_ONCE]})
            in_crm = _like_the_crm(conn, run_id, batch)
            yield from in_crm.values()
            _remember(conn, {id_: each for id_, each in batch.items() if id_ not in in_crm})
    yield from _like_earlier_ones(conn)
    conn.execute("DROP TABLE batch_company")


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


class _Hashed(NamedTuple):
    """A profile with its values hashed, and the hashes of its name's blocks, as `known_company` has them."""

    profile: Profile
    blocks: tuple[object, ...]


def _hashed(conn: Connection, profiles: dict[int, Profile]) -> dict[int, _Hashed]:
    blocks = {id_: name_blocks(mine.name, mine.country or "") for id_, mine in profiles.items()}
    values = {getattr(mine, field) for mine in profiles.values() for field in _HASHED}
    values.update(block for each in blocks.values() for block in each)
    hashes: dict[object, object] = dict(
        conn.execute("SELECT v, hashtextextended(v, 0) FROM unnest(%s::text[]) AS v", [list(values)]).fetchall()
    )
    return {
        id_: _Hashed(
            Profile(mine.name, mine.country, *(hashes.get(getattr(mine, field)) for field in _HASHED)),
            tuple(hashes[block] for block in blocks[id_]),
        )
        for id_, mine in profiles.items()
    }


def _parameters() -> dict[str, object]:
    """Of the evidence: the model's weights, and what they have to come to."""
    return {"needed": places_must_reach(), **dict(zip(FEATURES, model().weights, strict=True))}


def _like_the_crm(conn: Connection, run_id: int, batch: dict[int, _Hashed]) -> dict[int, Lookalike]:
    probed = [
        (candidate_id, country, block)
        for candidate_id, (mine, _) in batch.items()
        for country in {mine.country, None}  # also where the CRM does not say which country
        for block in name_blocks(mine.name, country or "")
    ]
    parameters = _parameters() | {
        "run_id": run_id,
        "candidates": [candidate_id for candidate_id, _, _ in probed],
        "country": [country for _, country, _ in probed],
        "blocks": [block for _, _, block in probed],
        **{field: [getattr(batch[candidate_id].profile, field) for candidate_id, _, _ in probed] for field in _HASHED},
    }
    found: dict[int, _Near] = {}
    for column in _BLOCKS:
        for candidate_id, record_model, record_id, name, *places in _rows(conn, _NEAR, column, parameters):
            mine, theirs = batch[candidate_id].profile, Profile(tuple(name.split()), *places)
            near = _Near(record_model, record_id, probability(mine, theirs), theirs)
            if near.beats(found.get(candidate_id)):
                found[candidate_id] = near
    return {candidate_id: near.of(candidate_id, batch[candidate_id].profile) for candidate_id, near in found.items()}


def _remember(conn: Connection, batch: dict[int, _Hashed]) -> None:
    """For comparison with later ones; who has no name cannot be compared."""
    with conn.cursor() as cursor, cursor.copy("COPY batch_company FROM STDIN") as copy:
        for candidate_id, (mine, blocks) in batch.items():
            if blocks:
                copy.write_row((candidate_id, " ".join(mine.name), *mine[1:], *blocks))


def _like_earlier_ones(conn: Connection) -> Iterator[Lookalike]:
    conn.execute("ANALYZE batch_company")
    likely: dict[int, list[tuple[_Near, Profile]]] = defaultdict(list)
    for column in _BLOCKS:
        for row in _rows(conn, _NEAR_IN_BATCH, column, _parameters()):
            (mine_id, name, *places), (other_id, other_name, *other_places) = row[:7], row[7:]
            mine, theirs = Profile(tuple(name.split()), *places), Profile(tuple(other_name.split()), *other_places)
            near = _Near("candidate", other_id, probability(mine, theirs), theirs)
            if near.beats(None):
                likely[mine_id].append((near, mine))
    turned_down: set[int] = set()
    for candidate_id in sorted(likely):
        left = [pair for pair in likely[candidate_id] if pair[0].record_id not in turned_down]
        if left:
            turned_down.add(candidate_id)
            near, mine = min(left, key=lambda pair: (-pair[0].likely, pair[0].record_id))
            yield near.of(candidate_id, mine)


def _rows(conn: Connection, query: str, column: str, parameters: dict[str, object]) -> Iterator[tuple[Any, ...]]:
    """Of a cursor of the server's: memory does not grow with them."""
    text = query.format(column=column, evidence=_EVIDENCE).encode()
    with conn.transaction(), conn.cursor(f"near_{column}") as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(text, parameters)
