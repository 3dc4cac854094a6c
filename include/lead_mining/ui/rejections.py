"""The rejections of a run, and having them tried again."""

from __future__ import annotations

from typing import Annotated

import psycopg
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from lead_mining import links
from lead_mining.ui.access import MayRetry, may_look, may_trigger
from lead_mining.ui.answers import SentForm, Text, Up, connection_of, crm_page, read_form
from lead_mining.ui.triggering import NotTriggered, trigger

RETRY = "retry_rejections"
MOST_ROWS = 500
MOST_AT_ONCE = 10_000  # as that DAG's own form

CandidateId = Annotated[int, Field(ge=1, lt=2**63)]
Rule = Annotated[str, Field(max_length=100, pattern=r"^\w+$")]


class ToTryAgain(BaseModel):
    """The form: the candidates that are chosen, or `every` one, and the rules that are not to be asked."""

    candidate: list[CandidateId] = Field(default_factory=list, max_length=MOST_ROWS)
    overrule: list[Rule] = Field(default_factory=list, max_length=100)
    every: bool = False


router = APIRouter(dependencies=[may_look])


@router.get("/quality/{dag_id}/{run_id}")
def rejections_of_a_run(
    session: SessionDep, up: Up, dag_id: str, run_id: str, may_retry: MayRetry, rule: Text | None = None
) -> Response:
    """What a run turned down or let pass with a warning, by which rule."""
    run_key = f"{dag_id}/{run_id}"
    return crm_page(
        connection_of(session, run_key), up, lambda conn: _page(conn, run_key, rule, up, may_retry=may_retry)
    )


@router.post("/quality/{dag_id}/{run_id}", dependencies=may_trigger(RETRY))
def try_again(
    session: SessionDep,
    user: GetUserDep,
    up: Up,
    dag_id: str,
    run_id: str,
    sent: SentForm,
    rule: Text | None = None,
) -> Response:
    """Have the chosen candidates tried again, or `every` one that the rule turned down; then lead to their request."""
    from lead_mining.rejections import rules_against, to_try_again

    form = read_form(ToTryAgain, sent)
    run_key = f"{dag_id}/{run_id}"
    conn_id = connection_of(session, run_key)

    def show(conn: psycopg.Connection) -> str | Response:
        possible = to_try_again(conn, run_key, rule, MOST_AT_ONCE)
        chosen = possible if form.every else [id_ for id_ in possible if id_ in set(form.candidate)]
        if not chosen or (len(chosen) < len(set(form.candidate)) and not form.every):
            problem = (
                "Some of these can no longer be tried again: they were loaded, or their data was removed. Choose anew."
                if form.candidate
                else "Choose at least one company."
            )
            return _page(conn, run_key, rule, up, may_retry=True, problem=problem)
        try:
            overrule = sorted(rules_against(conn, chosen) & set(form.overrule))  # those of others are for others
            params = {"candidate_ids": chosen, "overrule": overrule, "crm_conn_id": conn_id}
            new_run = trigger(session, user, RETRY, params)
        except NotTriggered as error:
            return _page(conn, run_key, rule, up, may_retry=True, problem=str(error))
        return RedirectResponse(f"{up}{links.request_page(RETRY, new_run)}", status_code=303)

    return crm_page(conn_id, up, show)


def _page(
    conn: psycopg.Connection, run_key: str, rule: str | None, up: str, *, may_retry: bool, problem: str | None = None
) -> str:
    from lead_mining.pages import rendering
    from lead_mining.pages.quality import rejections_page
    from lead_mining.rejections import rejected_rows
    from lead_mining.summary import summary

    run = summary(conn, run_key)
    if run is None:
        return rendering.problem("The run has not been prepared yet: look again when its first task has ended.", up)
    rows = rejected_rows(conn, run_key, rule, MOST_ROWS)
    return rejections_page(run_key, run, rule, rows, MOST_ROWS, up, may_retry=may_retry, problem=problem)
