"""What Airflow's own database says of the runs behind requests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.models import DagRun
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from lead_mining.request_list import DAGS, MinedRequest, not_prepared
from lead_mining.ui.answers import connection_in

MOST_IN_A_STATE = 1000
"""Runs, the newest, among which requests in a state are looked for."""

_NEW = 25


def states_of(session: Session, run_keys: Collection[str]) -> dict[str, str]:
    """The states of the DAG runs, by run key, of those that Airflow knows."""
    pairs = [tuple(run_key.split("/", 1)) for run_key in run_keys]
    columns = select(DagRun.dag_id, DagRun.run_id, DagRun.state)
    rows = session.execute(columns.where(tuple_(DagRun.dag_id, DagRun.run_id).in_(pairs)))
    return {f"{dag_id}/{run_id}": str(state) for dag_id, run_id, state in rows}


def newest_in(session: Session, states: Collection[str]) -> list[str]:
    """Run keys of the newest runs in these states."""
    rows = session.execute(_newest(select(DagRun.dag_id, DagRun.run_id), states, MOST_IN_A_STATE))
    return [f"{dag_id}/{run_id}" for dag_id, run_id in rows]


def newest_requests(session: Session, conn_id: str, states: Collection[str]) -> list[tuple[MinedRequest, str]]:
    """The newest runs for a CRM connection, as they were asked for, each with its state; of these states, if any.

    Whether they are prepared, and so in the CRM's database, is not known here.
    """
    columns = select(DagRun.dag_id, DagRun.run_id, DagRun.conf, DagRun.run_after, DagRun.state)
    return [
        (not_prepared(f"{dag_id}/{run_id}", conf or {}, at), str(state))
        for dag_id, run_id, conf, at, state in session.execute(_newest(columns, states, _NEW))
        if connection_in(conf) == conn_id
    ]


def one_request(session: Session, dag_id: str, run_id: str) -> tuple[MinedRequest, str] | None:
    """A run as it was asked for, and its state."""
    columns = select(DagRun.conf, DagRun.run_after, DagRun.state)
    row = session.execute(columns.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    return (not_prepared(f"{dag_id}/{run_id}", row[0] or {}, row[1]), str(row[2])) if row else None


def _newest(columns: Any, states: Collection[str], most: int) -> Any:
    among = columns.where(DagRun.dag_id.in_(DAGS))
    if states:
        among = among.where(DagRun.state.in_(states))
    return among.order_by(DagRun.id.desc()).limit(most)
