"""Connections of type `lead_catalog`: `extra.path`, and `extra.columns` (an object, or that as JSON text)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lead_mining.providers.base import Provider
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_FORM: dict[str, Any] = {
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


def _make(connection: ConnectionValues) -> Provider:
    """Raises InvalidRequest where the connection lacks something, CatalogueError where the file is not usable."""
    from lead_mining.providers.lead_catalog import LeadCatalog

    return LeadCatalog(_path(connection), _columns(connection))


def _asset(connection: ConnectionValues) -> str:
    """The file."""
    return f"file://{quote(str(Path(_path(connection)).absolute()))}"


def _path(connection: ConnectionValues) -> str:
    path = connection.extra.get("path")
    if not isinstance(path, str) or not path.strip():
        raise connection.wrong("it needs the path of a .parquet, .csv or .csv.gz file in extra.path")
    return path.strip()


def _columns(connection: ConnectionValues) -> dict[str, str]:
    """`extra.columns`; the connection form and URIs may give it as JSON text."""
    value = connection.extra.get("columns")
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise connection.wrong("extra.columns is not JSON") from None
    if not value:
        return {}
    if not isinstance(value, dict) or not all(isinstance(column, str) for column in value.values()):
        raise connection.wrong('extra.columns must map fields to columns, as {"name": "company"}')
    return value


PROVIDER = ProviderType(make=_make, form=_FORM, asset=_asset)
