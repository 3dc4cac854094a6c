"""Somebody's own provider that breaks its contract: what it was paid for is stored or kept, told, and read when mended."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_sellers import Breaker, Seller, as_it_is, company

from lead_mining import buying, erasing, pipeline, provider_calls, reconciliation, runs, waterfall
from lead_mining.audit import audit
from lead_mining.exceptions import MalformedAnswer, MalformedRecord, ProviderOutcomeUnknown, UnreadableAnswer
from lead_mining.privacy import retention
from lead_mining.privacy.subject import Subject
from lead_mining.progress import progress
from lead_mining.providers.base import Page
from lead_mining.runs import Run
from lead_mining.sources import Source
from lead_mining.summary import summary

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
FIRMS = ["Alpha", "Beta", "Gamma", "Delta", "Eps"]
SOMEBODY = "ann.example@alpha.example"
REQUEST = {"countries": ["DE"], "lead_number": 5, "provider_conn_id": "broken"}


@pytest.fixture
def provider() -> Breaker:
    companies = [company(firm, "broken", emails=[SOMEBODY]) for firm in FIRMS]
    return Breaker("broken", companies)


@pytest.fixture
def run(conn: psycopg.Connection) -> Run:
    return runs.get(conn, pipeline.prepare_request(conn, "lead_mining/broken", REQUEST)["run_id"])


def mine(conn: psycopg.Connection, run: Run, provider: Seller) -> str:
    source = Source("broken", provider)
    return waterfall.mine(conn, run, [source], lambda: progress(conn, run.id).companies, None)


def stored(conn: psycopg.Connection) -> tuple[str, int | None, int, int, int]:
    """State and charge of the call, candidates, rejections, answers that are kept."""
    (found,) = conn.execute(
        "SELECT state, charged, (SELECT count(*) FROM lead_mining.candidate), (SELECT count(*) FROM"
        " lead_mining.rejection), (SELECT count(*) FROM lead_mining.provider_answer) FROM lead_mining.provider_call"
    ).fetchall()
    return found  # type: ignore[no-any-return]


@pytest.fixture
def note(
    conn: psycopg.Connection, provider: Breaker, record_property: Callable[[str, object], None]
) -> Callable[[str, str], None]:
    """Puts a line into the table that is printed at the end."""

    def note(gave: str, shown: str) -> None:
        state, charged, companies, rejections, kept = stored(conn)
        said = f"call {state}, {'not known' if charged is None else charged} paid; {companies} companies"
        said += f", {rejections} rejected" * bool(rejections) + ", the answer as it came" * kept
        shown = re.sub(r"^.* is kept", "kept", shown).partition(". Mend")[0]
        record_property("breach", json.dumps([gave, provider.charged, said, shown]))

    return note


def of_third(what: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda record: what(record) if record["name"] == "Gamma" else record


def raising(error: Exception) -> Callable[[Any], Any]:
    def raise_it(_: Any) -> Any:
        raise error

    return raise_it


ONE_RECORD = {
    "KeyError": raising(KeyError(SOMEBODY)),
    "RecursionError": raising(RecursionError()),
    "MalformedRecord": raising(MalformedRecord([("name", "?", "no text")])),
    "None": lambda _: None,
    "another type": lambda _: ["Gamma"],
    "wrong types": lambda record: record | {"employees": SOMEBODY},
    "NUL": lambda record: record | {"name": "Gam\0ma"},
    "half a character": lambda record: record | {"name": "Gam\ud800ma"},
}


@pytest.mark.parametrize("fault", ONE_RECORD)
def test_one_record_that_cannot_be_read_costs_none_of_the_others(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None], fault: str
) -> None:
    provider.read = of_third(ONE_RECORD[fault])
    mine(conn, run, provider)
    assert stored(conn) == ("answered", 5, 4, 1, 0)
    rule, field, value, record = conn.execute(
        "SELECT rule, field, value, record FROM lead_mining.rejection"
    ).fetchall()[0]
    note(f"one record of five: {fault}", f"rejected: {value}")
    assert rule == "readable_record"
    assert SOMEBODY not in value + field
    assert record["name"] == "Gamma"
    assert audit(conn) == []


RAW = {
    "not JSON": lambda page: replace(page, raw={"at": datetime.now(UTC), 1: {2}, "who": object(), "is": b"\xff"}),
    "no number": lambda page: replace(page, raw=[float("nan"), 10**5000]),
    "NUL": lambda page: replace(page, raw={"\0": "\ud800 \0"}),
    "too deep": lambda page: replace(page, raw=nested(10_000)),
    "a tuple of records": lambda page: replace(page, records=tuple(page.records)),
}


def nested(depth: int) -> Any:
    value: Any = "at the bottom"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("fault", RAW)
def test_what_json_has_no_form_for_costs_nothing(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None], fault: str
) -> None:
    provider.spoil = RAW[fault]
    mine(conn, run, provider)
    note(f"raw: {fault}", "as any other page")
    assert stored(conn) == ("answered", 5, 5, 0, 0)


@pytest.mark.parametrize("error", [KeyError(SOMEBODY), TypeError(SOMEBODY)], ids=["KeyError", "TypeError"])
def test_an_answer_of_which_nothing_can_be_read_is_read_when_the_provider_is_mended(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None], error: Exception
) -> None:
    provider.read = raising(error)
    for _ in range(2):
        with pytest.raises(
            UnreadableAnswer, match=r"call 1 of .* is kept, and cannot be read.*record 1 of the"
        ) as told:
            mine(conn, run, provider)
        assert SOMEBODY not in str(told.value)
        assert stored(conn) == ("unknown", None, 0, 0, 1)
    note(f"every record: {type(error).__name__}", str(told.value))
    provider.read = as_it_is
    assert mine(conn, run, provider) == "the provider has no more"
    note("the same, mended", "as any other page")
    assert stored(conn) == ("answered", 5, 5, 0, 0)
    assert provider.charged == 5, "never bought again"
    assert audit(conn) == []


PAGE: dict[str, dict[str, Any]] = {
    "charged as text": {"charged": "5"},
    "charged below zero": {"charged": -1},
    "charged as truth": {"charged": True},
    "charged with a fraction": {"charged": 5.0},
    "charged None": {"charged": None},
    "charged too much to store": {"charged": 2**40},
    "records None": {"records": None},
    "records an object": {"records": {"1": {}}},
    "next_cursor a number": {"next_cursor": 7},
    "contacts None": {"contacts": None},
    "contacts without lists": {"contacts": {"x": None}},
    "unfinished None": {"unfinished": None},
}


@pytest.mark.parametrize("fault", PAGE)
def test_an_answer_with_a_field_of_a_wrong_type_is_kept_and_the_field_named(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None], fault: str
) -> None:
    provider.spoil = lambda page: replace(page, **PAGE[fault])
    for _ in range(2):
        with pytest.raises(UnreadableAnswer, match=f"cannot be read: {next(iter(PAGE[fault]))} is ") as told:
            mine(conn, run, provider)
    note(fault, str(told.value))
    assert stored(conn) == ("unknown", None, 0, 0, 1)
    ((raw,),) = conn.execute("SELECT answer->'raw' FROM lead_mining.provider_answer").fetchall()
    assert raw == {"data": provider.companies}
    assert provider.charged == 5


def test_what_is_no_page_is_kept_too(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None]
) -> None:
    provider.spoil = lambda page: page.raw
    for _ in range(2):
        with pytest.raises(UnreadableAnswer, match=r"fetch (returned|made no)") as told:
            mine(conn, run, provider)
    note("a dict and no Page", str(told.value))
    assert stored(conn) == ("unknown", None, 0, 0, 1)


@pytest.mark.parametrize("fault", ["None", "KeyError"])
def test_a_fetch_without_an_answer_leaves_a_call_that_is_settled_as_others_are(
    conn: psycopg.Connection, run: Run, provider: Breaker, note: Callable[[str, str], None], fault: str
) -> None:
    provider.spoil = raising(KeyError(SOMEBODY)) if fault == "KeyError" else lambda _: None
    with pytest.raises(MalformedAnswer, match=fault) as told:
        mine(conn, run, provider)
    assert SOMEBODY not in "".join(traceback.format_exception(told.value))
    assert stored(conn) == ("unknown", None, 0, 0, 0)
    (call,) = provider_calls.unsettled(conn, run.id)
    assert fault in (call.error or "")
    assert SOMEBODY not in (call.error or "")
    with pytest.raises(ProviderOutcomeUnknown, match="its balance is 995, and would be 1000"):
        mine(conn, run, provider)
    note(f"nothing: fetch {'raised KeyError' if fault == 'KeyError' else 'returned None'}", call.error or "")
    provider.spoil, provider.charged = as_it_is, 0
    assert mine(conn, run, provider) == "the provider has no more"


def test_a_page_that_could_not_be_stored_is_made_anew_by_the_mended_provider(
    conn: psycopg.Connection, run: Run, provider: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.spoil = lambda page: replace(page, charged=None, records=None)
    with pytest.raises(UnreadableAnswer):
        mine(conn, run, provider)
    monkeypatch.setattr(
        provider, "page_of", lambda raw: Page(raw, raw["data"], len(raw["data"]), next_cursor=None), raising=False
    )
    assert mine(conn, run, provider) == "the provider has no more"
    assert stored(conn) == ("answered", 5, 5, 0, 0)
    assert provider.charged == 5


def test_a_person_says_what_an_answer_cost_that_does_not_say_it(
    conn: psycopg.Connection, run: Run, provider: Breaker
) -> None:
    provider.spoil = lambda page: replace(page, charged="five")
    with pytest.raises(UnreadableAnswer):
        mine(conn, run, provider)
    (call,) = provider_calls.unsettled(conn, run.id)
    assert call.kept
    for _ in range(2):
        assert buying.settle_call(conn, call.id, "lost", 5, "ada", lambda _: provider) == "answered"
    assert stored(conn) == ("answered", 5, 5, 0, 0)
    assert mine(conn, run, provider) == "the provider has no more"
    assert audit(conn) == []


def test_an_answer_that_cannot_be_read_is_shown_and_can_be_given_up(
    conn: psycopg.Connection, run: Run, provider: Breaker
) -> None:
    provider.read = raising(KeyError())
    with pytest.raises(UnreadableAnswer):
        mine(conn, run, provider)
    reconciliation.read_kept_answers(conn, lambda _: provider)
    (call,) = reconciliation.unsettled_calls(conn)
    assert call.kept
    came_to = summary(conn, run.run_key)
    assert came_to is not None
    assert came_to.notices[-1].startswith(f"the answer to provider call {call.id} is kept, and cannot be read: mend")
    assert buying.settle_call(conn, call.id, "lost", 5, "ada", lambda _: provider) == "lost"
    assert stored(conn)[:2] == ("lost", 5)
    provider.read = as_it_is
    assert mine(conn, run, provider) == "the most it may cost is charged"
    assert retention.apply(conn, 1).answers == 0
    conn.execute("UPDATE lead_mining.provider_answer SET kept_at = now() - interval '2 days'")
    assert retention.apply(conn, 1).answers == 1


def test_reconciling_stores_an_answer_that_can_be_read_by_now(
    conn: psycopg.Connection, run: Run, provider: Breaker
) -> None:
    provider.read = raising(KeyError())
    with pytest.raises(UnreadableAnswer):
        mine(conn, run, provider)
    provider.read = as_it_is
    reconciliation.read_kept_answers(conn, lambda _: provider)
    assert reconciliation.unsettled_calls(conn) == []
    assert stored(conn) == ("answered", 5, 5, 0, 0)


def test_a_person_is_erased_from_answers_that_are_kept(
    conn: psycopg.Connection, run: Run, provider: Breaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_MINING_KEPT_ANSWERS", str(tmp_path))
    provider.read = raising(KeyError())
    with pytest.raises(UnreadableAnswer):
        mine(conn, run, provider)
    file = tmp_path / "call-7-of-another-worker.json"
    file.write_text(json.dumps(provider.companies))
    erasing.erase(conn, Subject.of("email", SOMEBODY), "ada", tmp_path / "data_docs")
    ((kept,),) = conn.execute("SELECT answer::text FROM lead_mining.provider_answer").fetchall()
    assert SOMEBODY not in kept + file.read_text()
    provider.read = as_it_is
    mine(conn, run, provider)
    assert stored(conn)[:2] == ("answered", 5)
