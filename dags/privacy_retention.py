"""# Keep personal data no longer than needed, every day

Removes what is older than `days`, and of no use any more: the bodies of raw pages, answers that are kept as they could
not be read, the values and records of rejections, and of companies that were rejected all but their id and domain, by
which they are still recognised. Leads in the CRM, and candidates that became leads, are not touched: for a person,
there is `privacy_erase`. What lead mining has noted of records that the CRM has deleted since is forgotten.

| task | does | safe to clear? |
|---|---|---|
| `remove_old_data` | removes in batches, each committed; what was paid and why it was rejected stays | yes |

## Triage notes

- **"there is no Airflow connection"** and **"may not erase"**: removing needs more rights than mining. The text says
  how to get them. Until then nothing is removed.
- **"The CRM's database is busy"**: an erasure is under way. What was removed stays so; the task is retried.
- **The Data Docs' rejected rows are empty**: they are older than `days`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.plain import logger
from lead_mining.privacy_forms import FORMS
from lead_mining.privacy_session import privacy_session

log = logger(__name__)

with DAG(
    "privacy_retention",
    dag_display_name="Remove old personal data",
    description="Every day: raw pages, rejections and rejected companies lose what is older than some days",
    doc_md=__doc__,
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    params={name: Param(**field) for name, field in FORMS["privacy_retention"].items()},
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=6)},
):

    @task
    def remove_old_data(params: dict[str, Any]) -> dict[str, int]:
        from lead_mining import kept_answers, runs
        from lead_mining.matching import crm_index
        from lead_mining.privacy import retention

        with privacy_session(params["crm_conn_id"]) as connection:
            removed = asdict(retention.apply(connection, params["days"]))
            removed["answers"] += kept_answers.remove_old_files(params["days"])
            with runs.indexing_alone(connection):
                removed["gone_from_the_crm"] = crm_index.forget_gone(connection)
        log.info("%s", removed)
        return removed

    remove_old_data()
