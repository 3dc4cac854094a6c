"""Companies that are known before anything is bought, for providers that can leave them out."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from lead_mining.identifiers import shared_domains
from lead_mining.providers.base import Exclusions

# What was bought and turned down for a reason that does not hang on what that request asked for, or on what could be
# paid: another request would turn it down again. A person can load it by `retry_rejections`, without buying it again.
_BOUGHT = """
    SELECT c.company->>'reveal_id' AS reveal_id, lower(c.company->>'domain') AS domain
    FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id
    WHERE NOT r.dry_run AND (c.state IN ('loaded', 'accepted') OR c.state = 'rejected' AND NOT EXISTS (
        SELECT FROM lead_mining.rejection x
        WHERE x.candidate_id = c.id AND x.contact_index IS NULL AND x.severity = 'reject'
          AND (x.rule LIKE '%\\_was\\_asked\\_for' OR x.rule LIKE 'suppressed%'
               OR x.rule IN ('affordable', 'no_more_than_asked'))))
"""


def known_companies(conn: Connection[Any]) -> Exclusions:
    """What the CRM has as leads and partners, archived ones too, and what was bought before, or is held by another run
    at this moment: reveal ids, and domains without `www.`."""
    reveal_ids = conn.execute(
        f"SELECT reveal_id FROM crm_lead WHERE reveal_id IS NOT NULL UNION SELECT reveal_id FROM ({_BOUGHT}) b"
    )
    domains = conn.execute(
        "SELECT substring(lower(website) FROM '^(?:[a-z][a-z0-9+.-]*://)?(?:www\\.)?([^/:?#[:space:]]+)')"
        " FROM (SELECT website FROM crm_lead UNION ALL SELECT website FROM res_partner) w WHERE website <> ''"
        f" UNION SELECT domain FROM ({_BOUGHT}) b"
    )
    return Exclusions(
        reveal_ids=frozenset(value for (value,) in reveal_ids if value),
        domains=frozenset(value for (value,) in domains if value) - shared_domains(),
    )
