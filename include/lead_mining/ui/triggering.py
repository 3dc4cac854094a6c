"""DAG runs that the pages start on behalf of who sends a form, checked and recorded as those of Airflow's own form."""

from __future__ import annotations

from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.exceptions import DagNotFound, ParamValidationError
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy.orm import Session

from lead_mining.exceptions import LeadMiningError


class NotTriggered(LeadMiningError):
    """Airflow does not know the DAG, or refuses the params."""


def trigger(session: Session, user: GetUserDep, dag_id: str, conf: dict[str, Any]) -> str:
    """Queue a run of the DAG with the params; its run id. Raises NotTriggered with what Airflow says against it."""
    try:
        run = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=user.get_name(),
            conf=conf,
            session=session,
        )
    except DagNotFound:
        raise NotTriggered(f"Airflow has not read the DAG {dag_id} yet: try again in a minute") from None
    except (ParamValidationError, ValueError) as error:
        raise NotTriggered(str(error)) from None
    assert run is not None
    return str(run.run_id)
