"""Data Docs in the Airflow UI: what Great Expectations found in each mining run, at /lead-mining/data-docs/.

The menu has an entry for it. Airflow does not authenticate what plugins serve: every path here asks for what Airflow
asks for a look at the runs of the DAG `lead_mining`. The folder is `LEAD_MINING_DATA_DOCS`, else `data_docs` in
`AIRFLOW_HOME`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from lead_mining.hooks import data_docs_folder

PREFIX = "/lead-mining/data-docs"

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
# Great Expectations' pages bring scripts and do not escape all they show. In a sandbox they have an origin of their own
# and can neither call Airflow's API nor read its cookies.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-popups", **_HEADERS}
_OWN_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", **_HEADERS}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>
<style>:root {{ color-scheme: light dark }} td {{ padding-right: 2rem }}
body {{ font: 15px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem }}</style></head>
<body><h1>Data Docs</h1>{}</body></html>"""
_NO_RUNS = (
    "<p>No mining run has been checked yet. Trigger the DAG <code>lead_mining</code>: its task <code>validate</code> "
    "writes the first Data Docs.</p>"
)

app = FastAPI(title="Lead mining: Data Docs", openapi_url=None)
_may_look = Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id="lead_mining"))


Folder = Annotated[Path, Depends(data_docs_folder)]


@app.get("/", dependencies=[_may_look])
def list_runs(docs: Folder) -> HTMLResponse:
    """The runs that have Data Docs, newest first."""
    indexes = docs.glob("[!.]*/index.html") if docs.is_dir() else ()
    found = sorted(((index.stat().st_mtime, index.parent.name) for index in indexes), reverse=True)
    rows = "".join(
        f'<tr><td><a href="{escape(name)}/index.html">{escape(name)}</a></td>'
        f"<td>{datetime.fromtimestamp(changed, UTC):%Y-%m-%d %H:%M} UTC</td></tr>"
        for changed, name in found
    )
    return HTMLResponse(_PAGE.format(f"<table>{rows}</table>" if rows else _NO_RUNS), headers=_OWN_PAGE)


@app.get("/{path:path}", dependencies=[_may_look])
async def page(path: str, request: Request, docs: Folder) -> Response:
    """A page of a run's Data Docs. StaticFiles refuses whatever lies outside the folder."""
    if any(part.startswith(".") for part in Path(path).parts):  # what is being written
        raise HTTPException(404)
    response = await StaticFiles(directory=docs, check_dir=False).get_response(path, request.scope)
    response.headers.update(_SANDBOX)
    return response


class LeadMiningDataDocsPlugin(AirflowPlugin):
    """Serves the Data Docs and puts them into the menu, where they open in a tab of their own."""

    name = "lead_mining_data_docs"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Lead mining Data Docs"}]
    # Relative, so that it holds where Airflow lives below a path. Without url_route, or the page would be in a frame,
    # in which a sandboxed page's links are sent without the session's cookie.
    external_views = [
        {"name": "Data Docs", "href": f"{PREFIX.lstrip('/')}/", "destination": "nav", "category": "browse"}
    ]
