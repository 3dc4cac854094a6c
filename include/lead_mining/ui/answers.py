"""What all routes answer with: pages made from the CRM's database, with headers that keep other sites out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, get_origin

import psycopg
from airflow.models import DagRun
from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from lead_mining import links
from lead_mining.exceptions import LeadMiningError
from lead_mining.form_fields import CRM_CONNECTION
from lead_mining.hooks import crm_connection
from lead_mining.plain import logger
from lead_mining.request_list import DAGS

HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
# Scripts from our own files alone, styles in the page for pictures.
OWN_PAGE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; frame-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    **HEADERS,
}
# What a provider's texts are shown in: nothing is loaded or run, and links open outside the frame.
NOTE = {
    "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
    " style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'",
    **HEADERS,
}
Text = Annotated[str, Query(max_length=300, pattern=r"^[^\x00]*$")]
"""A word in an address, which PostgreSQL can be asked for."""

MOST_SENT = 1_000_000
"""Bytes of a form: the largest of ours, with 500 companies to try again, has a fiftieth of it."""

log = logger(__name__)

_Form = TypeVar("_Form", bound=BaseModel)


def _up(request: Request) -> str:
    scope: Mapping[str, str] = request.scope
    airflow = scope["root_path"].removesuffix(f"/{links.ROOT}")
    return "../" * (scope["path"].removeprefix(airflow).count("/") - 1)


Up = Annotated[str, Depends(_up)]
"""From the page that is asked for to Airflow's base, relative, so that it holds where Airflow lives below a path."""


def own_page(html: str, status_code: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status_code=status_code, headers=OWN_PAGE)


def send_on(where: str) -> Response:
    """After a form was taken: reloading what comes does not send it again. `where`: relative to the form's page."""
    return Response(status_code=303, headers={"Location": where, **HEADERS})


async def _sent(request: Request) -> Callable[[str], list[str]]:
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "Send the form with its length")
    if int(length) > MOST_SENT:
        raise HTTPException(413, f"A form may have {MOST_SENT:,} bytes at most")
    form = await request.form(max_files=0)
    return lambda name: [value for value in form.getlist(name) if isinstance(value, str)]


SentForm = Annotated[Callable[[str], list[str]], Depends(_sent)]
"""Name of a field to all that was sent under it.

A route takes forms by this alone, never by FastAPI's `Form()`, which reads all that is sent before it asks who sends.
"""


def read_form(model: type[_Form], sent: Callable[[str], list[str]]) -> _Form:
    """The fields of a form, checked; lists have all that was sent. Raises RequestValidationError (422)."""
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    values = {name: sent(name) for name in model.model_fields if sent(name)}
    try:
        return model.model_validate({name: all_ if name in lists else all_[-1] for name, all_ in values.items()})
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False, include_url=False)) from None


class KnownRun(NamedTuple):
    """A DAG run as Airflow knows it."""

    conf: dict[str, Any]
    state: str
    triggered_by: str | None


def known_run(session: Session, run_key: str) -> KnownRun:
    """Raises HTTPException (404) where Airflow knows no such run."""
    dag_id, _, run_id = run_key.replace("\0", "").partition("/")  # which PostgreSQL cannot be asked for
    chosen = select(DagRun.conf, DagRun.state, DagRun.triggering_user_name)
    found = session.execute(chosen.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    if found is None:
        raise HTTPException(404, "There is no such run")
    return KnownRun(found[0] or {}, str(found[1]), found[2])


def connection_of(session: Session, run_key: str | None) -> str:
    """The CRM connection of a request's run, the default one for None: a browser names runs, not connections.

    Runs of other DAGs are not asked: who may trigger one of those could name any connection in its params.
    Raises HTTPException (404) where there is no such run.
    """
    if run_key is None:
        return str(CRM_CONNECTION["default"])
    if run_key.partition("/")[0] not in DAGS:
        raise HTTPException(404, "There is no such request")
    return connection_in(known_run(session, run_key).conf)


def connection_in(conf: Any) -> str:
    """The CRM connection that a run was triggered with."""
    return str((conf or {}).get("crm_conn_id") or CRM_CONNECTION["default"])


def crm_page(conn_id: str, up: Up, show: Callable[[psycopg.Connection], str | Response]) -> Response:
    """What `show` answers from a CRM, or the page that it makes; where that cannot be read, one that says why (503)."""
    from lead_mining.migrations import check_migrated
    from lead_mining.pages.rendering import problem

    try:
        with crm_connection(conn_id) as conn:
            check_migrated(conn)
            conn.execute("SET statement_timeout = '20s'")
            shown = show(conn)
            return own_page(shown) if isinstance(shown, str) else shown
    except LeadMiningError as error:
        what = str(error)
    except psycopg.Error:
        log.exception("a page of lead mining could not be made")
        what = (
            "The CRM's database does not answer as it should; the log of Airflow's API server says how. Try again later"
        )
    return own_page(problem(what, up), status_code=503)
