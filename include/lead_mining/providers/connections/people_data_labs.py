"""Connections of type `people_data_labs`."""

from __future__ import annotations

from typing import NoReturn

from lead_mining.exceptions import ProviderRejected
from lead_mining.providers.connections.base import ConnectionValues, ProviderType


def _not_yet(connection: ConnectionValues) -> NoReturn:
    raise ProviderRejected(f"{connection.conn_id}: People Data Labs cannot be mined from yet; choose another provider")


PROVIDER = ProviderType(make=_not_yet, form={"hook-name": "People Data Labs (paid)"}, asset=_not_yet)
