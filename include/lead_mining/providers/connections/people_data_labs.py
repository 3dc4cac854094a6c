"""Connections of type `people_data_labs`: password = API key, host = base URL if it is another than the usual.

`extra.rates` and `extra.page_size` (companies a call) are for accounts with other limits than the usual ones.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lead_mining.providers.base import Provider
from lead_mining.providers.connections.account import ACCOUNT_FIELDS, key_of, rates_of
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_BASE_URL = "https://api.peopledatalabs.com"
_PAGE_SIZE = 50
_LARGEST_PAGE = 100

_FORM: dict[str, Any] = {
    "hook-name": "People Data Labs (paid)",
    "ui-field-behaviour": {
        "hidden-fields": ["port", "login", "schema", "extra"],
        "relabeling": {"host": "Base URL", "password": "API key"},
        "placeholders": {"host": _BASE_URL, "password": "the key in the dashboard of People Data Labs"},
    },
    "conn-fields": {
        "page_size": {
            "label": "Companies a call",
            "description": (
                "1 to 100, by default 50. An answer that is longer than a million bytes is cut off and lost, though it "
                "was paid for: more than 50 companies may be."
            ),
            "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": _LARGEST_PAGE},
        },
        **ACCOUNT_FIELDS,
    },
}


def _make(connection: ConnectionValues) -> Provider:
    """Raises InvalidRequest where the connection lacks something, ProviderRejected where the URL is none."""
    from lead_mining.providers.people_data_labs import PeopleDataLabs

    return PeopleDataLabs(
        _base_url(connection),
        key_of(connection),
        page_size=_page_size(connection),
        rates=rates_of(connection, PeopleDataLabs.rates),
    )


def _asset(connection: ConnectionValues) -> str:
    """The service at its host, without what else the connection holds."""
    url = urlsplit(_base_url(connection))
    return f"people-data-labs://{url.hostname}{f':{url.port}' if url.port else ''}/search"


def _base_url(connection: ConnectionValues) -> str:
    return connection.base_url if connection.host else _BASE_URL


def _page_size(connection: ConnectionValues) -> int:
    """`extra.page_size`; URIs give it as text."""
    value = connection.extra.get("page_size")
    if value in (None, ""):
        return _PAGE_SIZE
    if str(value) not in map(str, range(1, _LARGEST_PAGE + 1)):
        raise connection.wrong(f"extra.page_size must be a whole number from 1 to {_LARGEST_PAGE}")
    return int(value)


PROVIDER = ProviderType(make=_make, form=_FORM, asset=_asset)
