"""The shape of the DAG `lead_mining`, with nothing in it: what Airflow itself takes. For floor.py and many.py."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import DownstreamTasksSkipped

with DAG("empty_shape", schedule=None, tags=["benchmark"]):

    @task(multiple_outputs=False)
    def prepare_request(ti: Any) -> dict[str, Any]:
        ti.xcom_push("return_value", {"run_id": 1})
        raise DownstreamTasksSkipped(tasks=["approve_cost"])

    @task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
    def extract(plan: dict[str, Any], approval: dict[str, Any] | None) -> list[dict[str, int]]:
        return [{"first": 1, "last": 200, "of": 1}]

    @task(multiple_outputs=False)
    def validate(plan: dict[str, Any], part: dict[str, int]) -> dict[str, Any]:
        return {}

    @task(multiple_outputs=False)
    def deduplicate(plan: dict[str, Any]) -> dict[str, Any]:
        return {}

    @task(multiple_outputs=False)
    def debit_credits(plan: dict[str, Any]) -> dict[str, Any]:
        return {}

    @task(multiple_outputs=False)
    def load_leads(plan: dict[str, Any]) -> dict[str, Any]:
        return {}

    @task(multiple_outputs=False)
    def write_enrichment_notes(plan: dict[str, Any], part: dict[str, int]) -> dict[str, Any]:
        return {}

    @task(multiple_outputs=False)
    def release() -> dict[str, Any]:
        return {}

    plan: Any = prepare_request()
    approve_cost = ApprovalOperator(
        task_id="approve_cost",
        subject="?",
        response_timeout=timedelta(days=7),
        defaults=ApprovalOperator.REJECT,
    )
    parts: Any = extract(plan, approve_cost.output)
    tasks: list[Any] = [
        plan,
        approve_cost,
        parts,
        validate.partial(plan=plan).expand(part=parts),
        deduplicate(plan),
        debit_credits(plan),
        load_leads(plan),
        write_enrichment_notes.partial(plan=plan).expand(part=parts),
        release().as_teardown(),  # type: ignore[attr-defined]
    ]
    for earlier, later in pairwise(tasks):
        earlier >> later
