"""Connections of type `odoo_iap`: host = base URL, password = account token, `extra.dbuuid` and `extra.calls_at_once`.

The last is how many paid calls may be under way, by default 1.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lead_mining.providers.base import MOST_CALLS_AT_ONCE, Provider
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_FORM: dict[str, Any] = {
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


def _make(connection: ConnectionValues) -> Provider:
    """Raises InvalidRequest where the connection lacks something, ProviderRejected where the URL is none."""
    from lead_mining.providers.odoo_iap import OdooIap

    dbuuid = connection.extra.get("dbuuid")
    if not connection.host:
        raise connection.wrong("it needs the provider's base URL as host, such as https://iap-services.odoo.com")
    if not connection.password:
        raise connection.wrong("it needs the account token as password")
    if not isinstance(dbuuid, str) or not dbuuid.strip():
        raise connection.wrong("it needs the UUID of the Odoo database in extra.dbuuid")
    at_once = _calls_at_once(connection)
    return OdooIap(connection.base_url, connection.password, dbuuid.strip(), calls_at_once=at_once)


def _asset(connection: ConnectionValues) -> str:
    """The service at its host, without what else the connection holds."""
    url = urlsplit(connection.base_url)
    return f"odoo-iap://{url.hostname}{f':{url.port}' if url.port else ''}/lead_mining_request"


def _calls_at_once(connection: ConnectionValues) -> int:
    """`extra.calls_at_once`; URIs give it as text."""
    value = connection.extra.get("calls_at_once")
    if value in (None, ""):
        return 1
    if str(value) not in map(str, range(1, MOST_CALLS_AT_ONCE + 1)):
        raise connection.wrong(f"extra.calls_at_once must be a whole number from 1 to {MOST_CALLS_AT_ONCE}")
    return int(value)


PROVIDER = ProviderType(make=_make, form=_FORM, asset=_asset)
