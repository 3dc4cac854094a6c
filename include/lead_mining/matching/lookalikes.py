"""Possible duplicates: companies without a key in common whose names and places make it likely that they are one.

A person decides, or the param `on_possible_duplicate`. Only companies that are `near` one another are compared, each
candidate with the CRM and with the earlier ones of its batch; those without a name are like nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from lead_mining.identifiers import e164, registered_domain
from lead_mining.matching import near
from lead_mining.matching.crm_index import name_blocks
from lead_mining.matching.likeness import Profile, describe, model, normalised_place, normalised_zip, probability
from lead_mining.matching.names import words
from lead_mining.matching.near import Place, Placed
from lead_mining.providers.base import Company


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

    @classmethod
    def of(cls, record_model: str, record_id: int, mine: Profile, theirs: Profile) -> _Near:
        return cls(record_model, record_id, probability(mine, theirs), theirs)

    def beats(self, other: _Near | None) -> bool:
        """Likelier than the other; of equals, the first."""
        if self.likely < model().likely:
            return False
        return other is None or (-self.likely, *self[:2]) < (-other.likely, *other[:2])

    def as_lookalike(self, candidate_id: int, mine: Profile) -> Lookalike:
        why = describe(mine, self.profile)
        return Lookalike(candidate_id, f"{self.model} {self.record_id}", round(self.likely, 3), why)


_IN_CRM = (
    near.near_in("lead_mining.known_company")
    + """
AND CASE k.model
    WHEN 'crm.lead' THEN EXISTS (SELECT FROM crm_lead l WHERE l.id = k.record_id) AND NOT EXISTS (
        SELECT FROM lead_mining.candidate own WHERE own.run_id = %(run_id)s AND own.lead_id = k.record_id)
    ELSE EXISTS (SELECT FROM res_partner p WHERE p.id = k.record_id) END
"""
)

# What `known_company` is to the CRM, of earlier candidates of the batch, but for those that were turned down.
_BATCH = """
CREATE TEMPORARY TABLE batch_company (
    model text DEFAULT 'candidate', record_id bigint, name text, city bigint, zip bigint, domain bigint, phone bigint,
    block_1 bigint, block_2 bigint
) ON COMMIT DROP;
CREATE INDEX ON batch_company (block_1, (domain IS NULL), city);
CREATE INDEX ON batch_company (block_1, (domain IS NULL), zip);
CREATE INDEX ON batch_company (block_2, (domain IS NULL), city);
CREATE INDEX ON batch_company (block_2, (domain IS NULL), zip);
CREATE INDEX ON batch_company (domain) WHERE domain IS NOT NULL;
CREATE INDEX ON batch_company (phone) WHERE phone IS NOT NULL
"""
_IN_BATCH = near.near_in("batch_company")


def find_lookalikes(
    conn: Connection, run_id: int, chunks: Iterable[Sequence[tuple[int, Company]]]
) -> Iterator[Lookalike]:
    """The candidates, given as (id, company) in the provider's order, that are like a company of the CRM or like an
    earlier one of them that is not itself like another: the likeliest, from the model's threshold on.

    To be called in a transaction. A chunk is compared with the CRM in one statement, and no more is in memory. Reads
    only; the CRM as of the last `crm_index.refresh`.
    """
    kept: dict[int, Placed] = {}
    earlier = False
    for chunk in chunks:
        if kept:
            if not earlier:
                conn.execute(_BATCH)
            _remember(conn, kept)
            earlier = True
        batch = _placed(conn, {id_: profile(company) for id_, company in chunk})
        in_crm = _nearest(conn, _IN_CRM, batch, anywhere=True, run_id=run_id)
        in_batch = _nearest(conn, _IN_BATCH, batch) if earlier else {}
        kept = {}
        filed: dict[Place, list[int]] = defaultdict(list)
        for candidate_id, mine in batch.items():
            near_mine = in_crm.get(candidate_id)
            if near_mine is None:
                near_mine = in_batch.get(candidate_id)
                for other in dict.fromkeys(other for place in near.looks_under(mine) for other in filed.get(place, ())):
                    this = _Near.of("candidate", other, mine.profile, kept[other].profile)
                    near_mine = this if this.beats(near_mine) else near_mine
            if near_mine:
                yield near_mine.as_lookalike(candidate_id, mine.profile)
                continue
            kept[candidate_id] = mine
            for place in near.filed_under(mine):
                filed[place].append(candidate_id)
    if earlier:
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


def _placed(conn: Connection, profiles: Mapping[int, Profile]) -> dict[int, Placed]:
    """The profiles with hashes in the place of values, as `known_company` has them."""
    texts = {
        id_: (*mine[2:], *name_blocks(mine.name, mine.country or ""), *name_blocks(mine.name, ""))
        for id_, mine in profiles.items()
    }
    hashes = _hashes(conn, {text for own in texts.values() for text in own if text is not None})
    found = {}
    for id_, mine in profiles.items():
        places, blocks = texts[id_][:4], [hashes[text] for text in texts[id_][4:]]
        hashed = Profile(mine.name, mine.country, *map(hashes.get, places))
        found[id_] = Placed(hashed, tuple(blocks[:2]), tuple(blocks[2:]))
    return found


def _hashes(conn: Connection, texts: Collection[object]) -> dict[object, int]:
    """PostgreSQL's own. As JSON, both ways: psycopg takes many times as long for arrays of so many texts."""
    row = conn.execute(
        "SELECT jsonb_agg(hashtextextended(text, 0) ORDER BY place)"
        " FROM jsonb_array_elements_text(%s) WITH ORDINALITY AS t (text, place)",
        [Jsonb(ordered := list(texts))],
    ).fetchone()
    return dict(zip(ordered, row[0] if row and row[0] else (), strict=True))


def _nearest(
    conn: Connection, query: str, batch: Mapping[int, Placed], *, anywhere: bool = False, **more: object
) -> dict[int, _Near]:
    """By candidate, the likeliest of what the query finds near it in its country or, `anywhere`, in none."""
    asked = [(id_, mine, mine.profile.country is not None, mine.blocks) for id_, mine in batch.items() if mine.blocks]
    if anywhere:
        asked += [(id_, mine, False, mine.blocks_nowhere) for id_, mine, in_country, _ in asked if in_country]
    if not asked:
        return {}
    rows = ((id_, int(in_country), *blocks, *mine.profile[2:]) for id_, mine, in_country, blocks in asked)
    parameters = {**near.asked_for(rows), **more}
    found: dict[int, _Near] = {}
    with conn.transaction(), conn.cursor("near") as cursor:  # the server's: memory does not grow with it
        cursor.itersize = 10_000
        cursor.execute(query.encode(), parameters)
        for candidate_id, in_country, record_model, record_id, name, *places in cursor:
            mine = batch[candidate_id].profile
            theirs = Profile(tuple(name.split()), mine.country if in_country else None, *places)
            this = _Near.of(record_model, record_id, mine, theirs)
            if this.beats(found.get(candidate_id)):
                found[candidate_id] = this
    return found


def _remember(conn: Connection, kept: Mapping[int, Placed]) -> None:
    """For comparison with later ones; who has no name cannot be compared."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "COPY batch_company (record_id, name, city, zip, domain, phone, block_1, block_2) FROM STDIN"
        ) as copy,
    ):
        for candidate_id, (mine, blocks, _) in kept.items():
            if blocks:
                copy.write_row((candidate_id, " ".join(mine.name), *mine[2:], *blocks))
