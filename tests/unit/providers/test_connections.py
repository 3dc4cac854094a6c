"""The types of providers: found by entry point, light to load, and what they make of a connection."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]
import pytest

from lead_mining.exceptions import InvalidRequest, LeadMiningError
from lead_mining.providers.connections import installed
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


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lets packages announce types: `name=[value, ...]`."""

    def entries(**named: list[str]) -> None:
        found = [EntryPoint(name, value, installed.GROUP) for name, values in named.items() for value in values]
        monkeypatch.setattr(installed, "entry_points", lambda group: found)

    installed.announced.cache_clear()
    installed.provider_type.cache_clear()
    yield entries
    installed.announced.cache_clear()
    installed.provider_type.cache_clear()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["no_such_module:PROVIDER"], "cannot be loaded from the module no_such_module (ModuleNotFoundError: "),
        (["json:PROVIDER"], "cannot be loaded from the module json (AttributeError: "),
        (["json:dumps"], "is a function: json:dumps must name a "),
        (["json:dumps", "csv:reader"], "is announced by the module csv and the module json: uninstall all but one"),
    ],
)
def test_a_type_that_cannot_be_used_says_why(announce: Callable[..., None], values: list[str], why: str) -> None:
    announce(acme=values)
    with pytest.raises(LookupError, match="its type 'acme' ") as caught:
        installed.provider_type("acme")
    assert why in str(caught.value)


def test_an_unknown_type_is_told_which_there_are(announce: Callable[..., None]) -> None:
    announce(zeta=["json:dumps"], acme=["json:dumps"])
    with pytest.raises(LookupError, match="its type is 'other', and the types of lead providers are acme, zeta"):
        installed.provider_type("other")
