"""The DAG privacy_export: files for their owner alone, and a log that names only these."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import airflow_connection, call, load, validated
from personal_data import someone
from privacy_dags import mined_crm

GOOD: dict[str, Any] = {
    "subjects_file": "/srv/exports/may.csv",
    "lead_ids": None,
    "crm_conn_id": "lead_mining_privacy",
}


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("privacy_export")


@pytest.fixture
def crm(postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    with mined_crm(postgres_server, tmp_path / "docs") as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_PRIVACY", airflow_connection(dsn))
        yield conn


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("subjects_file", ["", "ann@acme.example", "may.csv", 7]),
        ("lead_ids", [["ann@acme.example"], [0]]),
        ("crm_conn_id", [None, ""]),
    ],
)
def test_the_form_refuses_addresses(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD


@pytest.mark.parametrize("folder", ["of AIRFLOW_HOME", "of its own"])
def test_a_file_a_subject_for_its_owner_alone(
    dag: DAG,
    crm: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    folder: str,
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LEAD_MINING_EXPORTS", str(tmp_path / "own") if folder == "of its own" else "")
    lead_id, contact, _ = someone(crm, 1)
    file = tmp_path / "may.csv"
    file.write_text(f"value,kind\n{contact['email']},email\n", encoding="utf-8-sig")
    caplog.set_level(logging.INFO)
    assert call(dag, "export_subjects", GOOD | {"subjects_file": str(file), "lead_ids": [lead_id]}) == 2
    exports = tmp_path / ("own" if folder == "of its own" else "home/exports")
    by_kind = {json.loads(path.read_text(encoding="utf-8"))["subject"]["kind"]: path for path in exports.iterdir()}
    assert set(by_kind) == {"email", "lead"}
    for path in by_kind.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert contact["email"] in path.read_text(encoding="utf-8")
        assert str(path) in caplog.text
    assert contact["email"] not in caplog.text


def test_without_the_connection_it_says_what_to_do(dag: DAG) -> None:
    with pytest.raises(AirflowFailException, match="make the Airflow connection lead_mining_privacy"):
        call(dag, "export_subjects", GOOD)
