"""The DAG privacy_erase: a form that takes nobody's address, and an erasure that leaves none behind in Airflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import airflow_connection, call, load, run_in_airflow, validated
from personal_data import occurrences, someone
from privacy_dags import mined_crm

GOOD: dict[str, Any] = {
    "subjects_file": "/srv/erasures/may.csv",
    "lead_ids": None,
    "requested_by": "the data protection officer",
    "reference": "T-7",
    "crm_conn_id": "lead_mining_privacy",
}


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("privacy_erase")


@pytest.fixture
def dsn(postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LEAD_MINING_DATA_DOCS", str(tmp_path / "docs"))
    with mined_crm(postgres_server, tmp_path / "docs") as dsn:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_PRIVACY", airflow_connection(dsn))
        yield dsn


@pytest.fixture
def crm(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("subjects_file", ["", "ann@acme.example", "may.csv", "/srv/ann@acme.example.csv", 7]),
        ("lead_ids", ["71", [0], [-1], ["ann@acme.example"], ["acme.example"], [None], [1.5]]),
        ("requested_by", [None, "", "ann@acme.example", "for Ann <ann@acme.example>", " x", "x" * 201]),
        ("reference", ["", "mail of ann@acme.example", "x" * 201]),
        ("crm_conn_id", [None, "", 7]),
    ],
)
def test_the_form_refuses_addresses_and_what_is_no_erasure(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, GOOD | {field: value})
    assert validated(dag, GOOD) == GOOD
    assert validated(dag, {"lead_ids": ["71", "72"], "requested_by": "x"})["crm_conn_id"] == "lead_mining_privacy"


def test_without_the_connection_it_says_what_to_do(dag: DAG) -> None:
    with pytest.raises(AirflowFailException) as failed:
        call(dag, "erase_subjects", GOOD)
    assert "there is no Airflow connection with this id" in str(failed.value)
    assert "run include/sql/role.sql and set a password for the role lead_mining_privacy" in str(failed.value)


def test_people_and_companies_of_a_file(
    dag: DAG, crm: psycopg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lead_id, contact, _ = someone(crm, 1)
    file = tmp_path / "may.csv"
    file.write_text(f"kind,value\nemail,{contact['email']}\nlead,{lead_id}\n", encoding="utf-8")
    caplog.set_level(logging.INFO)
    first = call(dag, "erase_subjects", GOOD | {"subjects_file": str(file)})
    assert first == {"certificates": [1, 2]}
    assert occurrences(crm, [contact["email"], contact["full_name"]], tmp_path / "docs") == []
    assert f"erasure 2 of lead {lead_id}: rows changed: " in caplog.text
    assert contact["email"] not in caplog.text
    assert contact["full_name"] not in caplog.text
    assert call(dag, "erase_subjects", GOOD | {"subjects_file": str(file)}) == {"certificates": [3, 4]}


def test_the_leads_that_there_are_not_are_named_and_the_others_erased(
    dag: DAG, crm: psycopg.Connection, tmp_path: Path
) -> None:
    lead_id, contact, _ = someone(crm, 1)
    with pytest.raises(AirflowFailException, match=r"'999999999' is not allowed; the CRM has no such lead"):
        call(dag, "erase_subjects", GOOD | {"subjects_file": None, "lead_ids": ["999999999", lead_id]})
    assert occurrences(crm, [contact["email"]]) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the columns are named in it"),
        (b"kind,value\n", "it names nobody"),
        (b"ann@acme.example\n", "line 1"),
        (b"kind,value\nemail,ann@acme\n", "line 2, value"),
        (b"kind,value\nperson,ann@acme.example\n", "line 2, kind"),
        (b"kind,value\n\nemail,ann@acme.example,ceo\n", "line 3"),
        (b"kind,value\ndomain,gmail.com\n", "a company's own domain"),
        (b"kind,value\nlead,0\n", "the number of a lead"),
        (b"kind,value\nlead,99999999999\n", "the number of a lead"),
        ("kind,value\nemail,änn@acme.example\n".encode("latin-1"), "UTF-8"),
        (b"kind,value\x00\n", "it is a CSV"),
        (b"kind,value\n" + b"lead,1\n" * 200_000, "more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_not_right_erases_nobody_and_is_not_repeated(
    dag: DAG, crm: psycopg.Connection, tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "may.csv"
    file.write_bytes(content)
    with pytest.raises(AirflowFailException, match=told) as failed:
        call(dag, "erase_subjects", GOOD | {"subjects_file": str(file)})
    assert "acme" not in str(failed.value).replace("such as ann@acme.example", "").replace("as acme.example", "")
    assert crm.execute("SELECT count(*) FROM lead_mining.erasure").fetchone() == (0,)


def test_a_file_that_is_not_there_and_nothing_at_all(dag: DAG, crm: psycopg.Connection, tmp_path: Path) -> None:
    for file, told in ((str(tmp_path / "none.csv"), "No such file"), (str(tmp_path), "Is a directory")):
        with pytest.raises(AirflowFailException, match=told):
            call(dag, "erase_subjects", GOOD | {"subjects_file": file})
    with pytest.raises(AirflowFailException, match="name a file or leads"):
        call(dag, "erase_subjects", GOOD | {"subjects_file": None})


def test_nothing_of_the_person_is_left_in_airflow(
    crm: psycopg.Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, contact, _ = someone(crm, 1)
    home = tmp_path / "home"
    home.mkdir()
    file = tmp_path / "may.csv"
    file.write_text(f"kind,value\nemail,{contact['email']}\n", encoding="utf-8")
    ((state, tasks),) = run_in_airflow(home, dsn, ("privacy_erase", GOOD | {"subjects_file": str(file)}))
    assert (state, tasks) == ("success", {"erase_subjects": ["success", {"certificates": [1]}]})
    assert occurrences(crm, [contact["email"]]) == []
    for path in home.rglob("*"):
        assert not path.is_file() or contact["email"].encode() not in path.read_bytes(), path
