"""Credit accounts, spending and the statement; buying credits by the DAG `credits_top_up`."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError
from fastapi import APIRouter, HTTPException, Query, Response

from lead_mining.form_fields import CRM_CONNECTION, TOP_UP, values_sent
from lead_mining.ui.access import MayTopUp, may_look, may_trigger
from lead_mining.ui.answers import HEADERS, SentForm, Up, crm_page, known_run, own_page, send_on
from lead_mining.ui.triggering import NotTriggered, run_id_of_form, trigger

DAG_ID = "credits_top_up"
LINES = 50
MOST_WAITING = 50
_CRM = str(CRM_CONNECTION["default"])

router = APIRouter(prefix="/credits", dependencies=[may_look])
RunId = Annotated[str, Query(pattern=r"^[^\x00]+$", max_length=250)]


@router.get("/")
def show_credits(
    session: SessionDep,
    up: Up,
    may_top_up: MayTopUp,
    account: str | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    booking: RunId | None = None,
) -> Response:
    """All accounts; the statement of `account`, or of all, from before a line on; how far the run `booking` is."""
    from lead_mining.pages.credits import TopUp

    state = known_run(session, f"{DAG_ID}/{booking}").state if booking else None
    booked = (booking, state) if booking and state else None
    form = TopUp({name: schema.get("default") for name, schema in TOP_UP.items()}, {}) if may_top_up else None
    return crm_page(_CRM, up, lambda conn: _page(conn, up, form, account or None, before, booked))


@router.post("/", dependencies=may_trigger(DAG_ID))
def top_up(session: SessionDep, user: GetUserDep, up: Up, sent: SentForm) -> Response:
    """Start the booking, and go where it is shown; or the form again, with what is wrong."""
    from lead_mining.pages.credits import TopUp

    values = values_sent(TOP_UP, sent)
    problems, problem = _problems(values), None
    if not problems:
        try:
            run_id = run_id_of_form("".join(sent("token")[-1:]), values)
            return send_on(f"./?booking={trigger(session, user, DAG_ID, values, run_id)}")
        except NotTriggered as error:
            problem = str(error)
    form = TopUp(values, problems, problem)
    return crm_page(_CRM, up, lambda conn: own_page(_page(conn, up, form), status_code=422))


@router.get("/booking")
def booking(session: SessionDep, run: RunId) -> Response:
    """Lets the page that waits for a booking load again when it has ended; nothing (204) until then."""
    if known_run(session, f"{DAG_ID}/{run}").state in ("success", "failed"):
        return Response(headers={"HX-Refresh": "true", **HEADERS})
    return Response(status_code=204, headers=HEADERS)


def _page(
    conn: psycopg.Connection,
    up: str,
    form: Any,
    account: str | None = None,
    before: int | None = None,
    booked: tuple[str, str] | None = None,
) -> str:
    from lead_mining import provider_calls, runs
    from lead_mining.credits import overview
    from lead_mining.pages.credits import Statement, credits_page

    accounts = overview.all_accounts(conn)
    if account is not None and account not in {each.name for each in accounts}:
        raise HTTPException(404, "There is no such credit account")
    lines = overview.statement(conn, account, before, LINES + 1)
    calls = provider_calls.unsettled(conn)[:MOST_WAITING]
    return credits_page(
        accounts,
        overview.open_holds(conn, MOST_WAITING),
        calls,
        runs.keys(conn, [call.run_id for call in calls]),
        overview.spending(conn),
        Statement(lines[:LINES], account, before, len(lines) > LINES),
        up,
        top_up=form,
        booking=booked,
    )


def _problems(values: dict[str, Any]) -> dict[str, str]:
    """What Airflow has against the values, by field."""
    found = {}
    for name, schema in TOP_UP.items():
        try:
            Param(**schema).resolve(values[name])
        except ParamValidationError as error:
            found[name] = str(error).partition("\n")[0]
    return found
