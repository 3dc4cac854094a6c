"""The plugin: who may see its pages, which database they are read from, and that Data Docs cannot act in the UI."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from lead_mining.hooks import data_docs_folder
from lead_mining.ui import answers


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_MINING_DATA_DOCS", str(tmp_path / "docs"))
    (tmp_path / "secret.html").write_text("secret")
    return tmp_path / "docs"


def write_run(docs: Path, name: str, text: str = "<h1>found</h1>", changed: int | None = None) -> None:
    folder = docs / name
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(text)
    if changed is not None:
        os.utime(folder / "index.html", (changed, changed))


@pytest.mark.parametrize("path", ["", "run-1/index.html", "run-1/", "no-such-run/index.html"])
def test_anonymous_requests_are_refused(anonymous: TestClient, docs: Path, path: str) -> None:
    write_run(docs, "run-1")
    response = anonymous.get(f"/lead-mining/data-docs/{path}")
    assert response.status_code == 401
    assert "found" not in response.text


@pytest.mark.parametrize("token_given", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."])
def test_a_false_token_is_refused(anonymous: TestClient, docs: Path, token_given: str) -> None:
    write_run(docs, "run-1")
    anonymous.cookies.set("_token", token_given)
    assert anonymous.get("/lead-mining/data-docs/run-1/index.html").status_code in (401, 403)


def test_a_user_without_a_role_is_refused(
    anonymous: TestClient, token_of: Callable[[str | None], str], docs: Path
) -> None:
    write_run(docs, "run-1")
    nobody = token_of(None)
    assert (
        anonymous.get(
            "/lead-mining/data-docs/run-1/index.html", headers={"Authorization": f"Bearer {nobody}"}
        ).status_code
        == 403
    )


def test_a_viewer_sees_runs_newest_first(viewer: TestClient, docs: Path) -> None:
    write_run(docs, "run-1", changed=1_700_000_000)
    write_run(docs, "run-2", changed=1_800_000_000)
    write_run(docs, ".new-abc", changed=1_900_000_000)
    page = viewer.get("/lead-mining/data-docs/").text
    assert page.index('href="run-2/index.html"') < page.index('href="run-1/index.html"')
    assert "2023-11-14 22:13 UTC" in page
    assert ".new-abc" not in page


def test_a_token_in_the_header_serves_too(
    anonymous: TestClient, token_of: Callable[[str | None], str], docs: Path
) -> None:
    write_run(docs, "run-1")
    token = token_of("viewer")
    response = anonymous.get("/lead-mining/data-docs/run-1/index.html", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.text) == (200, "<h1>found</h1>")


@pytest.mark.parametrize("made", [False, True])
def test_without_runs_the_page_says_what_to_do(viewer: TestClient, docs: Path, made: bool) -> None:
    if made:
        docs.mkdir()
    response = viewer.get("/lead-mining/data-docs/")
    assert response.status_code == 200
    assert "Trigger the DAG" in response.text


def test_docs_are_served_in_a_sandbox_without_our_origin(viewer: TestClient, docs: Path) -> None:
    write_run(docs, "run-1", "<script>fetch('/api/v2/connections')</script>")
    policy = viewer.get("/lead-mining/data-docs/run-1/index.html").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert viewer.get("/lead-mining/data-docs/run-1/index.html").headers["X-Content-Type-Options"] == "nosniff"


def test_our_own_page_runs_no_script_and_escapes_names(viewer: TestClient, docs: Path) -> None:
    write_run(docs, "<img src=x onerror=alert(1)>")
    response = viewer.get("/lead-mining/data-docs/")
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<img" not in response.text
    assert "&lt;img" in response.text


@pytest.mark.parametrize(
    "path", ["../secret.html", "%2e%2e/secret.html", "run-1/../../secret.html", "run-1/%2e%2e%2f%2e%2e%2fsecret.html",
             "..%5csecret.html", "%2fetc%2fpasswd", "run-1/%00", ".new-abc/index.html", "x" * 5000]
)  # fmt: skip
def test_nothing_outside_the_folder_is_served(viewer: TestClient, docs: Path, path: str) -> None:
    write_run(docs, "run-1")
    write_run(docs, ".new-abc", "half written")
    response = viewer.get(f"/lead-mining/data-docs/{path}")
    assert response.status_code in (401, 404)
    assert "secret" not in response.text
    assert "half written" not in response.text


def test_a_link_out_of_the_folder_is_not_followed(viewer: TestClient, docs: Path) -> None:
    write_run(docs, "run-1")
    (docs / "run-1" / "out.html").symlink_to(docs.parent / "secret.html")
    assert viewer.get("/lead-mining/data-docs/run-1/out.html").status_code == 404


@pytest.mark.parametrize("path", ["quality/", "quality/?crm_of=lead_mining/x", "quality/lead_mining/x"])
def test_anonymous_requests_for_the_crms_data_are_refused(anonymous: TestClient, path: str) -> None:
    assert anonymous.get(f"/lead-mining/{path}").status_code == 401


@pytest.mark.parametrize(
    "path", ["quality/?crm_of=lead_mining/x", "quality/?crm_of=x", "quality/lead_mining/x", "quality/x/%27%3B--"]
)
def test_a_run_that_airflow_does_not_know_opens_no_connection(
    viewer: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(answers, "crm_connection", lambda conn_id: pytest.fail(f"{conn_id} was opened"))
    assert viewer.get(f"/lead-mining/{path}").status_code == 404


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (None, "there is no Airflow connection with this id"),
        ("http://example.com", "the CRM&#39;s must be postgres"),
        ("postgresql://u:p@127.0.0.1:1/x", "The CRM&#39;s database does not answer"),
    ],
)
def test_a_crm_that_cannot_be_read_is_named_and_no_password_shown(
    viewer: TestClient, monkeypatch: pytest.MonkeyPatch, connection: str | None, said: str
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LEAD_MINING_CRM", raising=False)
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", connection)
    response = viewer.get("/lead-mining/quality/")
    assert response.status_code == 503
    assert said in response.text
    assert "u:p" not in response.text
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_folder_is_in_airflow_home_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LEAD_MINING_DATA_DOCS", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert data_docs_folder() == tmp_path / "data_docs"
    monkeypatch.delenv("AIRFLOW_HOME")
    assert data_docs_folder() == Path.home() / "airflow" / "data_docs"
