"""# Lead mining by saved searches

Mines the saved searches of `include/searches`, each when it is due and as its own run of the DAG `lead_mining`: a task
a search. They run at the same time, as many as the pool of their provider has slots; one that fails stops no other.

**Add one** as a YAML file: `include/searches/README.md` shows how, `make searches` tries them all.
**Start it** by itself, or with *Trigger*: all searches, or those chosen, are then mined for today.

| what | means |
|---|---|
| a task, green | its run of `lead_mining` ended well; the task's *Triggered DAG* on *Details* leads to it |
| a task, skipped | the search was not due |
| a task, deferred | its run is at work, or waits for a person's approval, and keeps its slot of the pool |

**The same search and date is the same run**, `saved_search__<file>__<date>`, the date being one in the search's own
time zone. So nothing is mined twice, whatever is cleared, triggered or backfilled.

**What was missed while Airflow stood still** is made up for once: the next run mines each search that was due since the
one before, for the last date it was due on. Nights that were missed beyond that are not mined by themselves, as each
would cost credits; a *backfill* of this DAG over these dates mines them, one run a search and date that has none.
A backfill buys what the provider has today, net-new, within the budgets of the month that it runs in.

## Triage notes

- **A task failed, "... the run ... of lead_mining failed"**: open that run; its failed task says what to do. Then
  clear the task here: the same run goes on where it stopped, and nothing is bought twice. If the search's file was
  wrong, mend it first: a run that failed before it was prepared is begun anew with what the file says then.
- **A task failed with "..., line 12, params.industries.0: ..."**: the file of that search is wrong; the others run.
- **A task stays *scheduled***: there is no pool named after the provider connection, or it is full. Make it under
  *Admin / Pools*, with *Include deferred*: its slots are how many searches are mined at once from that provider.
- **"Dag lead_mining is paused"**: switch it on, then clear the task.
- **A search finds nothing new**: from the third run in a row on, its summary and messages say so. Widen its filters.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException

from lead_mining.deadlines import run_deadline
from lead_mining.nightly import MineSavedSearch, SavedSearchesTimetable
from lead_mining.searches import SavedSearch, read_all

found = read_all()
searches = [search for search in found if isinstance(search, SavedSearch)]


@task(retries=0)
def say_what_is_wrong(problems: str) -> None:
    raise AirflowFailException(problems)


with DAG(
    "lead_mining_nightly",
    dag_display_name="Lead mining by saved searches",
    description="Each saved search, when it is due, as a run of lead_mining",
    doc_md=__doc__,
    schedule=SavedSearchesTimetable((each.schedule.cron, each.schedule.timezone) for each in searches)
    if searches
    else None,
    catchup=False,
    deadline=run_deadline(),
    params={
        "searches": Param(
            [],
            type=["array", "null"],
            title="Saved searches",
            description="Which ones. None chosen: all; in a run by schedule, those that are due.",
            examples=[search.key for search in searches],
            values_display={search.key: search.name for search in searches},
        )
    },
    tags=["lead-mining"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
):
    for search in found:
        if isinstance(search, SavedSearch):
            MineSavedSearch(search=search)
        else:
            say_what_is_wrong.override(task_id=search.key)(str(search))
