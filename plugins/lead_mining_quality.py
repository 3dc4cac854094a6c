"""Quality in the Airflow UI: Data Docs, rejections of a run, and pass rates over time, at /lead-mining/.

The menu has entries for them. Airflow does not authenticate what plugins serve: every path here asks for what Airflow
asks for a look at the runs of the DAG `lead_mining`. The folder of Data Docs is `LEAD_MINING_DATA_DOCS`, else
`data_docs` in `AIRFLOW_HOME`; all else is read from the CRM's database that the run in question wrote to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models import DagRun
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from starlette.staticfiles import StaticFiles

from lead_mining import links
from lead_mining.exceptions import LeadMiningError
from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.hooks import crm_connection, data_docs_folder

PREFIX = f"/{links.ROOT}"
MOST_ROWS = 500

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
# Great Expectations' pages bring scripts and do not escape all they show. In a sandbox they have an origin of their own
# and can neither call Airflow's API nor read its cookies.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-popups", **_HEADERS}
_OWN_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", **_HEADERS}

log = logging.getLogger(__name__)
app = FastAPI(title="Lead mining: quality", openapi_url=None)
_may_look = Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id="lead_mining"))

Folder = Annotated[Path, Depends(data_docs_folder)]


@app.get("/data-docs/", dependencies=[_may_look])
def list_data_docs(docs: Folder) -> HTMLResponse:
    """The runs that have Data Docs, newest first."""
    from lead_mining.pages.data_docs import runs_page

    indexes = docs.glob("[!.]*/index.html") if docs.is_dir() else ()
    found = sorted(((index.stat().st_mtime, index.parent.name) for index in indexes), reverse=True)
    runs = [(name, datetime.fromtimestamp(changed, UTC)) for changed, name in found]
    return HTMLResponse(runs_page(runs), headers=_OWN_PAGE)


@app.get("/data-docs/{path:path}", dependencies=[_may_look])
async def data_docs_page(path: str, request: Request, docs: Folder) -> Response:
    """A page of a run's Data Docs. StaticFiles refuses whatever lies outside the folder."""
    if any(part.startswith(".") for part in Path(path).parts):  # what is being written
        raise HTTPException(404)
    response = await StaticFiles(directory=docs, check_dir=False).get_response(path, request.scope)
    response.headers.update(_SANDBOX)
    return response


@app.get("/quality/", dependencies=[_may_look])
def quality_over_time(session: SessionDep, crm_of: str | None = None) -> HTMLResponse:
    """Pass rates of the latest runs; in the CRM of the run `crm_of`, by default in that of the default connection."""
    from lead_mining.pages.quality import over_time_page
    from lead_mining.quality import results

    conn_id = _crm_of(session, crm_of) if crm_of else CRM_CONNECTION["default"]
    return _page(conn_id, lambda conn: over_time_page(results.over_time(conn, MOST_ROWS)))


@app.get("/quality/{dag_id}/{run_id}", dependencies=[_may_look])
def rejections_of_a_run(session: SessionDep, dag_id: str, run_id: str, rule: str | None = None) -> HTMLResponse:
    """What a run turned down or let pass with a warning, by which rule."""
    from lead_mining.pages.quality import rejections_page
    from lead_mining.pages.rendering import problem
    from lead_mining.rejections import rejected_rows
    from lead_mining.summary import summary

    run_key = f"{dag_id}/{run_id}"

    def show(conn: psycopg.Connection) -> str:
        run = summary(conn, run_key)
        if run is None:
            return problem("The run has not been prepared yet: look again when its first task has ended.")
        return rejections_page(run_key, run, rule, rejected_rows(conn, run_key, rule, MOST_ROWS), MOST_ROWS)

    return _page(_crm_of(session, run_key), show)


def _crm_of(session: SessionDep, run_key: str) -> str:
    """The CRM connection of a run that Airflow knows: a browser names runs, never connections."""
    dag_id, _, run_id = run_key.partition("/")
    found = session.execute(select(DagRun.conf).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    if found is None:
        raise HTTPException(404, "There is no such run")
    return str((found[0] or {}).get("crm_conn_id") or CRM_CONNECTION["default"])


def _page(conn_id: str, show: Callable[[psycopg.Connection], str]) -> HTMLResponse:
    from lead_mining.migrations import check_migrated
    from lead_mining.pages.rendering import problem

    try:
        with crm_connection(conn_id) as conn:
            check_migrated(conn)
            conn.execute("SET statement_timeout = '20s'")
            return HTMLResponse(show(conn), headers=_OWN_PAGE)
    except LeadMiningError as error:
        what = str(error)
    except psycopg.Error:
        log.exception("a page of lead mining could not be made")
        what = (
            "The CRM's database does not answer as it should; the log of Airflow's API server says how. Try again later"
        )
    return HTMLResponse(problem(what), status_code=503, headers=_OWN_PAGE)


class LeadMiningQualityPlugin(AirflowPlugin):
    """Serves the pages and puts two of them into the menu, where they open in a tab of their own."""

    name = "lead_mining_quality"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Lead mining quality"}]
    # Relative, so that it holds where Airflow lives below a path. Without url_route, or the page would be in a frame,
    # in which a sandboxed page's links are sent without the session's cookie.
    external_views = [
        {"name": name, "href": f"{folder}/", "destination": "nav", "category": "browse"}
        for name, folder in (("Data Docs", links.DATA_DOCS), ("Lead quality", links.QUALITY))
    ]
