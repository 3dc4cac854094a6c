"""Possible duplicates: companies without a key in common whose names and places make it likely that they are one.

A person decides, or the param `on_possible_duplicate`. Only names that share a block are compared (`names.blocks`);
companies with domains of their own that differ are two, whatever their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
_HASHED = ("city", "zip", "domain", "phone")
_EVIDENCE = "CASE WHEN b.country IS NULL THEN 0 ELSE %(same country)s END + " + " + ".join(
    f"CASE k.{field} = b.{field} WHEN true THEN %(same {field})s WHEN false THEN %(other {field})s ELSE 0 END"
    for field in _HASHED
)

# The same among earlier candidates of the batch, but for those that were turned down.
_BATCH = """
CREATE TEMPORARY TABLE batch_company (
    candidate_id bigint, name text, city bigint, zip bigint, domain bigint, phone bigint, block_1 text, block_2 text
) ON COMMIT DROP;
CREATE INDEX ON batch_company (block_1);
CREATE INDEX ON batch_company (block_2)
"""
_NEAR_IN_BATCH = """
SELECT b.candidate_id, 'candidate', k.candidate_id, k.name, b.country, k.city, k.zip, k.domain, k.phone
FROM unnest(%(candidates)s::bigint[], %(blocks)s::text[], %(country)s::text[], %(city)s::bigint[],
            %(zip)s::bigint[], %(domain)s::bigint[], %(phone)s::bigint[])
     AS b (candidate_id, block, country, city, zip, domain, phone)
JOIN batch_company k ON k.{column} = b.block
WHERE {evidence} >= %(needed)s
"""


def find_lookalikes(
    conn: Connection, run_id: int, chunks: Iterable[Sequence[tuple[int, Company]]]
) -> Iterator[Lookalike]:
    """The candidates, given as (id, company) in the provider's order, that are like a company of the CRM or like an
    earlier one of them that is not itself like another: the likeliest, from the model's threshold on.

    To be called in a transaction. Reads only; the CRM as of the last `crm_index.refresh`.
    """
    conn.execute(_BATCH)
    earlier = False
    for chunk in chunks:
        for first in range(0, len(chunk), _AT_ONCE):
            batch = _hashed(conn, {id_: profile(company) for id_, company in chunk[first : first + _AT_ONCE]})
            # None: the CRM does not say of all in which country they are.
            in_crm = _nearest(conn, _NEAR, batch, lambda country: {country, None}, run_id=run_id)
            in_batch = _nearest(conn, _NEAR_IN_BATCH, batch, lambda country: {country}) if earlier else {}
            kept: dict[int, Profile] = {}
            by_block: dict[str, list[int]] = defaultdict(list)
            for candidate_id, mine in batch.items():
                near = in_crm.get(candidate_id)
                own_blocks = name_blocks(mine.name, mine.country or "")
                if near is None:
                    near = in_batch.get(candidate_id)
                    for other in (other for block in own_blocks for other in by_block[block]):
                        this = _Near("candidate", other, probability(mine, kept[other]), kept[other])
                        near = this if this.beats(near) else near
                if near:
                    yield near.of(candidate_id, mine)
                    continue
                kept[candidate_id] = mine
                for block in own_blocks:
                    by_block[block].append(candidate_id)
            _remember(conn, kept)
            earlier = True
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


def _hashed(conn: Connection, profiles: dict[int, Profile]) -> dict[int, Profile]:
    """The profiles with hashes in the place of values, as `known_company` has them."""
    values = {getattr(mine, field) for mine in profiles.values() for field in _HASHED}
    hashes: dict[object, object] = dict(
        conn.execute("SELECT v, hashtextextended(v, 0) FROM unnest(%s::text[]) AS v", [list(values)]).fetchall()
    )
    return {
        id_: Profile(mine.name, mine.country, *(hashes.get(getattr(mine, field)) for field in _HASHED))
        for id_, mine in profiles.items()
    }


def _nearest(
    conn: Connection,
    query: str,
    batch: dict[int, Profile],
    countries: Callable[[str | None], set[str | None]],
    **more: object,
) -> dict[int, _Near]:
    """By candidate, the likeliest of what the query finds by the blocks of its name in the countries of its own."""
    probed = [
        (candidate_id, mine, country, block)
        for candidate_id, mine in batch.items()
        for country in countries(mine.country)
        for block in name_blocks(mine.name, country or "")
    ]
    parameters = {
        "candidates": [candidate_id for candidate_id, *_ in probed],
        "country": [country for _, _, country, _ in probed],
        "blocks": [block for *_, block in probed],
        **{field: [getattr(mine, field) for _, mine, _, _ in probed] for field in _HASHED},
        "needed": places_must_reach(),
        **dict(zip(FEATURES, model().weights, strict=True)),
    }
    found: dict[int, _Near] = {}
    for column in ("block_1", "block_2"):
        text = query.format(column=column, evidence=_EVIDENCE).encode()
        with conn.transaction(), conn.cursor(f"near_{column}") as cursor:  # the server's: memory does not grow with it
            cursor.itersize = 10_000
            for candidate_id, record_model, record_id, name, *places in cursor.execute(text, parameters | more):
                mine, theirs = batch[candidate_id], Profile(tuple(name.split()), *places)
                near = _Near(record_model, record_id, probability(mine, theirs), theirs)
                if near.beats(found.get(candidate_id)):
                    found[candidate_id] = near
    return found


def _remember(conn: Connection, batch: dict[int, Profile]) -> None:
    """For comparison with later ones; who has no name cannot be compared."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "COPY batch_company (candidate_id, name, city, zip, domain, phone, block_1, block_2) FROM STDIN"
        ) as copy,
    ):
        for candidate_id, mine in batch.items():
            if mine.name:
                own_blocks = name_blocks(mine.name, mine.country or "")
                copy.write_row((candidate_id, " ".join(mine.name), *mine[2:], *own_blocks))
