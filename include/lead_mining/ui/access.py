"""Who may do what on the pages, by Airflow's own log-in and permissions.

Airflow does not authenticate what plugins serve: every route depends on one of these. To look at pages takes what
looking at the runs of `lead_mining` takes; to mine or to top up, what triggering that DAG takes; to see people's names
and addresses, what triggering `privacy_export` takes, which hands out the same.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models import DagModel
from fastapi import Depends, HTTPException, Request


def _may(method: Any, dag_id: str) -> Any:
    return Depends(requires_access_dag(method, DagAccessEntity.RUN, param_dag_id=dag_id))


def _from_our_own_page(request: Request) -> None:
    """Refuses a form that another site sends with the user's cookie."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    elsewhere = site not in (None, "same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    )
    if elsewhere:
        raise HTTPException(403, "Send this form from its own page")


may_look = _may("GET", "lead_mining")


def may_trigger(dag_id: str) -> list[Any]:
    """Dependencies of a route that triggers the DAG on behalf of who asks."""
    return [_may("POST", dag_id), Depends(_from_our_own_page)]


def _whether_may_trigger(dag_id: str) -> Any:
    def whether(user: GetUserDep) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="POST",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)),
            user=user,
        )

    return Depends(whether)


SeesPeople = Annotated[bool, _whether_may_trigger("privacy_export")]
"""Whether who asks may see personal data."""

MayRetry = Annotated[bool, _whether_may_trigger("retry_rejections")]
MayTriggerNightly = Annotated[bool, _whether_may_trigger("lead_mining_nightly")]
MayMine = Annotated[bool, _whether_may_trigger("lead_mining")]
MayTopUp = Annotated[bool, _whether_may_trigger("credits_top_up")]
