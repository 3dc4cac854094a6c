"""What errors of others, and answers of a wrong shape, leave in logs and tables: kind and position, never content."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pytest

import lead_mining
from lead_mining.exceptions import LeadMiningError
from lead_mining.foreign_errors import kind_of, told
from lead_mining.providers.base import Company, Query
from lead_mining.providers.catalogue_file import CatalogueFile
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.providers.reading import RecordReader

CANARY = "zoe.canary@gone.example"


def _decode_error() -> json.JSONDecodeError:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(f'{{"a" {CANARY}')
    return caught.value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (_decode_error(), "JSONDecodeError, line 1 column 6"),
        (pa.ArrowInvalid(f"CSV parse error: Row #17: Expected 2 columns, got 3: {CANARY}"), "ArrowInvalid, row #17"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 3, 4, CANARY), "UnicodeDecodeError, byte 3"),
        (csv.Error(f"line 4: {CANARY}"), "Error, line 4"),
        (FileNotFoundError(2, "No such file", CANARY), "FileNotFoundError: No such file"),
        (gzip.BadGzipFile(CANARY), "BadGzipFile"),
        (KeyError(CANARY), "KeyError"),
        (psycopg.errors.UniqueViolation(f"DETAIL: Key (email)=({CANARY})"), "UniqueViolation"),
    ],
)
def test_an_error_of_another_library_tells_kind_and_position(error: Exception, text: str) -> None:
    assert told(error) == text


@pytest.mark.parametrize("value", [None, True, CANARY, 123456, [CANARY], {CANARY: CANARY}, object(), 1.5])
def test_a_value_is_told_by_its_type(value: object) -> None:
    assert kind_of(value)
    assert CANARY not in kind_of(value)
    assert "123456" not in kind_of(value)


BODIES: list[Any] = [
    f"<html>{CANARY}</html>",
    f'{{"result": {{"data": ["{CANARY}",]}}}}',
    f'{{"result": "{CANARY}',
    f'"{CANARY}"',
    f'["{CANARY}"]',
    f'{{"{CANARY}": 1}}',
    f'{{"result": "{CANARY}"}}',
    f'{{"result": ["{CANARY}"]}}',
    f'{{"result": {{"data": "{CANARY}"}}}}',
    f'{{"result": {{"data": {{"{CANARY}": 1}}}}}}',
    f'{{"error": "{CANARY}"}}',
    f'{{"error": {{"data": {{"name": "{CANARY}", "message": "{CANARY}"}}}}}}',
    f'{{"error": {{"message": "{CANARY}", "data": {{"name": "odoo.exceptions.UserError", "message": "{CANARY}"}}}}}}',
    f'{{"error": {{"data": {{"name": "builtins.KeyError", "message": "{CANARY}"}}}}}}',
    f"{CANARY}\udcff".encode("utf-8", "surrogateescape"),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("step", ["balance", "fetch"])
def test_no_wrong_answer_is_repeated(body: str | bytes, step: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = httpx.Response(200, content=body, headers={"X-Said": CANARY})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    provider = OdooIap("https://provider.test", "a-long-token", "a-long-uuid", client)
    calls: dict[str, Callable[[], object]] = {
        "balance": provider.balance,
        "fetch": lambda: provider.fetch(Query(countries=("US",)), 5, None, None),  # type: ignore[arg-type]
    }
    _check_says_nothing(calls[step], caplog)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"name,email\nAcme,{CANARY},{CANARY}\n".encode()),
        ("b.csv", b'name,email\n"Acme,' + CANARY.encode() * 300_000),
        ("c.csv", b""),
        ("d.parquet", f"PAR1{CANARY}PAR1".encode()),
        ("e.csv.gz", CANARY.encode()),
        ("f.csv.gz", gzip.compress(f"name,email\nAcme,{CANARY}\n".encode() * 1000, mtime=0)[:60]),
    ],
)
def test_no_wrong_file_is_repeated(name: str, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    _check_says_nothing(lambda: CatalogueFile(str(path)).distinct(["email"]) and None, caplog, may_pass=True)


def test_no_wrong_record_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    def read() -> None:
        reader = RecordReader({"employees": CANARY, "name": [CANARY], "people": CANARY})
        reader.whole("employees"), reader.text("name"), reader.sections("people")
        reader.check()

    _check_says_nothing(read, caplog)
    _check_says_nothing(lambda: Company(name=CANARY, employees=CANARY), caplog)  # type: ignore[arg-type]
    _check_says_nothing(lambda: Company.model_validate({"contacts": [{"email": [CANARY]}]}), caplog)


def _check_says_nothing(call: Callable[[], object], caplog: pytest.LogCaptureFixture, may_pass: bool = False) -> None:
    caplog.set_level(logging.DEBUG)
    said = ""
    try:
        call()
    except (LeadMiningError, ValueError) as error:
        said = "".join(traceback.format_exception(error)) + str(error) + repr(error)
    assert said or may_pass
    assert CANARY not in said
    assert CANARY not in caplog.text


def test_no_module_logs_the_text_of_an_error_that_may_be_anybodys() -> None:
    package = Path(lead_mining.__file__).parent
    logged = re.compile(r"type\(error\).__name__,\s*error\b|\{type\(error\).__name__\}: \{error\}")
    found = [path.name for path in package.rglob("*.py") if logged.search(path.read_text(encoding="utf-8"))]
    # What a person of the installation wrote, and is told of at once: rules, searches, a package of their own.
    assert sorted(found) == ["installed.py", "policy.py", "searches.py"]
