"""Lineage: how datasets are named, and what of a run is masked. A real run's events are followed in tests/dags."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from lead_mining import lineage
from lead_mining.exceptions import InvalidRequest
from lead_mining.hooks import provider_asset_uri
from lead_mining.provider_info import get_provider_info


@pytest.mark.parametrize(
    ("connection", "uri"),
    [
        (
            {"conn_type": "odoo_iap", "host": "https://iap-services.odoo.com", "password": "secret"},
            "odoo-iap://iap-services.odoo.com/lead_mining_request",
        ),
        (
            {"conn_type": "odoo_iap", "host": "127.0.0.1", "schema": "http", "port": 8069, "password": "secret"},
            "odoo-iap://127.0.0.1:8069/lead_mining_request",
        ),
        (
            {"conn_type": "lead_catalog", "extra": {"path": " /data/Firmen für uns.csv "}},
            "file:///data/Firmen%20f%C3%BCr%20uns.csv",
        ),
    ],
)
def test_a_provider_is_named_without_what_else_its_connection_holds(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], uri: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_PROVIDER", json.dumps(connection))
    assert provider_asset_uri("a_provider") == uri
    assert Asset(uri=uri).uri == uri


def test_an_unknown_provider_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_PROVIDER", json.dumps({"conn_type": "http"}))
    with pytest.raises(InvalidRequest, match="the types of lead providers are"):
        provider_asset_uri("a_provider")


def test_a_service_is_a_dataset_of_its_host() -> None:
    dataset = lineage.provider_dataset(Asset(uri="odoo-iap://127.0.0.1:8069/lead_mining_request"), None)
    assert (dataset.namespace, dataset.name) == ("odoo-iap://127.0.0.1:8069", "lead_mining_request")
    (uris,) = get_provider_info()["asset-uris"]
    assert "odoo-iap" in uris["schemes"]
    assert uris["to_openlineage_converter"] == "lead_mining.lineage.provider_dataset"


def test_where_nobody_reads_lineage_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a collector was made")

    monkeypatch.setattr(lineage, "_collect", refuse)
    conn: Any = SimpleNamespace(info=None)
    monkeypatch.setattr(lineage.plugins_manager, "get_hook_lineage_readers_plugins", list)
    lineage.report("validate", conn, {})


def test_addresses_are_masked_wherever_they_stand() -> None:
    conf = {"notify": ["boss@example.com", "#sales"], "acting_user": "Ann <ann@acme.example>", "n": 3, "tags": None}
    run = SimpleNamespace(conf=conf, triggering_user_name="ann@acme.example")
    assert lineage._masked(run, "conf") == {"notify": ["***", "#sales"], "acting_user": "***", "n": 3, "tags": None}
    assert lineage._masked(run, "triggering_user_name") == "***"
    assert lineage._masked(run, "op_kwargs") is None
    assert lineage._without_addresses(({"by": {"name": "a@b"}}, "@", "x")) == [{"by": {"name": "***"}}, "@", "x"]
