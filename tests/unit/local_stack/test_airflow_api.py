"""What the commands ask of Airflow's API."""

from __future__ import annotations

import httpx
import pytest

from local_stack.airflow_api import AirflowApi


@pytest.mark.parametrize("tasks", [0, 1, 99, 100, 101, 206])
def test_all_tasks_of_a_large_run_are_read(monkeypatch: pytest.MonkeyPatch, tasks: int) -> None:
    """Airflow answers a hundred at a time, whatever more is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"access_token": "t"})
        assert request.url.path == "/api/v2/dags/d/dagRuns/r%201/taskInstances".replace("%20", " ")
        first, limit = int(request.url.params["offset"]), min(int(request.url.params["limit"]), 100)
        assert request.url.params["order_by"] == "id"
        found = [{"task_id": f"t{n}"} for n in range(tasks)[first : first + limit]]
        return httpx.Response(200, json={"task_instances": found, "total_entries": tasks})

    api = AirflowApi("http://airflow.example", "admin", "secret")
    monkeypatch.setattr(
        api, "_client", httpx.Client(base_url="http://airflow.example", transport=httpx.MockTransport(answer))
    )
    assert [task["task_id"] for task in api.tasks("d", "r 1")] == [f"t{n}" for n in range(tasks)]
