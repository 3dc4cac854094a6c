"""What a provider's id of a company proves: that it is the same company, unless the provider gives it to several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lead_mining.identifiers import registered_domain
from lead_mining.providers.base import Company


def without_ids_of_several(companies: Sequence[Company]) -> list[Company]:
    """The companies of an answer; an id that is empty, or that it gives to different companies, is none of theirs."""
    bearers: defaultdict[str | None, set[str]] = defaultdict(set)
    for company in companies:
        bearers[company.reveal_id].add(_who(company))
    return [
        company
        if company.reveal_id and len(bearers[company.reveal_id]) == 1
        else company.model_copy(update={"reveal_id": None})
        for company in companies
    ]


def _who(company: Company) -> str:
    """Its own domain, or else its name: the same for the same company as one answer has it twice."""
    domain = registered_domain(company.domain) if company.domain else None
    return domain or f"{company.name or company.legal_name or ''}, {company.country_code or ''}".casefold()
