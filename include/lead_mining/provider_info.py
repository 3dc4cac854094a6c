"""What Airflow needs to know of this distribution: its connection types and their forms, and its assets.

Airflow calls `get_provider_info` while it is itself being imported, so nothing here may import airflow.
The forms are declared, not coded: Airflow 3.2 deprecated the hook methods that built them.
"""

from __future__ import annotations

from typing import Any

from lead_mining.providers.connections import lead_catalog, odoo_iap

_HOOKS = {"lead_catalog": (lead_catalog, "LeadCatalogHook"), "odoo_iap": (odoo_iap, "OdooIapHook")}


def get_provider_info() -> dict[str, Any]:
    """Entry point `apache_airflow_provider`; the shape is Airflow's provider_info.schema.json."""
    return {
        "package-name": "airflow-lead-mining",
        "name": "Lead mining",
        "description": "Lead mining from data providers into an Odoo CRM.",
        "connection-types": [
            {"connection-type": name, "hook-class-name": f"lead_mining.hooks.{hook}", **module.PROVIDER.form}
            for name, (module, hook) in _HOOKS.items()
        ],
        "asset-uris": [
            {
                "schemes": ["odoo-iap"],
                "handler": None,
                "to_openlineage_converter": "lead_mining.lineage.odoo_iap_dataset",
            }
        ],
    }
