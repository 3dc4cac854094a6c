"""Airflow connections: what they must hold, what becomes of them, what their forms show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from airflow.sdk import BaseHook, Connection

from lead_mining.exceptions import CatalogueError, InvalidRequest, ProviderRejected
from lead_mining.hooks import Hook_lead_catalog, Hook_odoo_iap, crm_connection, provider_for
from lead_mining.provider_info import get_provider_info
from lead_mining.providers.base import Company, Gate
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.providers.odoo_iap import OdooIap

TOKEN = "s3cret-account-token"
Connect = Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Defines an Airflow connection as data engineers do, in the environment, and gives its id."""

    def define(conn_id: str = "a_provider", **fields: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    path = tmp_path / "firms.csv"
    path.write_text("firm,web\nAcme,https://www.acme.test\nBolt,bolt.test\n")
    return str(path)


COLUMNS = {"name": "firm", "domain": "web"}


# -- provider_for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [COLUMNS, json.dumps(COLUMNS)])
def test_a_lead_catalog_connection_is_a_catalogue(connect: Connect, catalogue: str, columns: Any) -> None:
    conn_id = connect(conn_type="lead_catalog", extra={"path": catalogue, "columns": columns})
    provider = provider_for(conn_id)
    assert isinstance(provider, LeadCatalog)
    assert provider.check() == "The catalogue holds 2 companies"


def test_an_odoo_iap_connection_is_odoo_iap(connect: Connect) -> None:
    conn_id = connect(conn_type="odoo_iap", host="https://iap.test/", password=TOKEN, extra={"dbuuid": "db"})
    provider = provider_for(conn_id)
    assert isinstance(provider, OdooIap)
    assert repr(provider) == "OdooIap('https://iap.test/iap/clearbit/2/lead_mining_request')"


@pytest.mark.parametrize(("given", "expected"), [(None, 1), ("", 1), (1, 1), (8, 8), ("4", 4)])
def test_how_many_paid_calls_may_be_under_way(connect: Connect, given: object, expected: int) -> None:
    extra = {"dbuuid": "db"} | ({} if given is None else {"calls_at_once": given})
    conn_id = connect(conn_type="odoo_iap", host="https://iap.test/", password=TOKEN, extra=extra)
    assert provider_for(conn_id).calls_at_once == expected


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (f"odoo-iap://:{TOKEN}@http%3A%2F%2F127.0.0.1%3A8899/?dbuuid=db", "http://127.0.0.1:8899/"),
        (f"odoo-iap://:{TOKEN}@127.0.0.1:8899/http?dbuuid=db", "http://127.0.0.1:8899/"),
        (f"odoo-iap://:{TOKEN}@iap.test/?dbuuid=db", "https://iap.test/"),
    ],
)
def test_a_connection_may_be_a_uri(monkeypatch: pytest.MonkeyPatch, uri: str, url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_PROVIDER", uri)
    assert url in repr(provider_for("a_provider"))


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        (
            {"conn_type": "http"},
            "its type is 'http', and the types of lead providers are apollo, lead_catalog, odoo_iap",
        ),
        ({}, "its type is '', and the types of lead providers are "),
        ({"conn_type": "lead_catalog"}, "extra.path"),
        ({"conn_type": "lead_catalog", "extra": {"path": 5}}, "extra.path"),
        ({"conn_type": "lead_catalog", "extra": {"path": "/x.csv", "columns": "{"}}, "extra.columns is not JSON"),
        ({"conn_type": "lead_catalog", "extra": {"path": "/x.csv", "columns": ["a"]}}, "extra.columns must map"),
        ({"conn_type": "lead_catalog", "extra": {"path": "/x.csv", "columns": {"name": 1}}}, "extra.columns must map"),
        ({"conn_type": "odoo_iap", "password": TOKEN, "extra": {"dbuuid": "db"}}, "base URL as host"),
        ({"conn_type": "odoo_iap", "host": "https://iap.test", "extra": {"dbuuid": "db"}}, "account token as password"),
        ({"conn_type": "odoo_iap", "host": "https://iap.test", "password": TOKEN}, "extra.dbuuid"),
        *(
            (
                {
                    "conn_type": "odoo_iap",
                    "host": "https://iap.test",
                    "password": TOKEN,
                    "extra": {"dbuuid": "db", "calls_at_once": wrong},
                },
                "extra.calls_at_once must be a whole number from 1 to 8",
            )
            for wrong in (0, 9, -1, 2.5, True, "two", [2], "1" * 5000)
        ),
    ],
)
def test_a_connection_that_lacks_something_says_what(connect: Connect, fields: dict[str, Any], needs: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        provider_for(connect(**fields))
    assert caught.value.problems[0].field == "provider_conn_id"
    assert needs in str(caught.value)
    assert "a_provider" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_no_connection_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(conn_id: str) -> Connection:
        from airflow.sdk.exceptions import AirflowNotFoundException

        raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(absent))
    with pytest.raises(InvalidRequest, match=r"provider_conn_id: 'nowhere'.*no Airflow connection"):
        provider_for("nowhere")
    with pytest.raises(InvalidRequest, match=r"crm_conn_id: 'nowhere'.*no Airflow connection"):
        crm_connection("nowhere")


def test_what_the_provider_refuses_passes_through(connect: Connect, catalogue: str) -> None:
    with pytest.raises(CatalogueError, match="no such file"):
        provider_for(connect(conn_type="lead_catalog", extra={"path": "/nowhere/x.csv"}))
    with pytest.raises(CatalogueError, match="no column size"):
        provider_for(connect(conn_type="lead_catalog", extra={"path": catalogue, "columns": {"employees": "size"}}))
    with pytest.raises(ProviderRejected, match="must look like"):
        provider_for(connect(conn_type="odoo_iap", host="ftp://x", password=TOKEN, extra={"dbuuid": "db"}))


def test_the_crm_connection_must_be_postgres(connect: Connect) -> None:
    with pytest.raises(InvalidRequest, match=r"crm_conn_id.*'mysql'.*must be postgres"):
        crm_connection(connect("a_crm", conn_type="mysql", host="db"))


# -- the gate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("extra", "account"), [({}, "a_provider"), ({"account": "ours"}, "ours")])
def test_only_for_a_crm_are_the_limits_of_the_account_kept(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str], account: str
) -> None:
    made = []
    monkeypatch.setattr("lead_mining.rate_limits.SharedGate", lambda *given: made.append(given) or Gate())
    conn_id = connect(conn_type="odoo_iap", host="https://iap.test", password=TOKEN, extra={"dbuuid": "db"} | extra)
    provider_for(conn_id)
    assert made == []
    provider = provider_for(conn_id, "a_crm")
    ((to_the_crm, *given),) = made
    assert (to_the_crm.func, to_the_crm.args) == (crm_connection, ("a_crm",))
    assert given == [account, provider.rates]


def test_an_account_must_be_a_text(connect: Connect) -> None:
    conn_id = connect(
        conn_type="odoo_iap", host="https://iap.test", password=TOKEN, extra={"dbuuid": "db", "account": ["x"]}
    )
    with pytest.raises(InvalidRequest, match=r"a_provider.*extra\.account must be a text"):
        provider_for(conn_id, "a_crm")


def test_a_connection_is_asked_for_once(connect: Connect, catalogue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conn_id = connect(conn_type="lead_catalog", extra={"path": catalogue, "columns": COLUMNS})
    asked, ask = [], BaseHook.get_connection
    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(lambda name: asked.append(name) or ask(name)))
    provider_for(conn_id, "a_crm")
    assert asked == [conn_id]


# -- the test button -------------------------------------------------------------------------------------------------


def test_testing_a_catalogue_counts_it(connect: Connect, catalogue: str) -> None:
    good = connect(conn_type="lead_catalog", extra={"path": catalogue, "columns": COLUMNS})
    assert Hook_lead_catalog(good).test_connection() == (True, "The catalogue holds 2 companies")
    bad = connect(conn_type="lead_catalog", extra={"path": catalogue, "columns": {"name": "Name"}})
    ok, message = Hook_lead_catalog(bad).test_connection()
    assert not ok
    assert "no column Name (for name); it has firm, web" in message


def test_testing_odoo_iap_neither_buys_nor_shows_the_token(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404)

    client = httpx.Client(transport=httpx.MockTransport(respond))
    monkeypatch.setattr("lead_mining.providers.odoo_iap.new_client", lambda: client)
    conn_id = connect(conn_type="odoo_iap", host="https://iap.test", password=TOKEN, extra={"dbuuid": "db"})
    ok, message = Hook_odoo_iap(conn_id).test_connection()
    assert ok
    assert "HTTP 404" in message
    assert [(request.method, str(request.url)) for request in seen] == [("HEAD", "https://iap.test/")]
    assert TOKEN not in message + str([request.headers for request in seen])


def test_testing_odoo_iap_that_is_not_there(connect: Connect) -> None:
    conn_id = connect(conn_type="odoo_iap", host="http://127.0.0.1:9", password=TOKEN, extra={"dbuuid": "db"})
    ok, message = Hook_odoo_iap(conn_id).test_connection()
    assert not ok
    assert "http://127.0.0.1:9/ does not answer" in message


# -- what Airflow knows ----------------------------------------------------------------------------------------------


def test_the_provider_info_is_what_airflow_accepts() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    # the shape of the forms stands in the stricter schema of provider.yaml
    form = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())["properties"]
    jsonschema.validate(get_provider_info()["connection-types"], form["connection-types"])


def test_the_installed_distribution_announces_it() -> None:
    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if e.module.startswith("lead_mining")]
    assert entry.load() is get_provider_info


def test_airflow_finds_all_connection_types_and_their_fields() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    types = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    assert {"apollo", "lead_catalog", "odoo_iap", "people_data_labs"} <= set(types)
    for name, form in types.items():
        info = ProvidersManagerTaskRuntime().hooks[name]
        assert info is not None
        assert (info.hook_name, info.connection_id_attribute_name) == (form["hook-name"], "conn_id")
    manager = ProvidersManager()
    fields = {f"extra__{name}__{field}" for name, form in types.items() for field in form.get("conn-fields", ())}
    assert {"extra__lead_catalog__path", "extra__odoo_iap__dbuuid"} <= fields
    assert fields <= set(manager.connection_form_widgets)
    behaviour = manager.field_behaviours["odoo_iap"]
    assert behaviour["relabeling"] == {"host": "Base URL", "password": "Account token"}
    assert "host" in manager.field_behaviours["lead_catalog"]["hidden_fields"]


def test_a_type_that_cannot_be_used_is_left_out_and_keeps_airflow_running(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lead_mining.provider_info.announced", lambda: ["broken", "odoo_iap"])
    types = [each["connection-type"] for each in get_provider_info()["connection-types"]]
    assert types == ["odoo_iap"]
    assert "a type of lead providers is left out: its type is 'broken'" in caplog.text


def test_only_types_that_are_there_have_a_hook() -> None:
    import lead_mining.hooks

    with pytest.raises(AttributeError, match="has no attribute 'Hook_nothing'"):
        lead_mining.hooks.Hook_nothing  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'provider_four'"):
        lead_mining.hooks.provider_four  # noqa: B018


def test_the_form_names_real_fields() -> None:
    (catalogue,) = [
        each for each in get_provider_info()["connection-types"] if each["connection-type"] == "lead_catalog"
    ]
    example = json.loads(catalogue["conn-fields"]["columns"]["description"].split("e.g. ")[1].split(". ")[0])
    assert set(example) <= set(Company.model_fields)


def test_a_dag_file_may_import_the_hooks_cheaply() -> None:
    code = (
        "import sys, airflow.sdk; from airflow.sdk import BaseHook; before = set(sys.modules);"
        "import lead_mining.hooks;"
        "print({m.split('.')[0] for m in set(sys.modules) - before} & {'pandas', 'pyarrow', 'httpx', 'psycopg', "
        "'great_expectations', 'sqlalchemy', 'pycountry', 'pydantic'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("set()")
