"""The types of providers: found by entry point, light to load, and what they make of a connection."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]
import pytest

from lead_mining.exceptions import InvalidRequest, LeadMiningError
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

TYPES = {entry.name: entry for entry in entry_points(group="lead_mining.provider")}
TOKEN = "s3cret-account-token"


def test_ours_are_announced() -> None:
    assert {"apollo", "lead_catalog", "odoo_iap", "people_data_labs"} <= set(TYPES)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_each_is_a_type_whose_form_airflow_takes(name: str) -> None:
    provider_type = TYPES[name].load()
    assert isinstance(provider_type, ProviderType)
    schema = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())
    form = {"connection-type": name, "hook-class-name": "lead_mining.hooks.Any", **provider_type.form}
    jsonschema.validate([form], schema["properties"]["connection-types"])
    assert provider_type.form["hook-name"]


@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_empty_connection_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(LeadMiningError, match="an_empty_one"):
        TYPES[name].load().make(ConnectionValues("an_empty_one"))


def test_they_are_loaded_without_what_their_providers_need() -> None:
    code = (
        "import sys; from importlib.metadata import entry_points;"
        "[entry.load() for entry in entry_points(group='lead_mining.provider')];"
        "print({m.split('.')[0] for m in sys.modules} & {'airflow', 'httpx', 'pandas', 'psycopg', 'pyarrow', 'pycountry'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"host": "https://a.test/x"}, "https://a.test/x"),
        ({"host": "a.test"}, "https://a.test"),
        ({"host": "a.test", "scheme": "http", "port": 8069}, "http://a.test:8069"),
        ({"host": "https://a.test", "scheme": "http", "port": 8069}, "https://a.test"),
    ],
)
def test_the_base_url_is_put_together_as_airflow_does(values: dict[str, object], url: str) -> None:
    assert ConnectionValues("a_provider", **values).base_url == url  # type: ignore[arg-type]


def test_a_connection_shows_no_secret() -> None:
    connection = ConnectionValues("a_provider", host="a.test", password=TOKEN, extra={"dbuuid": TOKEN})
    error = connection.wrong("it needs more")
    assert TOKEN not in repr(connection) + str(error)
    assert isinstance(error, InvalidRequest)
    assert str(error) == "Not valid:\n  - provider_conn_id: 'a_provider' is not allowed; it needs more"
