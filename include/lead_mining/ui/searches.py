"""Saved searches: what there is, when it is due, what came of it, and mining one by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import RedirectResponse
from psycopg import Connection
from pydantic import BaseModel, Field

from lead_mining.ui.access import MayTriggerNightly, may_look, may_trigger
from lead_mining.ui.answers import SentForm, Up, connection_of, crm_page, read_form
from lead_mining.ui.triggering import NotTriggered, trigger

NIGHTLY = "lead_mining_nightly"

router = APIRouter()


class ToMine(BaseModel):
    """The form: the search that is mined."""

    key: str = Field(max_length=100)


@router.get("/searches/", dependencies=[may_look])
def saved_searches(session: SessionDep, up: Up, may_mine: MayTriggerNightly, started: str | None = None) -> Response:
    """All of them, the one that is due next first; what came of them in the CRM of the default connection."""
    from lead_mining import search_history, searches
    from lead_mining.pages.searches import searches_page

    found = searches.read_all()
    by_key = {search.key: search.name for search in found if isinstance(search, searches.SavedSearch)}

    def show(conn: Connection) -> str:
        last_runs = search_history.last_runs(conn, list(by_key.values()))
        used = search_history.used_this_month(conn)
        return searches_page(found, last_runs, used, datetime.now(UTC), may_mine, by_key.get(started or ""), up)

    return crm_page(connection_of(session, None), up, show)


@router.post("/searches/", dependencies=may_trigger(NIGHTLY))
def mine_by_hand(session: SessionDep, user: GetUserDep, sent: SentForm) -> RedirectResponse:
    """Mines a search for today."""
    from lead_mining import searches

    key = read_form(ToMine, sent).key
    if key not in {search.key for search in searches.read_all()}:
        raise HTTPException(404, "There is no such saved search any more")
    try:
        trigger(session, user, NIGHTLY, {"searches": [key]})
    except NotTriggered as error:
        raise HTTPException(400, str(error)) from None
    return RedirectResponse(f"?started={key}", status_code=303)
