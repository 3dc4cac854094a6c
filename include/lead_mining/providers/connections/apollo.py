"""Connections of type `apollo`: password = API key, host = base URL if it is another than the usual.

`extra.rates` is for accounts with other limits than those of paid plans.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lead_mining.providers.base import Provider
from lead_mining.providers.connections.account import ACCOUNT_FIELDS, key_of, rates_of
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_BASE_URL = "https://api.apollo.io"

_FORM: dict[str, Any] = {
    "hook-name": "Apollo (paid)",
    "ui-field-behaviour": {
        "hidden-fields": ["port", "login", "schema", "extra"],
        "relabeling": {"host": "Base URL", "password": "API key"},
        "placeholders": {"host": _BASE_URL, "password": "a master key, or one for the searches and enrichment"},
    },
    "conn-fields": ACCOUNT_FIELDS,
}


def _make(connection: ConnectionValues) -> Provider:
    """Raises InvalidRequest where the connection lacks something, ProviderRejected where the URL is none."""
    from lead_mining.providers.apollo import Apollo

    return Apollo(_base_url(connection), key_of(connection), rates=rates_of(connection, Apollo.rates))


def _asset(connection: ConnectionValues) -> str:
    """The service at its host, without what else the connection holds."""
    url = urlsplit(_base_url(connection))
    return f"apollo://{url.hostname}{f':{url.port}' if url.port else ''}/mixed_companies"


def _base_url(connection: ConnectionValues) -> str:
    return connection.base_url if connection.host else _BASE_URL


PROVIDER = ProviderType(make=_make, form=_FORM, asset=_asset)
