"""The requests of a CRM, and one of them: its leads with their notes, rejections and credits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import psycopg
from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import HTMLResponse

from lead_mining import request_list
from lead_mining.request_list import DAGS, MinedRequest, State
from lead_mining.ui import airflow_runs
from lead_mining.ui.access import MayRetry, SeesPeople, may_look
from lead_mining.ui.answers import NOTE, Text, Up, connection_of, crm_page

_REQUESTS_A_PAGE = 25
_LEADS_A_PAGE = 20
_STATES = {"running": ("queued", "running"), "failed": ("failed",)}

router = APIRouter(dependencies=[may_look])
Id = Annotated[int, Query(ge=0, lt=2**63)]
CandidateId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/")
def list_requests(
    session: SessionDep,
    up: Up,
    search: Text = "",
    number: Text = "",
    state: Literal["", "running", "failed", "done"] = "",
    before: Id | None = None,
    after: Id | None = None,
    crm_of: Text = "",
    seen: Text = "",
) -> Response:
    """Requests, newest first, in the CRM of the run `crm_of`, by default that of the default connection.

    `seen`: what a page that follows them shows already; if nothing has changed, the answer is empty (204).
    """
    from lead_mining.pages.requests import Filters, fingerprint, requests_page

    conn_id = connection_of(session, crm_of or None)
    filters = Filters(search=search, number=number.strip(), state=state, crm_of=crm_of)
    in_state = _STATES.get(state, ())
    wanted = request_list.Wanted(
        saved_search=search or None,
        number=filters.number or None,
        complete=state == "done",
        run_keys=airflow_runs.newest_in(session, in_state) if in_state else None,
    )

    def show(conn: psycopg.Connection) -> str | Response:
        page = request_list.page_of(conn, wanted, _REQUESTS_A_PAGE, before, after)
        states = airflow_runs.states_of(session, [request.run_key for request in page.requests])
        listed = [(request, request.state(states.get(request.run_key))) for request in page.requests]
        if not (search or wanted.number or wanted.complete or before or after):
            oldest = page.requests[-1].created_at if page.older else None
            new = airflow_runs.newest_requests(session, conn_id, in_state)
            listed += _not_prepared(conn, new, oldest)
            listed.sort(key=lambda one: one[0].created_at, reverse=True)
        if seen == fingerprint(listed):
            return Response(status_code=204)
        searches = request_list.saved_searches(conn)
        return requests_page(
            listed, filters, searches, up, older=page.older, newer=page.newer, before=before, after=after
        )

    return crm_page(conn_id, up, show)


@router.get("/requests/{dag_id}/{run_id}")
def one_request(
    session: SessionDep,
    up: Up,
    dag_id: str,
    run_id: str,
    sees_people: SeesPeople,
    may_retry: MayRetry,
    after: Id = 0,
    seen: Text = "",
) -> Response:
    """A request: how far it has come, what it found and cost, its leads and rejections, and what to do next."""
    from lead_mining import mined_leads
    from lead_mining.crm.web import lead_address
    from lead_mining.pages.requests import RequestReport, fingerprint, request_page, unprepared_page
    from lead_mining.summary import summary

    run_key = _request_key(dag_id, run_id)
    conn_id = connection_of(session, run_key)

    def show(conn: psycopg.Connection) -> str | Response:
        asked, airflow = airflow_runs.one_request(session, dag_id, run_id) or (None, None)
        request = request_list.find(conn, run_key) or asked
        assert request is not None, "connection_of has found it"
        state = request.state(airflow)
        if seen == fingerprint([(request, state)]):
            return Response(status_code=204)
        run = summary(conn, run_key)
        if request.id is None or run is None:
            return unprepared_page(request, state, up)
        leads = mined_leads.leads_of(conn, request.id, after, _LEADS_A_PAGE + 1)
        report = RequestReport(
            request=request,
            state=state,
            run=run,
            refunded=mined_leads.refunded(conn, request.id),
            leads=leads[:_LEADS_A_PAGE],
            more_leads=len(leads) > _LEADS_A_PAGE,
            first_leads=after == 0,
            lead_address=lead_address(conn),
            retries=request_list.retries_of(conn, request.id),
        )
        return request_page(report, up, sees_people=sees_people, may_retry=may_retry)

    return crm_page(conn_id, up, show)


@router.get("/requests/{dag_id}/{run_id}/notes/{candidate_id}")
def note(
    session: SessionDep, up: Up, dag_id: str, run_id: str, candidate_id: CandidateId, sees_people: SeesPeople
) -> Response:
    """The enrichment note of a lead, as a page without scripts, for a frame in the page of its request."""
    from lead_mining.mined_leads import note_of
    from lead_mining.pages.requests import note_page

    if not sees_people:
        raise HTTPException(403, "Enrichment notes hold people's names and addresses: ask for the right to trigger the"
                                 " DAG privacy_export")  # fmt: skip
    run_key = _request_key(dag_id, run_id)

    def show(conn: psycopg.Connection) -> Response:
        html = note_of(conn, run_key, candidate_id)
        if html is None:
            raise HTTPException(404, "There is no such note")
        return HTMLResponse(note_page(html), headers=NOTE)

    return crm_page(connection_of(session, run_key), up, show)


def _not_prepared(
    conn: psycopg.Connection, new: Sequence[tuple[MinedRequest, str]], since: datetime | None
) -> list[tuple[MinedRequest, State]]:
    """Of Airflow's newest runs those that are not in the CRM's database, with their states: waiting, or refused."""
    prepared = request_list.known_keys(conn, [request.run_key for request, _ in new])
    return [
        (request, request.state(airflow))
        for request, airflow in new
        if request.run_key not in prepared and (since is None or request.created_at >= since)
    ]


def _request_key(dag_id: str, run_id: str) -> str:
    if dag_id not in DAGS:
        raise HTTPException(404, "There is no such request")
    return f"{dag_id}/{run_id}"
