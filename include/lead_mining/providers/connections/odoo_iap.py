"""Connections of type `odoo_iap`: host = base URL, password = account token, `extra.dbuuid`.

`extra.contract` is the version of Odoo whose contract is spoken: 17, the default, or 19. `extra.calls_at_once` is how
many paid calls may be under way, by default 1. `extra.rates` limits how often the account is called.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lead_mining.providers.base import MOST_CALLS_AT_ONCE, Provider
from lead_mining.providers.connections.account import ACCOUNT_FIELDS, rates_of
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

_CLEARBIT, _DNB = 17, 19

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
        "contract": {
            "label": "Contract",
            "description": (
                "17: as Odoo 17 asks; companies and contacts. 19: as Odoo 19 asks, of Dun & Bradstreet; companies "
                "alone, and those that are known are left out before they are paid for. Empty: 17."
            ),
            "schema": {"type": ["integer", "null"], "enum": [17, 19, None]},
        },
        "calls_at_once": {
            "label": "Calls at once",
            "description": (
                "How many paid calls may be under way, 1 to 8. More hide the time that each takes; but where the "
                "provider has no more for a search, the calls made together with the last may pay for companies that "
                "were bought before. 1 never does, and contract 19 takes no more. After a crash as many calls may have "
                "to be settled by a person."
            ),
            "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 8},
        },
        **ACCOUNT_FIELDS,
    },
}


def _make(connection: ConnectionValues) -> Provider:
    """Raises InvalidRequest where the connection lacks something, ProviderRejected where the URL is none."""
    from lead_mining.providers.odoo_dnb import OdooDnb
    from lead_mining.providers.odoo_iap import OdooIap

    dbuuid = connection.extra.get("dbuuid")
    if not connection.host:
        raise connection.wrong("it needs the provider's base URL as host, such as https://iap-services.odoo.com")
    if not connection.password:
        raise connection.wrong("it needs the account token as password")
    if not isinstance(dbuuid, str) or not dbuuid.strip():
        raise connection.wrong("it needs the UUID of the Odoo database in extra.dbuuid")
    at_once = _calls_at_once(connection)
    contract = _contract(connection)
    if contract == _DNB and at_once != 1:
        raise connection.wrong("extra.calls_at_once must be 1 with contract 19: each call is told what came before it")
    provider = OdooDnb if contract == _DNB else OdooIap
    rates = rates_of(connection, OdooIap.rates)
    return provider(connection.base_url, connection.password, dbuuid.strip(), calls_at_once=at_once, rates=rates)


def _asset(connection: ConnectionValues) -> str:
    """The service at its host, without what else the connection holds."""
    url = urlsplit(connection.base_url)
    return f"odoo-iap://{url.hostname}{f':{url.port}' if url.port else ''}/lead_mining_request"


def _contract(connection: ConnectionValues) -> int:
    """`extra.contract`; URIs give it as text."""
    value = connection.extra.get("contract")
    if value in (None, ""):
        return _CLEARBIT
    if str(value) not in (str(_CLEARBIT), str(_DNB)):
        raise connection.wrong(f"extra.contract must be {_CLEARBIT} or {_DNB}, the version of Odoo")
    return int(value)


def _calls_at_once(connection: ConnectionValues) -> int:
    """`extra.calls_at_once`; URIs give it as text."""
    value = connection.extra.get("calls_at_once")
    if value in (None, ""):
        return 1
    if str(value) not in map(str, range(1, MOST_CALLS_AT_ONCE + 1)):
        raise connection.wrong(f"extra.calls_at_once must be a whole number from 1 to {MOST_CALLS_AT_ONCE}")
    return int(value)


PROVIDER = ProviderType(make=_make, form=_FORM, asset=_asset)
