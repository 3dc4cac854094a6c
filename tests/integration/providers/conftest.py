"""The stages on which our providers are tried: the simulator, and a file, with the same companies."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lead_mining.providers.base import Provider, Query
from lead_mining.providers.connections.base import ConnectionValues
from lead_mining.providers.connections.installed import provider_type
from lead_mining.testing.stage import BAD_PAGES, ERRORS, Stage
from provider_simulator.catalogue import Row, write_catalogue
from provider_simulator.generate import generate
from provider_simulator.testing import Simulator, running_simulator

CALIFORNIA = Query(countries=("US",), states=("US-CA",))
QUERIES = {
    "few": CALIFORNIA,
    "nothing": Query(countries=("US",), company_size_min=90_000_000),
    "country": Query(countries=("CA", "IE")),
    "state": Query(countries=("US", "DE"), states=("US-NY", "US-TX")),
    "industry": Query(countries=("US", "GB"), industries=("Consumer Services", "Transportation")),
    "size": Query(countries=("US",), company_size_min=20, company_size_max=300),
    "roles": replace(
        CALIFORNIA, contact_number=2, preferred_role="Human Resources", other_roles=("Marketing", "Legal")
    ),
    "seniority": replace(CALIFORNIA, contact_number=3, contact_filter_type="seniority", seniority="executive"),
}
KNOWN_TOKEN = "known-token"
ODOO_ALONE = frozenset({"credit_flag"})


SERVICES: dict[str, tuple[str, dict[str, Any]]] = {
    "odoo_iap": ("odoo_iap", {"dbuuid": "db"}),
    "odoo_dnb": ("odoo_iap", {"dbuuid": "db", "contract": "19"}),
    "people_data_labs": ("people_data_labs", {}),
    "apollo": ("apollo", {}),
}
"""By name, the connection type and the extra of its connection."""


class OurStage(Stage):
    """Over companies whose truth is known: what matches is counted here, by other code than any provider's."""

    def __init__(self, conn_type: str, rows: list[Row]) -> None:
        self.queries, self.provider_type, self._rows = dict(QUERIES), provider_type(conn_type), rows

    def expected(self, query: Query) -> Collection[str]:
        return {row["domain"] for row in self._rows if _matches(row, query)}


class FileStage(OurStage):
    calls_a_service = False

    def __init__(self, rows: list[Row], path: Path) -> None:
        super().__init__("lead_catalog", rows)
        self._path = path

    def provider(self) -> Provider:
        assert self.provider_type
        return self.provider_type.make(ConnectionValues("a_file", extra={"path": str(self._path)}))


class ServiceStage(OurStage):
    """An account of its own at the simulator."""

    faults = frozenset({*ERRORS, *BAD_PAGES} - ODOO_ALONE)

    secret: str

    def __init__(
        self, conn_type: str, rows: list[Row], simulator: Simulator, strict: Simulator, extra: dict[str, Any]
    ) -> None:
        super().__init__(conn_type, rows)
        self.secret = f"secret-{uuid.uuid4().hex}"
        self._simulator, self._strict, self._extra = simulator, strict, extra
        if conn_type == "odoo_iap":
            self.faults |= ODOO_ALONE
        if extra.get("contract") == "19":  # sells no contacts
            self.queries = {name: query for name, query in QUERIES.items() if not query.contact_number}
            self.queries["impossible"] = QUERIES["roles"]

    def provider(self) -> Provider:
        return self._provider(self._simulator, self.secret)

    def charged(self) -> int:
        return sum(call["charged"] for call in self._calls())

    def paid_calls(self) -> int:
        return sum(call["charged"] > 0 for call in self._calls())

    def strike(self, fault: str, **plan: Any) -> None:
        self._simulator.add_fault(fault, **plan)

    def without_credits(self) -> Provider:
        return self._provider(self._strict, KNOWN_TOKEN)

    def with_bad_token(self) -> Provider:
        return self._provider(self._strict, "unknown-token")

    def _calls(self) -> list[dict[str, Any]]:
        answer = self._simulator.client.get(f"/simulator/account/{self.secret}")
        return answer.json()["calls"] if answer.is_success else []

    def _provider(self, simulator: Simulator, token: str) -> Provider:
        assert self.provider_type
        values = ConnectionValues("a_service", host=simulator.url, password=token, extra=self._extra)
        return self.provider_type.make(values)


@pytest.fixture
def new_stage(
    rows: list[Row], services: Simulator, strict_services: Simulator, catalogue_file: Path
) -> Iterator[Callable[[str], OurStage]]:
    """The stage of a provider, by its name in SERVICES, or `lead_catalog`."""

    def make(name: str) -> OurStage:
        if name == "lead_catalog":
            return FileStage(rows, catalogue_file)
        conn_type, extra = SERVICES[name]
        return ServiceStage(conn_type, rows, services, strict_services, extra)

    yield make
    services.clear_faults()


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """Companies without the dirt of the real world."""
    return [row for row in generate(800, seed=8) if row["dirt"] == "[]" and not row["duplicate_of"]]


@pytest.fixture(scope="session")
def services(rows: list[Row]) -> Iterator[Simulator]:
    """A simulator that sells these companies to whoever asks."""
    with running_simulator(rows) as running:
        yield running


@pytest.fixture(scope="session")
def strict_services(rows: list[Row]) -> Iterator[Simulator]:
    """One that knows a single token, whose account has no credits."""
    with running_simulator(rows, credits=0, tokens=frozenset({KNOWN_TOKEN})) as running:
        yield running


@pytest.fixture(scope="session")
def catalogue_file(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "companies.parquet"
    write_catalogue(path, rows)
    return path


def _matches(row: Row, query: Query) -> bool:
    states = [state.partition("-")[2] for state in query.states if state.startswith(f"{row['country_code']}-")]
    return (
        row["country_code"] in query.countries
        and (not states or row["state_code"] in states)
        and (not query.industries or row["odoo_industry"] in query.industries)
        and (query.company_size_min is None or (row["employees"] or -1) >= query.company_size_min)
        and (query.company_size_max is None or (row["employees"] or 10**9) <= query.company_size_max)
    )
