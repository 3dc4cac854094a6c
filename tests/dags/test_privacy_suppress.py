"""The DAG privacy_suppress: nobody's address in its form, and a list that changes once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from credit_dags import call, load, validated


@pytest.fixture(scope="module")
def dag() -> DAG:
    return load("privacy_suppress")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("domains", [["ann@acme.example"], ["acme example"], "acme.example", [7]]),
        ("countries", [["Germany"], ["D"], [1]]),
        ("entries_file", ["ann@acme.example", "list.csv", "/x\x00", 7]),
        ("action", ["remove", None]),
        ("reason", ["", None, "x" * 201]),
    ],
)
def test_the_form_refuses_addresses_and_what_makes_no_sense(dag: DAG, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ParamValidationError, match=field):
            validated(dag, {field: value})
    assert validated(dag, {"domains": ["acme.example"], "countries": ["DE"]})["action"] == "add"


def test_entries_are_put_on_the_list_once_and_lifted(dag: DAG, conn: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("kind,value\nemail,ann@acme.example\n")
    given = {"domains": ["acme.example"], "countries": ["kp"], "entries_file": str(file)}
    assert call(dag, "suppress", given) == {"entries": 3, "changed": 3}
    assert call(dag, "suppress", given) == {"entries": 3, "changed": 0}
    assert call(dag, "suppress", given | {"action": "lift"}) == {"entries": 3, "changed": 3}
    assert conn.execute("SELECT count(*) FROM lead_mining.suppression").fetchone() == (0,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give domains, countries or a file"),
        ({"domains": ["acme.example", "gmail.com"]}, "not that of a mail service"),
        ({"countries": ["XX"]}, "ISO 3166-1"),
        ({"entries_file": "/nowhere/list.csv"}, "the worker cannot read it"),
    ],
)
def test_where_one_is_wrong_nothing_is_changed(
    dag: DAG, conn: psycopg.Connection, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException, match=said):
        call(dag, "suppress", given)
    assert conn.execute("SELECT count(*) FROM lead_mining.suppression").fetchone() == (0,)
