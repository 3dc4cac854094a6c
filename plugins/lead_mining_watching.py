"""Of watching, what each part of Airflow has to know: from when on deadlines count, and what lineage leaves out."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from lead_mining.deadlines import RunCreated
from lead_mining.lineage import keep_addresses_out


class LeadMiningWatchingPlugin(AirflowPlugin):
    """Without it, Airflow makes no run of a DAG that has a `run_deadline`: it takes no reference that no plugin has."""

    name = "lead_mining_watching"
    deadline_references = [RunCreated]

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        keep_addresses_out()
