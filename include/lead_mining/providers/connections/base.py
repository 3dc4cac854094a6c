"""How an Airflow connection becomes a provider: what a package adds to sell from another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.providers.base import Provider


@dataclass(frozen=True)
class ConnectionValues:
    """What an Airflow connection holds, without Airflow. `scheme` is what Airflow calls the schema."""

    conn_id: str
    host: str | None = None
    port: int | None = None
    scheme: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def base_url(self) -> str:
        """The host as it stands if it has a scheme; else put together as Airflow's HTTP connections do."""
        host = self.host or ""
        if "://" in host:
            return host
        return f"{self.scheme or 'https'}://{host}" + (f":{self.port}" if self.port else "")

    def wrong(self, why: str) -> InvalidRequest:
        """The error that this connection, named as a request's provider, is not usable."""
        return InvalidRequest([FieldProblem("provider_conn_id", self.conn_id, why)])


@dataclass(frozen=True)
class ProviderType:
    """A type of connections that stand for providers: what an entry point of the group `lead_mining.provider` names.

    The entry point's name is the connection type. It is loaded while Airflow starts, so its module imports nothing
    heavy, nor Airflow, at its top.

    `make` raises InvalidRequest (`ConnectionValues.wrong`) where the connection lacks something, and ProviderError.
    `form`: `hook-name`, `ui-field-behaviour` and `conn-fields`, as a connection type has them in Airflow's
    provider_info.schema.json. `asset`: what is read, as a URI without a secret.
    """

    make: Callable[[ConnectionValues], Provider]
    form: Mapping[str, Any]
    asset: Callable[[ConnectionValues], str]
