"""Why a call is refused. Each contract says it in its own words; Odoo's by the names of its server's exceptions."""

from __future__ import annotations

import json


class ServiceError(Exception):
    """What the caller is told. ``name``: the Python path of Odoo's exception; ``outcome``: in the account's history."""

    name = "builtins.Exception"
    outcome = "error"


class UserError(ServiceError):
    """The request cannot be executed as it was made."""

    name = "odoo.exceptions.UserError"
    outcome = "user_error"


class AccessError(ServiceError):
    """The account token is not known."""

    name = "odoo.exceptions.AccessError"
    outcome = "access_error"

    def __init__(self) -> None:
        super().__init__("The account token is not known. Check the token of your IAP account.")


class InsufficientCreditError(ServiceError):
    """The account has too few credits; nothing was charged."""

    name = "odoo.addons.iap.tools.iap_tools.InsufficientCreditError"
    outcome = "insufficient_credits"

    def __init__(self, credit: int) -> None:
        base_url = "https://iap.odoo.com/iap/1/credit"
        super().__init__(json.dumps({"credit": credit, "service_name": "reveal", "base_url": base_url}))


class NothingFoundError(ServiceError):
    """No record matches; for contracts that say so by a status of its own."""

    outcome = "ok"


class TooManyCallsError(ServiceError):
    """The account has called too often; it may again after ``seconds``."""

    outcome = "http_429"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__("Too Many Requests")
