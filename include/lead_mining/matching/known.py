"""Companies that are known before anything is bought, for providers that can leave them out."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from lead_mining.providers.base import Exclusions


def known_companies(conn: Connection[Any]) -> Exclusions:
    """What the CRM has, archived leads too, and what was bought before: reveal ids, and domains without `www.`."""
    reveal_ids = conn.execute(
        "SELECT reveal_id FROM crm_lead WHERE reveal_id IS NOT NULL"
        " UNION SELECT k.value FROM lead_mining.candidate_key AS k JOIN lead_mining.candidate AS c"
        " ON c.id = k.candidate_id WHERE k.kind = 'reveal_id' AND c.state = 'loaded'"
    )
    domains = conn.execute(
        "SELECT substring(lower(website) FROM '^(?:[a-z][a-z0-9+.-]*://)?(?:www\\.)?([^/:?#[:space:]]+)') AS domain"
        " FROM crm_lead WHERE website IS NOT NULL"
        " UNION SELECT k.value FROM lead_mining.candidate_key AS k JOIN lead_mining.candidate AS c"
        " ON c.id = k.candidate_id WHERE k.kind = 'domain' AND c.state = 'loaded'"
    )
    return Exclusions(
        reveal_ids=frozenset(value for (value,) in reveal_ids),
        domains=frozenset(value for (value,) in domains if value),
    )
