"""Errors as Odoo's server names them, to be sent inside a JSON-RPC answer with HTTP status 200."""

from __future__ import annotations

import json


class ServiceError(Exception):
    """What the caller is told. ``name`` is the Python path of Odoo's exception."""

    name = "builtins.Exception"


class UserError(ServiceError):
    """The request cannot be executed as it was made."""

    name = "odoo.exceptions.UserError"


class AccessError(ServiceError):
    """The account token is not known."""

    name = "odoo.exceptions.AccessError"


class InsufficientCreditError(ServiceError):
    """The account has too few credits; nothing was charged."""

    name = "odoo.addons.iap.tools.iap_tools.InsufficientCreditError"

    def __init__(self, credit: int) -> None:
        base_url = "https://iap.odoo.com/iap/1/credit"
        super().__init__(json.dumps({"credit": credit, "service_name": "reveal", "base_url": base_url}))
