"""The few calls of Airflow's REST API (v2) that the commands make."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from local_stack.errors import AirflowApiError


class AirflowApi:
    """A client of one API server."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user, self._password = url, user, password
        self._token: str | None = None
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)  # never by a proxy

    def _call(self, method: str, path: str, body: object = None) -> Any:
        if self._token is None:
            answer = self._client.post("/auth/token", json={"username": self.user, "password": self._password})
            self._token = self._checked(answer)["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._checked(self._client.request(method, f"/api/v2{path}", json=body, headers=headers))

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        if answer.is_error:
            try:
                detail = answer.json()["detail"]
            except (ValueError, KeyError, TypeError):
                detail = answer.text
            raise AirflowApiError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {detail}")
        return answer.json()

    # -- health

    def is_healthy(self, url: str) -> bool:
        try:
            return self._client.get(url, timeout=5).is_success
        except httpx.HTTPError:
            return False

    def heartbeats(self) -> dict[str, datetime]:
        """Service to its last sign of life; empty while the API server does not answer."""
        try:
            health = self._call("GET", "/monitor/health")  # logged in: another Airflow on this port is not ours
        except (httpx.HTTPError, AirflowApiError):
            return {}
        beats = {"api-server": datetime.now(UTC)}
        for key in ("scheduler", "dag_processor", "triggerer"):
            if beat := (health.get(key) or {}).get(f"latest_{key}_heartbeat"):
                beats[key.replace("_", "-")] = datetime.fromisoformat(beat)
        return beats

    def warm(self) -> None:
        """Ask the execution API once: its first answer takes longer than a task's client waits."""
        self._client.get("/execution/health", timeout=120)

    # -- pools, DAGs and runs

    def add_pool(self, name: str, slots: int, description: str) -> None:
        """A pool that deferred tasks count in as well. One that is there keeps its size."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": True}
        try:
            self._call("POST", "/pools", body)
        except AirflowApiError as error:
            if ": 409 " not in str(error):
                raise

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """None where Airflow does not know it."""
        try:
            found: dict[str, Any] = self._call("GET", f"/dags/{quote(dag_id)}")
        except AirflowApiError as error:
            if ": 404 " in str(error):
                return None
            raise
        return found

    def import_errors(self) -> dict[str, str]:
        """DAG file to the error that it has."""
        answer = self._call("GET", "/importErrors")
        return {error["filename"]: error["stack_trace"] for error in answer["import_errors"]}

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run; returns its id. Raises AirflowApiError where the params are refused."""
        run: dict[str, str] = self._call("POST", f"/dags/{quote(dag_id)}/dagRuns", {"logical_date": None, "conf": conf})
        return run["dag_run_id"]

    def run_state(self, dag_id: str, run_id: str) -> str:
        state: str = self._call("GET", f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}")["state"]
        return state

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, as Airflow describes them."""
        path = f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}/taskInstances?order_by=id&limit=100"  # no page is longer
        found: list[dict[str, Any]] = []
        while page := self._call("GET", f"{path}&offset={len(found)}")["task_instances"]:
            found += page
            if len(page) < 100:
                break
        return found
