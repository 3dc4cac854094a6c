"""DAG runs that the pages start on behalf of who sends a form, checked and recorded as those of Airflow's own form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.exceptions import DagNotFound, DagRunAlreadyExists, ParamValidationError
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lead_mining.exceptions import LeadMiningError


class NotTriggered(LeadMiningError):
    """Airflow does not know the DAG, or refuses the params."""


def run_id_of_form(token: str, conf: dict[str, Any]) -> str:
    """The same for the same form with the same params, so that what is sent twice is one run.

    `token`: made at random with each form that is shown.
    """
    sent = json.dumps([token, conf], sort_keys=True)
    return f"form__{hashlib.sha256(sent.encode()).hexdigest()[:32]}"


def trigger(session: Session, user: GetUserDep, dag_id: str, conf: dict[str, Any], run_id: str | None = None) -> str:
    """Queue a run of the DAG with the params; its run id. A run of that id that is there already is left as it is.

    Raises NotTriggered with what Airflow says against it.
    """
    try:
        run = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=user.get_name(),
            conf=conf,
            run_id=run_id,
            session=session,
        )
    except DagRunAlreadyExists:
        return str(run_id)
    except IntegrityError:  # it came into being at this moment
        session.rollback()
        return str(run_id)
    except DagNotFound:
        raise NotTriggered(f"Airflow has not read the DAG {dag_id} yet: try again in a minute") from None
    except (ParamValidationError, ValueError) as error:
        raise NotTriggered(str(error)) from None
    assert run is not None
    return str(run.run_id)
