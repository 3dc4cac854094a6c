"""Airflow's REST API beyond the calls that the product makes."""

from __future__ import annotations

from typing import Any

import httpx

from local_stack.stack import Stack


def api(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    token = httpx.post(f"{stack.url}/auth/token", json={"username": stack.user, "password": stack.password})
    headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
    answer = httpx.request(method, f"{stack.url}/api/v2{path}", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else None
