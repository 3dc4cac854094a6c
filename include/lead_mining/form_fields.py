"""Fields that forms of DAGs and of pages have, as keyword arguments of Airflow's `Param`; and reading what was sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

CRM_CONNECTION: dict[str, Any] = {
    "default": "lead_mining_crm",
    "type": "string",
    "title": "CRM connection",
    "description": "The Airflow connection to the CRM's database, which the credit accounts are in too.",
    "minLength": 1,
    "maxLength": 200,
}


def text(title: str, description: str, **more: Any) -> dict[str, Any]:
    """One line, which the ledger keeps: 1 to 200 characters, no space at the ends."""
    schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^\S(.*\S)?$"}
    return {"title": title, "description": description} | schema | more


TOP_UP: dict[str, dict[str, Any]] = {
    "credit_account": text(
        "Credit account", "Opened by its first payment, where it is not there yet.", default="default"
    ),
    "credits": {
        "type": "integer",
        "title": "Credits bought",
        "description": "On an account that mirrors one at a provider: as many as were bought there.",
        "minimum": 1,
        "maximum": 1_000_000,
    },
    "reference": text(
        "Payment reference", "Such as the invoice number. A reference counts once: the same one again adds nothing."
    ),
}
"""What the DAG `credits_top_up` asks for, beside the CRM connection."""


def values_sent(fields: Mapping[str, Mapping[str, Any]], sent: Callable[[str], list[str]]) -> dict[str, Any]:
    """What a form of a page means, as params. `sent`: name of a field to all that was sent under it.

    What cannot be read as the field's type stays text, for whoever checks it to say so. Empty is None where the field
    may be; lists take a value a line.
    """
    return {name: _value(schema, sent(name)) for name, schema in fields.items()}


def _value(schema: Mapping[str, Any], sent: list[str]) -> Any:
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if "boolean" in types:
        return bool(sent)
    if "array" in types:
        return list(dict.fromkeys(line.strip() for each in sent for line in each.splitlines() if line.strip()))
    value = sent[-1].strip() if sent else ""
    if not value and "null" in types:
        return None
    return int(value) if "integer" in types and re.fullmatch(r"-?[0-9]{1,15}", value) else value
