"""Fields that the forms of several DAGs have, as keyword arguments of Airflow's `Param`."""

from __future__ import annotations

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
