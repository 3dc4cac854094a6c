"""Steps that several tasks work on, each on a part of the candidates: the end is that of one task for all."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from credit_dags import airflow_connection
from paid_catalogue import PaidCatalogue, write_catalogue

from lead_mining import candidates, dag_steps, judging, metrics, pipeline, runs
from lead_mining.candidates import Part
from lead_mining.quality import results

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
KEY, COMPANIES = "lead_mining/night 1", 10
PARTS = [Part(1, 4, 3), Part(5, 8, 3), Part(9, 10, 3)]

Connect = Callable[[], psycopg.Connection]


@pytest.fixture
def connect(crm_dsn: str) -> Connect:
    return lambda: psycopg.connect(crm_dsn, autocommit=True)


@pytest.fixture
def run_id(conn: psycopg.Connection, tmp_path: Path) -> int:
    """A run that has bought ten companies, two of which are bad."""
    path = write_catalogue(tmp_path / "c.csv", COMPANIES, bad_every=5)
    params = {"countries": ["DE"], "lead_number": COMPANIES}
    run_id = int(pipeline.prepare_request(conn, KEY, params)["run_id"])
    pipeline.extract(conn, run_id, PaidCatalogue(path, excludes_known=False))
    return run_id


def whole(conn: psycopg.Connection, run_id: int, step: str) -> dict[str, Any] | None:
    return runs.results(conn, run_id).get(step)


def at_once(connect: Connect, work: Callable[[psycopg.Connection, Part], Any], parts: list[Part]) -> list[Any]:
    together = Barrier(len(parts))

    def one(part: Part) -> Any:
        with connect() as own:
            together.wait(timeout=30)
            return work(own, part)

    with ThreadPoolExecutor(len(parts)) as threads:
        return list(threads.map(one, parts))


def test_parts_come_to_the_same_as_the_whole(conn: psycopg.Connection, run_id: int, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    found = []
    for part in reversed(PARTS):
        assert whole(conn, run_id, "validate") is None
        assert not list(docs.glob("*/index.html"))
        found.append(pipeline.validate(conn, run_id, docs, part=part))
    assert [(part["valid"], part["rejected"]) for part in found] == [(1, 1), (3, 1), (4, 0)]
    (index,) = {part["data_docs"] for part in found}
    assert whole(conn, run_id, "validate") == {
        "valid": 8,
        "rejected": 2,
        "contacts_rejected": 0,
        "warnings": 0,
        "data_docs": index,
    }
    assert [(one.suite, one.checked, one.passed) for one in results.over_time(conn, 9)] == [
        ("company", 10, 8),
        ("lead", 10, 10),
    ]
    pages = re.findall(r'href="((\d+)/validations/company/[^"]+)"', (docs / index).read_text())
    assert [part for _, part in dict.fromkeys(pages)] == ["1", "5", "9"]
    assert all((docs / index).parent.joinpath(page).is_file() for page, _ in pages)


def test_positions_with_gaps_leave_nobody_out(conn: psycopg.Connection, run_id: int, tmp_path: Path) -> None:
    conn.execute("UPDATE lead_mining.candidate SET position = position + 90 WHERE position > 3")
    found = [pipeline.validate(conn, run_id, tmp_path, part=part) for part in PARTS]
    assert [part["valid"] + part["rejected"] for part in found] == [3, 0, 7]


def test_notes_are_written_in_parts(conn: psycopg.Connection, run_id: int, tmp_path: Path) -> None:
    pipeline.validate(conn, run_id, tmp_path)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    pipeline.load_leads(conn, run_id)
    assert [pipeline.write_enrichment_notes(conn, run_id, part)["notes"] for part in PARTS] == [4, 3, 1]
    assert whole(conn, run_id, "write_enrichment_notes") == {"notes": 8}
    assert list(candidates.without_note(conn, run_id)) == []


def test_parts_that_end_at_the_same_time_finish_the_step_once(
    conn: psycopg.Connection, connect: Connect, run_id: int, tmp_path: Path
) -> None:
    at_once(connect, lambda own, part: pipeline.validate(own, run_id, tmp_path, part=part), PARTS)
    assert (whole(conn, run_id, "validate") or {})["valid"] == 8
    assert [(one.checked, one.passed) for one in results.over_time(conn, 9)] == [(10, 8), (10, 10)]
    assert len(list(tmp_path.glob("*/index.html"))) == 1
    assert not list(tmp_path.glob(".*"))


def test_a_part_that_two_tasks_work_on_is_done_once(
    conn: psycopg.Connection, connect: Connect, run_id: int, tmp_path: Path
) -> None:
    at_once(connect, lambda own, part: pipeline.validate(own, run_id, tmp_path, part=part), [PARTS[0]] * 3)
    for part in PARTS:
        pipeline.validate(conn, run_id, tmp_path, part=part)
    (count,) = conn.execute("SELECT count(*) FROM lead_mining.rejection WHERE run_id = %s", [run_id]).fetchone()
    assert count == 2
    assert [one.checked for one in results.over_time(conn, 9)] == [10, 10]


def test_a_part_that_fails_is_done_again_and_the_others_are_not(
    conn: psycopg.Connection, run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.validate(conn, run_id, tmp_path, part=PARTS[0])
    with monkeypatch.context() as broken:
        broken.setattr(judging, "apply_failures", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.validate(conn, run_id, tmp_path, part=PARTS[1])
        pipeline.validate(conn, run_id, tmp_path, part=PARTS[0])  # done: nothing is judged
    pipeline.validate(conn, run_id, tmp_path, part=PARTS[2])
    assert whole(conn, run_id, "validate") is None
    pipeline.validate(conn, run_id, tmp_path, part=PARTS[1])
    assert (whole(conn, run_id, "validate") or {})["valid"] == 8


def test_killed_before_the_step_was_finished_it_is_finished_by_any_part_that_is_cleared(
    conn: psycopg.Connection, run_id: int, tmp_path: Path
) -> None:
    for part in PARTS:
        pipeline.validate(conn, run_id, tmp_path, part=part)
    finished = whole(conn, run_id, "validate")
    conn.execute("DELETE FROM lead_mining.run_step WHERE run_id = %s AND step = 'validate'", [run_id])
    pipeline.validate(conn, run_id, tmp_path, part=PARTS[0])
    assert whole(conn, run_id, "validate") == finished


def test_a_run_that_was_checked_whole_by_an_older_version_stays_as_it_is(
    conn: psycopg.Connection, run_id: int, tmp_path: Path
) -> None:
    pipeline.validate(conn, run_id, tmp_path)
    before = (whole(conn, run_id, "validate"), results.over_time(conn, 9))
    for part in PARTS:
        assert pipeline.validate(conn, run_id, tmp_path, part=part) == before[0]
    assert (whole(conn, run_id, "validate"), results.over_time(conn, 9)) == before
    assert not list(tmp_path.glob(".*"))


def test_tasks_that_end_at_once_do_not_wait_for_one_another_for_ever(
    conn: psycopg.Connection,
    connect: Connect,
    run_id: int,
    tmp_path: Path,
    crm_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(crm_dsn))
    plan, params = {"run_id": run_id, "request_number": "LMR001"}, {"crm_conn_id": "lead_mining_crm"}
    dag_id, _, airflows = KEY.partition("/")
    dag_run = SimpleNamespace(dag_id=dag_id, run_id=airflows)

    def task(own: psycopg.Connection, part: Part) -> None:
        work = partial(pipeline.validate, run_id=run_id, data_docs=tmp_path, part=part)
        dag_steps.do("validate", plan, dag_run, params, work, part=part)

    at_once(connect, task, [*PARTS, *PARTS])
    assert (whole(conn, run_id, "validate") or {})["valid"] == 8


def test_who_wants_the_whole_step_waits_for_its_parts_and_parts_do_not_wait_for_one_another(
    conn: psycopg.Connection, connect: Connect, run_id: int
) -> None:
    inside, leave = Event(), Event()

    def part() -> None:
        with connect() as own, runs.only_once(own, run_id, "validate", 1):
            inside.set()
            leave.wait(timeout=30)

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(part)
        assert inside.wait(timeout=30)
        with runs.only_once(conn, run_id, "validate", 5):
            pass
        lock = (
            "SELECT pg_try_advisory_lock(key) FROM (SELECT (classid::bigint << 32) + objid::bigint AS key FROM pg_locks"
        )
        taken = conn.execute(f"{lock} WHERE locktype = 'advisory' AND mode = 'ShareLock') AS l").fetchall()
        assert taken == [(False,)]
        leave.set()
        working.result()


def test_rules_that_are_changed_between_parts_are_told(
    conn: psycopg.Connection, run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "expectations"
    own.mkdir()
    monkeypatch.setenv("LEAD_MINING_EXPECTATIONS", str(own))
    pipeline.validate(conn, run_id, tmp_path / "docs", part=PARTS[0])
    (own / "own.yaml").write_text(
        "suite: company\nexpectations:\n"
        "  - {type: expect_column_values_to_not_be_null, kwargs: {column: name}, severity: warning,"
        " description: d, meta: {name: has_a_name}}\n"
    )
    for part in PARTS[1:]:
        pipeline.validate(conn, run_id, tmp_path / "docs", part=part)
    versions = {one.suite: one.version for one in results.over_time(conn, 9)}
    assert versions["company"] == "several"
    assert versions["lead"] != "several"


def test_each_part_counts_its_own_rejections(
    conn: psycopg.Connection, run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, int]] = []
    monkeypatch.setattr(metrics.stats, "incr", lambda name, count=1, *, tags=None: counted.append((name, count)))
    for part in PARTS:
        metrics.count_step(conn, run_id, "validate", pipeline.validate(conn, run_id, tmp_path, part=part), part)
    assert counted == [("lead_mining.rejections.domain_is_not_free_mail", 1)] * 2
