"""# Suppress people and companies

Puts companies, countries and people on the suppression list, or takes them off it. Whoever is on it is never loaded: a
suppressed company is turned down, a suppressed person is taken out of a company that is loaded without him or her.
Suppressed domains are also told to providers that can leave companies out, so they are not paid for.

The CRM's own blacklists (of addresses and phone numbers) need not be put on it: every run looks at them itself.

**Start it** with *Trigger* and fill in the form: domains and countries; or, for people, the path of a CSV file on the
worker:

    kind,value,reason
    email,ann@acme.example,asked us not to
    person,Ann Example @ acme.example,
    phone,+49 30 1234567,
    domain,initech.example,a competitor
    country,KP,sanctions

**Never type an address or a name into the form**: Airflow keeps what is typed there. People stand on the list as
digests alone: it can tell whether somebody is on it, and not who is.

| task | does | safe to clear? |
|---|---|---|
| `suppress` | all of the entries in one transaction, in `lead_mining.suppression` | yes: each is on the list once |

## Triage notes

- **"Not valid"**: nothing was changed. The text names the line or the field and what is allowed, and repeats nothing
  that may be somebody's.
- **"the worker cannot read it"**: the file must lie where the worker's user can read it; with several workers, in a
  folder that they share.
- **A person came nevertheless**: a person is known by the company's domain together with the name as it is written, so
  put the e-mail address on the list too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.hooks import crm_session
from lead_mining.plain import logger
from lead_mining.privacy_forms import FORMS

log = logger(__name__)


with DAG(
    "privacy_suppress",
    dag_display_name="Suppress people and companies",
    description="Put on the suppression list, or take off it, who and what is never to be loaded",
    doc_md=__doc__,
    schedule=None,
    params={name: Param(**field) for name, field in FORMS["privacy_suppress"].items()},
    tags=["lead-mining"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=10)},
):

    @task
    def suppress(params: dict[str, Any]) -> dict[str, int]:
        from lead_mining.migrations import check_migrated
        from lead_mining.privacy import suppression
        from lead_mining.privacy.suppression_file import asked_for

        with crm_session(params["crm_conn_id"]) as connection, connection.transaction():
            check_migrated(connection)
            entries = asked_for(params["entries_file"], params["domains"], params["countries"], params["reason"])
            done = (suppression.add if params["action"] == "add" else suppression.lift)(connection, entries)
        log.info("%s entries: %s of them changed the list", f"{len(entries):,}", f"{done:,}")
        return {"entries": len(entries), "changed": done}

    suppress()
