"""What Airflow needs to know of this distribution: its connection types and their forms, and its assets.

Airflow calls `get_provider_info` while it is itself being imported, so nothing here may import airflow.
The forms are declared, not coded: Airflow 3.2 deprecated the hook methods that built them.
"""

from __future__ import annotations

from typing import Any

_CATALOGUE: dict[str, Any] = {
    "connection-type": "lead_catalog",
    "hook-class-name": "lead_mining.hooks.LeadCatalogHook",
    "hook-name": "Lead catalogue (Parquet or CSV file)",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "port", "login", "password", "schema"],
        "relabeling": {},
        "placeholders": {},
    },
    "conn-fields": {
        "path": {
            "label": "Path",
            "description": "The file, as every worker sees it: .parquet, .csv or .csv.gz, e.g. /data/companies.parquet",
            "schema": {"type": "string", "minLength": 1},
        },
        "columns": {
            "label": "Columns",
            "description": (
                "Which column of the file holds which field, as JSON, e.g. "
                '{"name": "company", "domain": "website", "country_code": "country"}. '
                "Empty: the columns are named like the fields. "
                "reveal_id, contacts (a JSON list) and all other fields of a company may be given."
            ),
            "schema": {"type": ["object", "null"]},
        },
    },
}

_ODOO_IAP: dict[str, Any] = {
    "connection-type": "odoo_iap",
    "hook-class-name": "lead_mining.hooks.OdooIapHook",
    "hook-name": "Odoo IAP lead mining (paid)",
    "ui-field-behaviour": {
        "hidden-fields": ["port", "login", "schema", "extra"],
        "relabeling": {"host": "Base URL", "password": "Account token"},
        "placeholders": {
            "host": "https://iap-services.odoo.com",
            "password": "account_token of the IAP account 'reveal'",
        },
    },
    "conn-fields": {
        "dbuuid": {
            "label": "Database UUID",
            "description": "Value of the Odoo system parameter database.uuid: the account belongs to it",
            "schema": {"type": "string", "minLength": 1},
        },
        "calls_at_once": {
            "label": "Calls at once",
            "description": (
                "How many paid calls may be under way, 1 to 8. More hide the time that each takes; but where the "
                "provider has no more for a search, the calls made together with the last may pay for companies that "
                "were bought before. 1 never does. After a crash as many calls may have to be settled by a person."
            ),
            "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 8},
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Entry point `apache_airflow_provider`; the shape is Airflow's provider_info.schema.json."""
    return {
        "package-name": "airflow-lead-mining",
        "name": "Lead mining",
        "description": "Lead mining from data providers into an Odoo CRM.",
        "connection-types": [_CATALOGUE, _ODOO_IAP],
        "asset-uris": [
            {
                "schemes": ["odoo-iap"],
                "handler": None,
                "to_openlineage_converter": "lead_mining.lineage.odoo_iap_dataset",
            }
        ],
    }
