"""# Erase people

Takes persons out of everything that lead mining holds and out of the leads it made, and certifies it. For requests by
the right to erasure (GDPR, article 17).

**Start it** with *Trigger* and fill in the form: the numbers of leads, whose people are then erased; or the path of a
CSV file on the worker, for persons and companies:

    kind,value
    email,ann@acme.example
    domain,initech.example
    lead,1234

**Never type an address into the form**: Airflow keeps what is typed there. The form refuses it. Delete the file
afterwards: it is the last place where the address stands.

| kind | erases |
|---|---|
| `email` | one person: by the address, and by the name and the numbers known with it |
| `domain` | all people of a company, and its own addresses and numbers; its name and place stay |
| `lead` | all people, addresses and numbers of a lead |

What goes: the personal columns of leads in the CRM; the people in enrichment notes, which are written anew; mentions in
the chatter and the mails of these leads; contacts of candidates, raw pages, rejections and all other tables of lead
mining; mentions in Data Docs. What was paid for stays true: a contact that was erased counts as one that was bought.

| task | does | safe to clear? |
|---|---|---|
| `erase_subjects` | erases each in one transaction; writes a certificate each, into `lead_mining.erasure` | yes |

Once more, by clearing or by triggering anew, it changes nothing and writes another certificate.

## Triage notes

- **"a person decides on what is left"** (a warning in the log): the CRM holds something of its own, such as a partner,
  another lead's chatter, a calendar entry, or a namesake's. The log and the certificate name the tables and rows: look
  at each in Odoo, and delete or keep it there.
- **"there is no Airflow connection"** and **"may not erase"**: erasing needs more rights than mining. The text says how
  to get them.
- **"the CRM has no such lead"**: it was deleted there, or `crm_conn_id` names another CRM. The others are erased.
- **"line 3, ..."**: the file is not as above; nothing was erased. The text does not repeat what stands there.
- **"could not be looked at"**: the role may not read a table that people may stand in. Run role.sql again, and this.
- **It waits**: a run with the same person is under way, and its step is waited for.
- **"The CRM's database is busy"**: somebody works on one of the leads. Nothing is half done; the task is retried.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.hooks import data_docs_folder
from lead_mining.privacy_forms import FORMS
from lead_mining.privacy_session import privacy_session

with DAG(
    "privacy_erase",
    dag_display_name="Erase people",
    description="Take persons out of lead mining and of its leads, with a certificate",
    doc_md=__doc__,
    schedule=None,
    params={name: Param(**field) for name, field in FORMS["privacy_erase"].items()},
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=6)},
):

    @task
    def erase_subjects(params: dict[str, Any]) -> dict[str, Any]:
        from lead_mining.erasing import erase_all
        from lead_mining.privacy.subject import asked_for

        with privacy_session(params["crm_conn_id"]) as connection:
            subjects = asked_for(params["subjects_file"], map(int, params["lead_ids"] or ()))
            done = erase_all(connection, subjects, params["requested_by"], data_docs_folder(), params["reference"])
        return {"certificates": [certificate.id for certificate in done]}

    erase_subjects()
