"""Generating leads: the form of a mining request, its trial run, and the run that it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import psycopg
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query, Response

from lead_mining import links
from lead_mining.exceptions import FieldProblem, InvalidRequest, LeadMiningError
from lead_mining.ui.access import MayMine, SeesPeople, may_look, may_trigger
from lead_mining.ui.answers import SentForm, Up, connection_of, crm_page, known_run, own_page, send_on
from lead_mining.ui.triggering import run_id_of_form, trigger

if TYPE_CHECKING:
    from lead_mining.pages.generate import Beside
    from lead_mining.request import MiningRequest
    from lead_mining.request_form import Filled
    from lead_mining.sources import Offer

DAG_ID = "lead_mining"

router = APIRouter(prefix="/generate", dependencies=[may_look])
RunKey = Annotated[str, Query(pattern=rf"^{DAG_ID}/[^\x00]+$", max_length=300)]


@router.get("/")
def form(
    session: SessionDep, user: GetUserDep, up: Up, may_mine: MayMine, sees_people: SeesPeople, of: RunKey | None = None
) -> Response:
    """The form: a new one, or one like the run `of`, with what that has found if it is a trial run."""
    from lead_mining import request_form
    from lead_mining.crm.choices import find_choices
    from lead_mining.pages.generate import form_page, no_form_page, preview_panel
    from lead_mining.summary import summary

    if not may_mine:
        return own_page(no_form_page(up))
    earlier = known_run(session, of) if of else None
    values = request_form.of_params(earlier.conf) if earlier else request_form.defaults()
    left_out: list[str] = []
    if earlier and not sees_people and earlier.triggered_by != user.get_name():
        new = request_form.defaults()
        left_out = [name for name in request_form.PEOPLES if values[name] != new[name]]
        values |= {name: new[name] for name in left_out}
    filled = request_form.filled(values).without_gaps()
    conn_id = connection_of(session, of)

    def show(conn: psycopg.Connection) -> str:
        panel = None
        if of and earlier and earlier.conf.get("dry_run"):
            panel = preview_panel(of, summary(conn, of), earlier.state, up)
        return form_page(
            *_looked_at(conn, filled, conn_id, user.get_name()),
            find_choices(conn),
            up,
            sees_people=sees_people,
            of=of,
            preview=panel,
            left_out=left_out,
        )

    return crm_page(conn_id, up, show)


@router.post("/check", dependencies=may_trigger(DAG_ID))
def check(session: SessionDep, user: GetUserDep, up: Up, sent: SentForm) -> Response:
    """While the form is filled in: what is wrong, what is chosen, what it costs."""
    from lead_mining import request_form
    from lead_mining.pages.generate import checked_parts

    filled = request_form.read(sent).without_gaps()
    conn_id = connection_of(session, _of(sent))

    def show(conn: psycopg.Connection) -> str:
        return checked_parts(*_looked_at(conn, filled, conn_id, user.get_name()), up)

    return crm_page(conn_id, up, show)


@router.post("/", dependencies=may_trigger(DAG_ID))
def send(session: SessionDep, user: GetUserDep, up: Up, sees_people: SeesPeople, sent: SentForm) -> Response:
    """Start the run or its trial run, and go where it is shown; or the form again, with what is wrong."""
    from lead_mining import planning, policy, request_form
    from lead_mining.crm.choices import find_choices
    from lead_mining.pages.generate import form_page

    sent_form, of = request_form.read(sent), _of(sent)
    conn_id = connection_of(session, of)
    trial = "generate" not in sent("send")

    def show(conn: psycopg.Connection) -> str | Response:
        filled, beside = _looked_at(conn, sent_form, conn_id, user.get_name())
        problem, problems = None, filled.problems
        try:
            if filled.request and not problems:
                planning.resolve(
                    conn,
                    policy.within(conn, filled.request.model_copy(update={"crm_conn_id": conn_id}), user.get_name()),
                )
                conf = request_form.conf_of(filled.request, conn_id) | ({"dry_run": True} if trial else {})
                return _started(session, user, up, conf, "".join(sent("token")[-1:]))
        except InvalidRequest as error:
            problems = tuple(each if sees_people else _without_people(each) for each in error.problems)
        except LeadMiningError as error:
            problem = str(error)
        page = form_page(
            filled.with_problems(problems),
            beside,
            find_choices(conn),
            up,
            sees_people=sees_people,
            of=of,
            problem=problem,
        )
        return own_page(page, status_code=422)

    return crm_page(conn_id, up, show)


@router.get("/preview")
def preview(session: SessionDep, up: Up, run: Annotated[str, Query(pattern=r"^[^\x00]+$", max_length=250)]) -> Response:
    """What a trial run has found, for the page to show in place of that it looks; nothing (204) until it has ended."""
    from lead_mining.pages.generate import preview_panel
    from lead_mining.summary import summary

    run_key = f"{DAG_ID}/{run}"
    state = known_run(session, run_key).state
    if state not in ("success", "failed"):
        return Response(status_code=204)
    return crm_page(
        connection_of(session, run_key), up, lambda conn: preview_panel(run_key, summary(conn, run_key), state, up)
    )


def _of(sent: SentForm) -> str | None:
    run_key = "".join(sent("of")[-1:])
    return run_key if run_key.startswith(f"{DAG_ID}/") else None


def _looked_at(conn: psycopg.Connection, filled: Filled, conn_id: str, asked_by: str) -> tuple[Filled, Beside]:
    """The form with what the policy and its providers refuse, and what stands beside it: nothing where it is wrong."""
    from lead_mining import policy
    from lead_mining.pages.generate import Beside
    from lead_mining.pricing import price
    from lead_mining.request_form import conf_of
    from lead_mining.searches import as_file

    request = filled.request
    if request is None:
        return filled, Beside()
    try:
        policy.within(conn, request.model_copy(update={"crm_conn_id": conn_id}), asked_by)
        offered = _offer_for(request)
    except InvalidRequest as error:
        return filled.with_problems(error.problems), Beside()
    notices = offered.notices if offered else ()
    return filled, Beside(price(conn, request, offered), as_file(conf_of(request, conn_id)), notices)


def _offer_for(request: MiningRequest) -> Offer | None:
    """What its providers say of it; None where one cannot be opened here, as a file that workers alone see.

    Raises InvalidRequest where one cannot do it, or there is none.
    """
    from lead_mining.hooks import provider_conn_ids, provider_for
    from lead_mining.sources import Source, offer

    try:
        sources = [Source(conn_id, provider_for(conn_id)) for conn_id in provider_conn_ids(request.model_dump())]
    except InvalidRequest:
        raise
    except LeadMiningError:
        return None
    return offer(sources, request)


def _started(session: SessionDep, user: GetUserDep, up: str, conf: dict[str, Any], token: str) -> Response:
    run_id = trigger(session, user, DAG_ID, conf, run_id_of_form(token, conf))
    if conf.get("dry_run"):
        return send_on(f"./?of={DAG_ID}/{run_id}")
    return send_on(up + links.request_page(DAG_ID, run_id))


def _without_people(problem: FieldProblem) -> FieldProblem:
    """Without the logins that the CRM suggests."""
    from lead_mining.request_form import LOGINS

    if problem.field not in LOGINS:
        return problem
    return FieldProblem(problem.field, problem.value, "use the login of a user of the CRM who may do this")
