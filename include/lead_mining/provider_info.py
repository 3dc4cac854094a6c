"""What Airflow needs to know of this distribution: its connection types and their forms, and its assets.

Airflow calls `get_provider_info` while it is itself being imported, so nothing here may import airflow.
The forms are declared, not coded: Airflow 3.2 deprecated the hook methods that built them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lead_mining.plain import logger
from lead_mining.providers.connections.base import ProviderType
from lead_mining.providers.connections.installed import announced, provider_type

log = logger(__name__)


def get_provider_info() -> dict[str, Any]:
    """Entry point `apache_airflow_provider`; the shape is Airflow's provider_info.schema.json.

    The types of providers are those of all packages; one that cannot be used is left out, and the log says why.
    """
    usable = dict(_usable())
    return {
        "package-name": "airflow-lead-mining",
        "name": "Lead mining",
        "description": "Lead mining from data providers into an Odoo CRM.",
        "connection-types": [
            {"connection-type": name, "hook-class-name": f"lead_mining.hooks.Hook_{name}", **found.form}
            for name, found in usable.items()
        ],
        "asset-uris": [
            {
                "schemes": [name.replace("_", "-") for name in usable],
                "handler": None,
                "to_openlineage_converter": "lead_mining.lineage.provider_dataset",
            }
        ],
    }


def _usable() -> Iterator[tuple[str, ProviderType]]:
    for name in announced():
        try:
            yield name, provider_type(name)
        except LookupError as error:
            log.warning("a type of lead providers is left out: %s", error)
