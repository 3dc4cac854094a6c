"""Companies that are known before anything is bought, for providers that can leave them out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import Connection

from lead_mining.identifiers import registered_domain, shared_domains
from lead_mining.providers.base import Identity

# What was bought and turned down for a reason that does not hang on what that request asked for, or on what could be
# paid: another request would turn it down again. A person can load it by `retry_rejections`, without buying it again.
_BOUGHT = """
c.run_id = %(run_id)s OR NOT (SELECT r.dry_run FROM lead_mining.run r WHERE r.id = c.run_id)
AND (c.state IN ('loaded', 'accepted') OR c.state = 'rejected' AND NOT EXISTS (
    SELECT FROM lead_mining.rejection x
    WHERE x.candidate_id = c.id AND x.contact_index IS NULL AND x.severity = 'reject'
      AND (x.rule LIKE '%%\\_was\\_asked\\_for' OR x.rule LIKE 'suppressed%%'
           OR x.rule IN ('affordable', 'no_more_than_asked'))))
"""
_IN_CRM = """
CASE k.model WHEN 'crm.lead' THEN EXISTS (SELECT FROM crm_lead l WHERE l.id = k.record_id)
             ELSE EXISTS (SELECT FROM res_partner p WHERE p.id = k.record_id) END
"""
# LATERAL and LIMIT make each a look into an index, whatever the planner knows of how many are known; a join with the
# run would lead it to read all candidates of each.
_KNOWN = f"""
WITH asked AS MATERIALIZED (
    SELECT place, hashtextextended(reveal_id, 0) AS reveal_id, hashtextextended(domain, 0) AS domain,
           hashtextextended(registered_domain, 0) AS registered_domain
    FROM unnest(%(reveal_ids)s::text[], %(domains)s::text[], %(registered_domains)s::text[])
        WITH ORDINALITY AS asked (reveal_id, domain, registered_domain, place)
)
SELECT a.place FROM asked a CROSS JOIN LATERAL (
    SELECT FROM lead_mining.known_company k WHERE k.reveal_id = a.reveal_id AND {_IN_CRM} LIMIT 1) found
UNION ALL
SELECT a.place FROM asked a CROSS JOIN LATERAL (
    SELECT FROM lead_mining.known_company k WHERE k.domain = a.registered_domain AND {_IN_CRM} LIMIT 1) found
UNION ALL
SELECT a.place FROM asked a CROSS JOIN LATERAL (
    SELECT FROM lead_mining.candidate c
    WHERE hashtextextended(c.company->>'reveal_id', 0) = a.reveal_id AND c.company->>'reveal_id' IS NOT NULL
      AND ({_BOUGHT}) LIMIT 1) found
UNION ALL
SELECT a.place FROM asked a CROSS JOIN LATERAL (
    SELECT FROM lead_mining.candidate c
    WHERE hashtextextended(lower(c.company->>'domain'), 0) = a.domain AND c.company->>'domain' IS NOT NULL
      AND ({_BOUGHT}) LIMIT 1) found
"""


# Each part stops when it has so many; reading from the newest on needs no index of countries for that.
_LISTED = f"""
WITH asked AS (SELECT id, code FROM public.res_country WHERE code = ANY(%(countries)s))
(SELECT c.company->>'reveal_id', c.company->>'domain', NULL FROM lead_mining.candidate c
 WHERE c.run_id = %(run_id)s ORDER BY c.position DESC LIMIT %(most)s)
UNION ALL
(SELECT c.company->>'reveal_id', c.company->>'domain', NULL FROM lead_mining.candidate c
 WHERE upper(c.company->>'country_code') IN (SELECT code FROM asked) AND ({_BOUGHT}) ORDER BY c.id DESC LIMIT %(most)s)
UNION ALL
(SELECT l.reveal_id, NULL, l.website FROM public.crm_lead l
 WHERE l.country_id IN (SELECT id FROM asked) AND coalesce(l.reveal_id, l.website) <> ''
 ORDER BY l.id DESC LIMIT %(most)s)
UNION ALL
(SELECT NULL, NULL, p.website FROM public.res_partner p
 WHERE p.country_id IN (SELECT id FROM asked) AND p.website <> '' ORDER BY p.id DESC LIMIT %(most)s)
"""


def listed_companies(
    conn: Connection[Any], countries: Collection[str], most: int, run_id: int | None = None
) -> list[Identity]:
    """At most so many of the companies that `known_companies` finds, of these countries: those of the run, whatever
    their country, then what was bought before, leads and partners of the CRM, each from the newest on.

    Domains are as the provider gave them, or those of the CRM's websites; what many companies share is left out.
    """
    values = {"countries": list(countries), "most": most, "run_id": run_id}
    listed: dict[Identity, None] = {}
    for reveal_id, domain, website in conn.execute(_LISTED.encode(), values, prepare=False):
        domain = domain or (registered_domain(website) if website else None)
        identity = (reveal_id or None, None if domain in shared_domains() else domain)
        if any(identity):
            listed[identity] = None
    return list(listed)[:most]


def known_companies(conn: Connection[Any], companies: Sequence[Identity], run_id: int | None = None) -> list[bool]:
    """Whether each is a lead or partner of the CRM, archived ones too, was bought before, or is held by another run at
    this moment; or was bought by the run. Domains that many companies share say nothing. The CRM as of the last
    `crm_index.refresh`.
    """
    domains = [None if domain is None or domain in shared_domains() else domain for _, domain in companies]
    rows = conn.execute(
        _KNOWN.encode(),
        {
            "reveal_ids": [reveal_id for reveal_id, _ in companies],
            "domains": domains,
            "registered_domains": [domain and registered_domain(domain) for domain in domains],
            "run_id": run_id,
        },
        prepare=False,  # planned anew: a plan from when the tables were empty reads them whole
    )
    places = {place for (place,) in rows}
    return [place in places for place in range(1, len(companies) + 1)]
