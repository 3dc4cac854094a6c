"""Data Docs, and quality over time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from lead_mining.hooks import data_docs_folder
from lead_mining.ui.access import may_look
from lead_mining.ui.answers import HEADERS, Text, Up, connection_of, crm_page, own_page

MOST_ROWS = 150
# Great Expectations' pages bring scripts and do not escape all they show. In a sandbox they have an origin of their own
# and can neither call Airflow's API nor read its cookies.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-popups", **HEADERS}

router = APIRouter(dependencies=[may_look])
Folder = Annotated[Path, Depends(data_docs_folder)]


@router.get("/data-docs/")
def list_data_docs(docs: Folder, up: Up) -> HTMLResponse:
    """The runs that have Data Docs, newest first."""
    from lead_mining.pages.data_docs import runs_page

    indexes = docs.glob("[!.]*/index.html") if docs.is_dir() else ()
    found = sorted(((index.stat().st_mtime, index.parent.name) for index in indexes), reverse=True)
    runs = [(name, datetime.fromtimestamp(changed, UTC)) for changed, name in found]
    return own_page(runs_page(runs, up))


@router.get("/data-docs/{path:path}")
async def data_docs_page(path: str, request: Request, docs: Folder) -> Response:
    """A page of a run's Data Docs. StaticFiles refuses whatever lies outside the folder."""
    if any(part.startswith(".") for part in Path(path).parts):  # what is being written
        raise HTTPException(404)
    response = await StaticFiles(directory=docs, check_dir=False).get_response(path, request.scope)
    response.headers.update(_SANDBOX)
    return response


@router.get("/quality/")
def quality_over_time(session: SessionDep, up: Up, crm_of: Text | None = None) -> Response:
    """Pass rates of the latest runs, in the CRM of the run `crm_of`, by default that of the default connection."""
    from lead_mining.pages.quality import over_time_page
    from lead_mining.quality import results

    return crm_page(
        connection_of(session, crm_of), up, lambda conn: over_time_page(results.over_time(conn, MOST_ROWS), up)
    )
