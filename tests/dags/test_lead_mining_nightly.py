"""The DAG `lead_mining_nightly`: when it fires, what is due then, and which run of `lead_mining` a search has."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.common.compat.sdk import DagRunTriggerException, TaskDeferred
from airflow.providers.standard.operators.trigger_dagrun import DagIsPaused
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
from pendulum import DateTime, datetime

from lead_mining.nightly import MineSavedSearch, SavedSearchesTimetable, due_on
from lead_mining.searches import Schedule, read

SEARCH = """\
name: "{{ hostile }} search"
owner: Sales
schedule: {cron: 0 3 * * *, timezone: Europe/Berlin}
params: {countries: [DE], provider_conn_id: the_provider}
"""
BERLIN_AND_NEW_YORK = [("0 3 * * 1-5", "Europe/Berlin"), ("0 3 * * 1-5", "America/New_York")]


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> DateTime:
    return datetime(2026, month, day, hour, minute)


# -- when it fires


def intervals(timetable: Any, earliest: DateTime, latest: DateTime) -> list[tuple[DateTime, DateTime]]:
    """What a backfill of these dates, or a scheduler that catches up, makes runs of."""
    found: list[tuple[DateTime, DateTime]] = []
    last = None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=last, restriction=TimeRestriction(earliest, latest, catchup=True)
    ):
        last = info.data_interval
        found.append((last.start, last.end))
    return found


def test_it_fires_whenever_any_search_is_due_each_interval_beginning_where_the_last_one_ended() -> None:
    assert intervals(SavedSearchesTimetable(BERLIN_AND_NEW_YORK), at(19, 0), at(24, 0)) == [
        (at(18, 8), at(19, 2)),
        (at(19, 2), at(19, 8)),
        (at(19, 8), at(20, 2)),
        (at(20, 2), at(20, 8)),
        (at(20, 8), at(23, 2)),
        (at(23, 2), at(23, 8)),
    ]


def test_after_a_standstill_one_run_covers_all_that_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda: at(20, 12))
    monkeypatch.setattr("airflow.timetables.trigger.time.time", at(20, 12).timestamp)
    info = SavedSearchesTimetable(BERLIN_AND_NEW_YORK).next_dagrun_info(
        last_automated_data_interval=DataInterval(at(17, 8), at(18, 2)),
        restriction=TimeRestriction(None, None, catchup=False),
    )
    assert info
    assert info.data_interval == DataInterval(at(18, 2), at(20, 8))
    assert info.run_after == at(20, 8)


@pytest.mark.parametrize(("day", "hour"), [(24, 2), (26, 2)])
def test_summer_time_ends_and_begins_without_a_night_lost_or_doubled(day: int, hour: int) -> None:
    month = 10 if day == 24 else 3
    timetable = SavedSearchesTimetable([(f"30 {hour} * * *", "Europe/Berlin")])
    ends = [end for _, end in intervals(timetable, at(day, 0, month=month), at(day + 4, 0, month=month))]
    dates = [due_on(Schedule(cron=f"30 {hour} * * *", timezone="Europe/Berlin"), e.subtract(hours=20), e) for e in ends]
    assert dates == [dt.date(2026, month, day + n) for n in range(4)]


@pytest.mark.parametrize(
    ("start", "end", "date"),
    [
        (at(24, 8), at(25, 2), dt.date(2026, 11, 25)),  # 3:00 in Berlin
        (at(25, 2), at(25, 8), None),
        (at(20, 2), at(25, 1), dt.date(2026, 11, 24)),  # the latest of several
        (at(25, 1), at(25, 1, 59), None),
    ],
)
def test_what_is_due_is_a_date_in_the_searchs_own_time_zone(
    start: DateTime, end: DateTime, date: dt.date | None
) -> None:
    assert due_on(Schedule(cron="0 3 * * *", timezone="Europe/Berlin"), start, end) == date
    if date:
        late = Schedule(cron="30 23 * * *", timezone="Pacific/Kiritimati")
        assert due_on(late, at(24, 0), at(24, 10)) == dt.date(2026, 11, 24)


# -- the DAG


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_MINING_SEARCHES", str(tmp_path))
    (tmp_path / "german.yaml").write_text(SEARCH)
    return tmp_path


def dag_of() -> DAG:
    file = Path(__file__).parents[2] / "dags" / "lead_mining_nightly.py"
    bag = DagBag(dag_folder=str(file), bundle_path=file.parent)
    assert bag.import_errors == {}
    return bag.dags["lead_mining_nightly"]


def test_each_search_is_a_task_and_a_broken_file_one_that_says_why(folder: Path) -> None:
    (folder / "broken.yaml").write_text("name: 3")
    dag = dag_of()
    assert set(dag.task_ids) == {"german", "broken"}
    task = dag.get_task("german")
    assert (task.owner, task.pool, task.task_display_name) == ("Sales", "the_provider", "{{ hostile }} search")
    assert task.conf == {
        "countries": ["DE"],
        "provider_conn_id": "the_provider",
        "saved_search": "{{ hostile }} search",
    }
    assert "conf" not in task.template_fields
    with pytest.raises(AirflowFailException, match=r"broken\.yaml, line 1, name: 3 is not allowed"):
        dag.get_task("broken").execute({})


def test_its_schedule_survives_airflows_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow import plugins_manager

    monkeypatch.setattr(
        plugins_manager, "get_timetables_plugins", lambda: {"lead_mining.nightly.SavedSearchesTimetable": SavedSearchesTimetable}
    )  # fmt: skip
    restored = DagSerialization.from_dict(DagSerialization.to_dict(dag_of())).timetable
    assert restored.serialize() == {"schedules": [["0 3 * * *", "Europe/Berlin"]]}
    assert restored.summary == "saved searches"


def test_without_searches_it_waits_for_some(folder: Path) -> None:
    (folder / "german.yaml").unlink()
    dag = dag_of()
    assert (dag.task_ids, dag.schedule) == ([], None)


# -- a search's run


class Instance:
    """The task instance as far as the operator asks it: which runs of lead_mining there are."""

    def __init__(self, runs: dict[str, str]) -> None:
        self.runs, self.xcoms = runs, {}

    def get_dr_count(self, dag_id: str, run_ids: list[str]) -> int:
        return int(run_ids[0] in self.runs)

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return self.runs[run_id]

    def get_dag(self, dag_id: str) -> Any:
        return SimpleNamespace(is_paused="paused" in self.runs)

    def xcom_push(self, key: str, value: str) -> None:
        self.xcoms[key] = value


FIRST = "saved_search__german__2026-11-25"
NIGHT = (at(24, 2), at(25, 2))


@pytest.fixture
def task(folder: Path) -> MineSavedSearch:
    return MineSavedSearch(search=read(folder / "german.yaml"))


def execute(
    task: MineSavedSearch,
    runs: dict[str, str],
    interval: tuple[DateTime, DateTime] = NIGHT,
    run_type: str = "scheduled",
    chosen: tuple[str, ...] = (),
) -> Instance:
    instance = Instance(runs)
    start, end = interval
    dag_run = SimpleNamespace(run_type=run_type, data_interval_start=start, data_interval_end=end, run_after=end)
    task.execute({"ti": instance, "dag_run": dag_run, "params": {"searches": list(chosen)}})
    return instance


def prepare(conn: psycopg.Connection, run_id: str) -> None:
    conn.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval) VALUES (%s, '{}', '{}', 'p', 'default', false, 1, 1, false)",
        [f"lead_mining/{run_id}"],
    )


def test_a_search_that_is_due_becomes_a_run_of_lead_mining(task: MineSavedSearch) -> None:
    with pytest.raises(DagRunTriggerException) as caught:
        execute(task, {})
    asked = caught.value
    assert (asked.trigger_dag_id, asked.dag_run_id, asked.reset_dag_run) == ("lead_mining", FIRST, False)
    assert asked.conf["countries"] == ["DE"]
    assert asked.wait_for_completion
    assert asked.deferrable


def test_one_that_is_not_due_or_not_chosen_is_skipped(task: MineSavedSearch) -> None:
    with pytest.raises(AirflowSkipException, match="not due"):
        execute(task, {}, interval=(at(25, 2), at(25, 8)))
    with pytest.raises(AirflowSkipException, match="not due"):
        execute(task, {}, chosen=("other",))


def test_by_hand_it_is_mined_for_today_in_its_own_zone(task: MineSavedSearch) -> None:
    with pytest.raises(DagRunTriggerException) as caught:
        execute(task, {}, interval=(at(24, 23, 30), at(24, 23, 30)), run_type="manual", chosen=("german",))
    assert caught.value.dag_run_id == FIRST


def test_what_ended_well_is_left_alone(task: MineSavedSearch) -> None:
    assert execute(task, {FIRST: "success"}).xcoms == {"trigger_run_id": FIRST}


@pytest.mark.parametrize("state", ["queued", "running"])
def test_what_is_at_work_is_waited_for(task: MineSavedSearch, state: str) -> None:
    with pytest.raises(TaskDeferred) as caught:
        execute(task, {FIRST: state})
    assert caught.value.trigger.run_ids == [FIRST]


def test_what_failed_goes_on_where_it_stopped(task: MineSavedSearch, conn: psycopg.Connection) -> None:
    prepare(conn, FIRST)
    with pytest.raises(DagRunTriggerException) as caught:
        execute(task, {FIRST: "failed"})
    assert (caught.value.dag_run_id, caught.value.reset_dag_run) == (FIRST, True)


def test_what_failed_before_it_was_prepared_is_begun_anew_with_the_params_of_now(
    task: MineSavedSearch, conn: psycopg.Connection
) -> None:
    with pytest.raises(DagRunTriggerException) as caught:
        execute(task, {FIRST: "failed", f"{FIRST}__2": "failed"})
    assert (caught.value.dag_run_id, caught.value.reset_dag_run) == (f"{FIRST}__3", False)
    prepare(conn, f"{FIRST}__2")
    with pytest.raises(DagRunTriggerException) as caught:
        execute(task, {FIRST: "failed", f"{FIRST}__2": "failed"})
    assert (caught.value.dag_run_id, caught.value.reset_dag_run) == (f"{FIRST}__2", True)


def test_it_says_that_lead_mining_is_paused(task: MineSavedSearch) -> None:
    with pytest.raises(DagIsPaused):
        execute(task, {"paused": ""})


def test_it_ends_as_its_run_did(task: MineSavedSearch) -> None:
    task.execute_complete({}, ("", {"run_ids": [FIRST], FIRST: "success"}))
    with pytest.raises(AirflowFailException, match=f"the run {FIRST} of lead_mining failed"):
        task.execute_complete({}, ("", {"run_ids": [FIRST], FIRST: "failed"}))
