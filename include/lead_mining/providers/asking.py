"""What providers that sell people apart from their companies share: in which order to ask, and what a record is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lead_mining.providers.base import Query


def people_steps(query: Query) -> list[tuple[str, ...]]:
    """Which roles or seniorities to ask for first, and which of those next who are still missing."""
    if query.contact_filter_type == "seniority":
        return [(query.seniority,) if query.seniority else ()]
    preferred = (query.preferred_role,) if query.preferred_role else ()
    others = tuple(name for name in query.other_roles if name not in preferred)
    return [step for step in (preferred, others) if step] or [()]


def asked_for(record: Any, names: Sequence[str]) -> Any:
    """The record with our words that it was found for as `asked`, whatever it says itself."""
    return {**record, "asked": list(names)} if isinstance(record, dict) else record


def id_of(record: object) -> str | None:
    """The provider's id of a record that may be anything."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) and found else None
