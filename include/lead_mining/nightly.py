"""When saved searches are due, and the task that mines one: what the DAG `lead_mining_nightly` is made of.

It knows Airflow, as hooks and notifiers do; the DAG file and a plugin import it, so it imports nothing heavy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import XCOM_RUN_ID, TriggerDagRunOperator
from airflow.providers.standard.triggers.external_task import DagStateTrigger
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType

from lead_mining.hooks import crm_session
from lead_mining.searches import SavedSearch, Schedule

MINING_DAG = "lead_mining"


class SavedSearchesTimetable(MultipleCronTriggerTimetable):
    """Fires whenever a saved search is due, each in a time zone of its own. `schedules`: (cron, time zone) pairs.

    A run's data interval begins where that of the scheduled run before it ended, so that what was due while nothing
    was scheduled falls into the next run, once.
    """

    def __init__(self, schedules: Iterable[Sequence[str]]) -> None:
        self._schedules = sorted({(cron, timezone) for cron, timezone in schedules})
        self._timetables = [CronTriggerTimetable(cron, timezone=timezone) for cron, timezone in self._schedules]
        self.description = "Whenever a saved search is due"

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SavedSearchesTimetable:
        return cls(data["schedules"])

    def serialize(self) -> dict[str, Any]:
        return {"schedules": [list(schedule) for schedule in self._schedules]}

    @property
    def summary(self) -> str:
        return "saved searches"

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        found = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        if found is None:
            return None
        if last_automated_data_interval is not None:
            start = last_automated_data_interval.end
        else:
            start = max(timetable._get_prev(found.run_after) for timetable in self._timetables)
        return DagRunInfo.interval(start, found.run_after)


def due_on(schedule: Schedule, start: Any, end: Any) -> dt.date | None:
    """The latest date, in the schedule's time zone, on which it was due after `start` and not after `end`."""
    timetable = CronTriggerTimetable(schedule.cron, timezone=schedule.timezone)
    last = timetable._align_to_prev(end)
    return last.astimezone(schedule.zone).date() if last > start else None


class MineSavedSearch(TriggerDagRunOperator):
    """Mines a saved search for a date by a run of `lead_mining`, which is the same run whenever it is asked for.

    A run that has ended well is left alone, one at work is waited for, one that failed is cleared: it goes on where it
    stopped. One that failed before it was prepared had wrong params, which a run keeps; another takes its place.
    Skipped where the search is not due. Needs an Airflow pool named after the search's provider connection.
    """

    template_fields = ()  # what stands in the file is meant as it stands

    def __init__(self, *, search: SavedSearch, **kwargs: Any) -> None:
        super().__init__(
            task_id=search.key,
            task_display_name=search.name,
            owner=search.owner,
            pool=search.request.provider_conn_id,
            trigger_dag_id=MINING_DAG,
            conf=dict(search.conf),
            logical_date=None,
            wait_for_completion=True,
            deferrable=True,
            poke_interval=5,
            fail_when_dag_is_paused=True,
            **kwargs,
        )
        self.search = search

    def execute(self, context: Any) -> None:
        ti, date = context["ti"], self._date(context["dag_run"], context["params"]["searches"])
        if date is None:
            raise AirflowSkipException(f"{self.search.name} is not due")
        run_id, state = self._run(ti, date)
        if state == DagRunState.SUCCESS:
            self.log.info("%s is mined for %s already, by the run %s", self.search.name, date, run_id)
            ti.xcom_push(key=XCOM_RUN_ID, value=run_id)
        elif state in (DagRunState.QUEUED, DagRunState.RUNNING):
            ti.xcom_push(key=XCOM_RUN_ID, value=run_id)
            self.defer(
                trigger=DagStateTrigger(
                    dag_id=MINING_DAG,
                    states=[*self.allowed_states, *self.failed_states],
                    run_ids=[run_id],
                    poll_interval=self.poke_interval,
                ),
                method_name="execute_complete",
            )
        else:
            self.trigger_run_id, self.reset_dag_run = run_id, state == DagRunState.FAILED
            super().execute(context)

    def execute_complete(self, context: Any, event: tuple[str, dict[str, Any]]) -> None:
        try:
            super().execute_complete(context, event)
        except AirflowException:
            raise AirflowFailException(
                f"{self.search.name}: the run {self.trigger_run_id} of {MINING_DAG} failed. The log of its failed task"
                " says why and what to do; then clear this task, and it goes on"
            ) from None

    def _date(self, dag_run: Any, chosen: Collection[str]) -> dt.date | None:
        """The date to mine the search for: by hand today, else that on which it was due; None where it is not."""
        schedule = self.search.schedule
        if chosen and self.search.key not in chosen:
            return None
        if dag_run.run_type == DagRunType.MANUAL:
            today: dt.date = dag_run.run_after.astimezone(schedule.zone).date()
            return today
        return due_on(schedule, dag_run.data_interval_start, dag_run.data_interval_end)

    def _run(self, ti: Any, date: dt.date) -> tuple[str, str | None]:
        """The id and state of the search's run for the date; None where there is none yet."""
        first = run_id = self.search.run_id(date)
        number = 1
        while (state := self._state(ti, run_id)) == DagRunState.FAILED and not self._was_prepared(run_id):
            number += 1
            run_id = f"{first}__{number}"
        return run_id, state

    def _state(self, ti: Any, run_id: str) -> str | None:
        if not ti.get_dr_count(dag_id=MINING_DAG, run_ids=[run_id]):
            return None
        state: str = ti.get_dagrun_state(dag_id=MINING_DAG, run_id=run_id)
        return state

    def _was_prepared(self, run_id: str) -> bool:
        from lead_mining import runs

        with crm_session(self.search.request.crm_conn_id) as connection:
            return runs.find(connection, f"{MINING_DAG}/{run_id}") is not None
