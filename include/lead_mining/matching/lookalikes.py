"""Possible duplicates: companies without a key in common whose names and places make it likely that they are one.

A person decides, or the param `on_possible_duplicate`. Only names that share a block are compared (`names.blocks`);
companies with domains of their own that differ are two, whatever their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import Connection

from lead_mining.identifiers import e164, registered_domain
from lead_mining.matching.crm_index import name_blocks
from lead_mining.matching.likeness import Profile, describe, model, normalised_place, normalised_zip, probability
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


_NEAR = """
SELECT DISTINCT b.candidate_id, k.model, k.record_id, k.name, nullif(k.country, ''), k.city, k.zip, k.domain, k.phone
FROM unnest(%(candidates)s::bigint[], %(blocks)s::text[], %(domains)s::bigint[]) AS b (candidate_id, block, domain)
JOIN lead_mining.known_company k ON k.{column} = hashtextextended(b.block, 0)
WHERE (k.domain = b.domain) IS NOT FALSE AND (k.model <> 'crm.lead' OR NOT EXISTS (
    SELECT FROM lead_mining.candidate own WHERE own.run_id = %(run_id)s AND own.lead_id = k.record_id))
"""


def find_lookalikes(conn: Connection, run_id: int, companies: Sequence[tuple[int, Company]]) -> Iterator[Lookalike]:
    """The candidates, given as (id, company) in the provider's order, that are like a company of the CRM or like an
    earlier one of them that is not itself like another: the likeliest, from the model's threshold on.

    Reads only; the CRM as of the last `crm_index.refresh`.
    """
    kept: dict[str, list[tuple[int, Profile]]] = defaultdict(list)  # by block
    for first in range(0, len(companies), _AT_ONCE):
        profiles = {id_: profile(company) for id_, company in companies[first : first + _AT_ONCE]}
        in_crm = _like_the_crm(conn, run_id, profiles)
        for candidate_id, mine in profiles.items():
            own_blocks = name_blocks(mine.name, mine.country or "")
            found = in_crm.get(candidate_id) or _likeliest(
                candidate_id,
                mine,
                ((f"candidate {other}", theirs) for block in own_blocks for other, theirs in kept[block]),
            )
            if found:
                yield found
                continue
            for block in own_blocks:
                kept[block].append((candidate_id, mine))


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
    blocks = [
        (candidate_id, block)
        for candidate_id, mine in profiles.items()
        for country in dict.fromkeys((mine.country or "", ""))  # also where the CRM does not say which country
        for block in name_blocks(mine.name, country)
    ]
    hashes = _hashes(conn, {v for p in profiles.values() for v in (p.domain, p.phone) if v is not None})
    parameters = {
        "run_id": run_id,
        "candidates": [candidate_id for candidate_id, _ in blocks],
        "blocks": [block for _, block in blocks],
        "domains": [hashes.get(profiles[candidate_id].domain) for candidate_id, _ in blocks],
    }
    rows: set[tuple[Any, ...]] = set()
    for column in ("block_1", "block_2"):
        rows.update(conn.execute(_NEAR.format(column=column).encode(), parameters).fetchall())
    found = {}
    for candidate_id, near in groupby(sorted(rows, key=itemgetter(0, 1, 2)), key=itemgetter(0)):
        mine = profiles[candidate_id]
        mine = mine._replace(domain=hashes.get(mine.domain), phone=hashes.get(mine.phone))
        like = _likeliest(candidate_id, mine, _profiles_of(near))
        if like:
            found[candidate_id] = like
    return found


def _profiles_of(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, Profile]]:
    for _, record_model, record_id, name, country, city, zip_code, domain, phone in rows:
        yield f"{record_model} {record_id}", Profile(tuple(name.split()), country, city, zip_code, domain, phone)


def _likeliest(candidate_id: int, mine: Profile, others: Iterable[tuple[str, Profile]]) -> Lookalike | None:
    """The first of the likeliest."""
    best, threshold = None, model().likely
    for what, theirs in others:
        likely = probability(mine, theirs)
        if likely >= threshold and (best is None or likely > best[0]):
            best = likely, what, theirs
    return best and Lookalike(candidate_id, best[1], round(best[0], 3), describe(mine, best[2]))


def _hashes(conn: Connection, values: set[object]) -> dict[object, object]:
    return dict(
        conn.execute("SELECT v, hashtextextended(v, 0) FROM unnest(%s::text[]) AS v", [list(values)]).fetchall()
    )
