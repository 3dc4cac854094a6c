"""# Try rejections again

Loads companies that were bought and turned down, once a person has looked at them: with what was wrong put right, or
with a rule overruled. They are not bought again, and are paid for when they are in the CRM: 1 credit a lead and 1 a
contact.

**Look at them** by *Rejections*, on a request's page and on the tab *Details* of a run's task `validate`: tick them
there, and *Try the chosen ones again* starts this DAG. They also stand in the view `lead_mining.rejected_company`:
number, company, all the reasons, and what it would cost.

    make psql SQL="select candidate_id, name, domain, reasons, cost from lead_mining.rejected_company"

**Start it** with *Trigger* and fill in the form: the candidates' numbers, all of one request; the rules that shall not
count this time; and corrections, such as `{"1234": {"domain": "acme.example"}}`.

The company is checked again by all rules, for duplicates and against the suppression list, and so are its contacts
that were turned down. What fails again is kept as a rejection again. The leads belong to the mining request that they
were bought by.

| task | does | safe to clear? |
|---|---|---|
| `prepare_retry` | checks the form, makes a run of its own, sets the credits aside | yes |
| `validate` | Great Expectations, once more; overruled rules warn | yes |
| `deduplicate` | against the CRM as it is now, and the suppression list | yes |
| `debit_credits`, `load_leads`, `write_enrichment_notes`, `release` | as in `lead_mining` | yes |

## Triage notes

- **"Not valid"**: nothing was changed. The text names what was given and what is allowed.
- **"it is no rejected candidate that was bought"**: it was loaded, or belongs to a trial run; the view lists all.
- **"it cannot be overruled"**: suppressed people and companies are loaded only once they are off the list (DAG
  `privacy_suppress`).
- **`duplicate_reveal_id`**: the provider gave the company the id of another. Overrule it only where they are two: it is
  loaded without that id, and compared by all else.
- **"its data was removed"**: retention or erasure has removed it. It cannot be loaded any more.
- **Who is told**: whom the request that bought them names, as at the end of its own run.
- **It was rejected again**: the log of `release` says by which rule.
- **"above ... a person approves"**: the request was not approved by a person, and these can cost more than it lets be
  spent without. Try fewer at once.
- **"cannot pay"**: buy credits with the DAG `credits_top_up`, then clear the failed task.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from lead_mining.dag_steps import key_of, load_what_was_bought, released
from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.hooks import crm_session
from lead_mining.plain import logger

log = logger(__name__)

MOST = 10_000  # candidates of a run: one part

with DAG(
    "retry_rejections",
    dag_display_name="Try rejections again",
    description="Load companies that were bought and turned down, corrected or with a rule overruled",
    doc_md=__doc__,
    schedule=None,
    params={
        "candidate_ids": Param(
            type="array",
            title="Candidates",
            description="The number of each, one a line, all of one request: the run's Rejections list them.",
            minItems=1,
            maxItems=MOST,
            # In allOf: with `items` of another type than string, the form would ask for JSON.
            allOf=[{"items": {"type": ["integer", "string"], "minimum": 1, "pattern": "^[1-9][0-9]{0,17}$"}}],
        ),
        "overrule": Param(
            [],
            type=["array", "null"],
            items={"type": "string", "maxLength": 100},
            title="Rules that shall not count",
            description="One a line, as they stand there: possible_duplicate. They warn, and do not reject.",
        ),
        "corrections": Param(
            {},
            type=["object", "null"],
            title="Corrections",
            description='By candidate, fields of the company: {"1234": {"domain": "acme.example"}}. No data of people.',
        ),
        "crm_conn_id": Param(**CRM_CONNECTION),
    },
    tags=["lead-mining"],
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=5),
        "execution_timeout": timedelta(hours=1),
    },
):

    @task(multiple_outputs=False)
    def prepare_retry(params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
        from lead_mining import retrying

        corrections = {int(id_): fields for id_, fields in (params["corrections"] or {}).items()}
        with crm_session(params["crm_conn_id"]) as connection:
            plan = retrying.prepare_retry(
                connection,
                key_of(dag_run),
                [int(id_) for id_ in params["candidate_ids"]],
                params["overrule"] or [],
                corrections,
                asked_by=dag_run.triggering_user_name,
            )
        log.info("%s, %s companies once more: %s", plan["request_number"], plan["lead_number"], plan["cost"])
        return plan

    @task(multiple_outputs=False)
    def release(params: dict[str, Any], dag_run: Any, ti: Any) -> dict[str, Any]:
        return released(params, dag_run, ti)

    plan = prepare_retry()
    load_what_was_bought([{"first": 1, "last": MOST, "of": 1}], plan, plan, release())
