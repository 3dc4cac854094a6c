"""# Export what is held on people

Writes all that lead mining holds on a person into a JSON file: what leads and enrichment notes say, what the provider
sold, where each value came from, what was rejected. For requests by the right of access (GDPR, article 15).

**Start it** with *Trigger* and fill in the form: the numbers of leads, whose people are then exported; or the path of a
CSV file on the worker, with the columns `kind` (`email`, `domain` or `lead`) and `value`. **Never type an address into
the form**: Airflow keeps what is typed there. The form refuses it.

A file a subject is written into the folder of the environment variable `LEAD_MINING_EXPORTS` on the worker (by default
`exports` in `AIRFLOW_HOME`). The worker's user alone can read it. The log names the files. Delete them when they were
handed over.

| task | does | safe to clear? |
|---|---|---|
| `export_subjects` | writes a file a subject; reads only | yes: it writes other files |

## Triage notes

- **The file is nearly empty**: nothing is held on the subject. Look at the spelling, and at `erasures` in the file.
- **`elsewhere` in the file**: tables and rows of the CRM that mention the person, or a namesake, and that are not lead
  mining's. Look at each in Odoo, and add what is the person's.
- **"there is no Airflow connection"** and **"may not erase"**: the texts say how to get the connection and the rights,
  which are those of `privacy_erase`.
- **"the CRM has no such lead"**: it was deleted there, or `crm_conn_id` names another CRM.
- **"line 3, ..."**: the file is not as above. The text does not repeat what stands there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.plain import logger
from lead_mining.privacy_forms import FORMS
from lead_mining.privacy_session import exports_folder, privacy_session

log = logger(__name__)

with DAG(
    "privacy_export",
    dag_display_name="Export what is held on people",
    description="Write all that is held on a person into a file",
    doc_md=__doc__,
    schedule=None,
    params={name: Param(**field) for name, field in FORMS["privacy_export"].items()},
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=6)},
):

    @task
    def export_subjects(params: dict[str, Any]) -> int:
        from lead_mining.privacy import export
        from lead_mining.privacy.subject import asked_for

        with privacy_session(params["crm_conn_id"]) as connection:
            subjects = asked_for(params["subjects_file"], map(int, params["lead_ids"] or ()))
            for subject in subjects:
                log.info("%s", export.write(export.export(connection, subject), exports_folder()))
        return len(subjects)

    export_subjects()
