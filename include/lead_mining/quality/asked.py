"""What of the quality rules follows from what was asked for: which of them hold, and by which values they judge."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lead_mining import vocabulary
from lead_mining.providers.base import Query


def conditions(query: Query) -> frozenset[str]:
    """Which of rules.CONDITIONS hold for the request."""
    by_role = query.contact_number and query.contact_filter_type == "role"
    by_seniority = query.contact_number and query.contact_filter_type == "seniority"
    holds = {
        "states": query.states,
        "industries": query.industries,
        "filter_on_size": query.company_size_min is not None or query.company_size_max is not None,
        "people": query.contact_number,
        "roles": by_role and (query.preferred_role or query.other_roles),
        "seniority": by_seniority and query.seniority,
    }
    return frozenset(name for name, value in holds.items() if value)


def parameters(query: Query) -> dict[str, Any]:
    """The values of the suites' `$PARAMETER`s."""
    roles, seniorities = vocabulary.roles(), vocabulary.seniorities()
    return {
        "countries": list(query.countries),
        "free_mail_domains": sorted(vocabulary.free_mail_domains()),
        "company_size_min": query.company_size_min,
        "company_size_max": query.company_size_max,
        "contact_number": query.contact_number,
        "roles": [roles[name] for name in (query.preferred_role, *query.other_roles) if name],
        "seniorities": [seniorities[query.seniority]] if query.seniority else [],
        "next_year": dt.datetime.now(dt.UTC).year + 1,
    }
