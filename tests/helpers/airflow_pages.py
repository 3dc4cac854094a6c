"""Airflow for the pages' tests, with a database of its own; and browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient


@pytest.fixture(scope="session")
def token_of() -> Callable[[str | None], str]:
    """What the real auth manager gives a user of that role."""
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb

    initdb()
    manager = init_auth_manager()
    return lambda role: manager.generate_jwt(SimpleAuthManagerUser(username="vera", role=role))


@pytest.fixture
def anonymous(token_of: Callable[[str | None], str]) -> Iterator[TestClient]:
    from lead_mining.ui.app import app

    root = FastAPI()
    root.mount("/lead-mining", app)
    with TestClient(root, base_url="http://airflow/", follow_redirects=False) as client:
        yield client


@pytest.fixture
def viewer(anonymous: TestClient, token_of: Callable[[str | None], str]) -> TestClient:
    """A browser that has logged in, of a user who may only look: Airflow keeps the token in a cookie."""
    anonymous.cookies.set("_token", token_of("viewer"))
    return anonymous


@pytest.fixture
def user(anonymous: TestClient, token_of: Callable[[str | None], str]) -> TestClient:
    """A browser that has logged in, of a user who may trigger DAGs too."""
    anonymous.cookies.set("_token", token_of("user"))
    return anonymous


@pytest.fixture
def airflow_run(token_of: Callable[[str | None], str]) -> Iterator[Callable[..., None]]:
    """Makes a DAG run, known to Airflow until the test ends, of a run key, in a state, with params."""
    from airflow._shared.timezones import timezone
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    def make(run_key: str, state: str = "success", **conf: Any) -> None:
        dag_id, _, run_id = run_key.partition("/")
        with create_session() as session:
            session.add(
                DagRun(
                    dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL, state=DagRunState(state), conf=conf,
                    run_after=timezone.utcnow(),
                )
            )  # fmt: skip

    yield make
    with create_session() as session:
        session.query(DagRun).delete()
