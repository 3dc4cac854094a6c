"""Companies that are known, as a plain list, in the place of a CRM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import Connection

from lead_mining.judging import Known
from lead_mining.providers.base import Exclusions, Identity


class KnownOnes(Exclusions):
    """`asked`: how many companies each look-up was for."""

    def __init__(self, reveal_ids: Iterable[str] = (), domains: Iterable[str] = ()) -> None:
        self.reveal_ids, self.domains = frozenset(reveal_ids), frozenset(domains)
        self.asked: list[int] = []

    def known(self, companies: Sequence[Identity]) -> list[bool]:
        self.asked.append(len(companies))
        return [reveal_id in self.reveal_ids or domain in self.domains for reveal_id, domain in companies]


def known_of(conn: Connection, reveal_ids: Iterable[str] = (), domains: Iterable[str] = ()) -> set[str]:
    """Those of the reveal ids and domains that the product knows of."""
    asked: list[Identity] = [*((one, None) for one in reveal_ids), *((None, one) for one in domains)]
    known = Known(conn).known(asked)
    return {str(one or other) for (one, other), is_known in zip(asked, known, strict=True) if is_known}
