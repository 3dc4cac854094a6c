"""DAGs as Airflow has read them from their files, for tests that trigger them; and the runs that came of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DAGS = Path(__file__).parents[2] / "dags"


def read_dag(dag_id: str) -> None:
    """Let Airflow read the DAG's file. Airflow's database must be there."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=str(DAGS / f"{dag_id}.py"), bundle_path=DAGS)
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)


def queued_runs(dag_id: str) -> dict[str, dict[str, Any]]:
    """Run id to the params of the DAG's runs that wait, with who triggered them under `by`."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        runs = session.query(DagRun).where(DagRun.dag_id == dag_id, DagRun.state == "queued")
        return {run.run_id: {"conf": run.conf, "by": run.triggering_user_name} for run in runs}
