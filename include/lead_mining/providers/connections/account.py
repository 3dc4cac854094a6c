"""What connections to accounts share: an API key, and in `extra.rates` how often the account may be called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lead_mining.providers.base import Rate
from lead_mining.providers.connections.base import ConnectionValues

_ACCOUNT: Final = {
    "label": "Account",
    "description": "The same text in all connections to one account: they keep its limits together. Empty: none other.",
    "schema": {"type": ["string", "null"]},
}
_RATES: Final = {
    "label": "Rate limits",
    "description": (
        "How often the account may be called, where that is not the provider's usual limit: for each kind of call, "
        'windows of [calls, seconds], as JSON, e.g. {"search": [[100, 60]]}. Less, where others use the account too.'
    ),
    "schema": {"type": ["object", "null"]},
}
ACCOUNT_FIELDS: Final = {"rates": _RATES, "account": _ACCOUNT}
"""Of a connection's form. `account` is read by whom all connections pass, `hooks.provider_for`."""


def key_of(connection: ConnectionValues) -> str:
    """The connection's password, which has to be of characters that a header may have."""
    key = (connection.password or "").strip()
    if not key:
        raise connection.wrong("it needs the API key as password")
    if not (key.isascii() and key.isprintable()):
        raise connection.wrong("its password has characters that no API key has")
    return key


def rates_of(connection: ConnectionValues, usual: Mapping[str, tuple[Rate, ...]]) -> dict[str, tuple[Rate, ...]]:
    """The usual limits, with those that the connection gives in their place; the form may give them as JSON text."""
    value = connection.extra.get("rates") or {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise connection.wrong("extra.rates is not JSON") from None
    if not isinstance(value, dict) or not value.keys() <= usual.keys():
        raise connection.wrong(f"extra.rates must be an object with {' or '.join(usual)}")
    return {**usual, **{bucket: _windows(connection, windows) for bucket, windows in value.items()}}


def _windows(connection: ConnectionValues, windows: Any) -> tuple[Rate, ...]:
    try:
        rates = tuple(Rate(calls, float(seconds)) for calls, seconds in windows)
        if rates and all(type(rate.calls) is int and rate.calls > 0 and rate.seconds > 0 for rate in rates):
            return rates
    except (TypeError, ValueError):
        pass
    raise connection.wrong("extra.rates must hold windows of calls and seconds, such as [[100, 60]]")
