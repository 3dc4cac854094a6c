"""What is sent to Airflow about the privacy DAGs is looked at before Airflow sees it.

Airflow writes each request into its event log, which viewers read, before it checks it: what it then refuses stays
there. So whatever the forms do not take is refused here, in words that repeat nothing of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lead_mining.privacy_forms import FORMS

_MOST_BYTES = 1_000_000
_ABOUT_RUNS = re.compile(r"/api/v2/(?:dags/([^/]+)(?:/(.*))?|backfills(?:/.*)?)", re.DOTALL)
_PLAIN = re.compile(r"[\w.:+~/-]{0,250}", re.ASCII)  # an id, a date, a state
_DATE = re.compile(r"[0-9TZ.:+ -]{0,40}")
_RUN_ID = re.compile(r"(?:[a-z_]+__[0-9TZ.:+-]+(?:_\w{1,20})?)?", re.ASCII)  # as Airflow makes it
_NOTHING = re.compile("")
_OF_A_TRIGGER = {
    "dag_run_id": _RUN_ID,
    "partition_key": _NOTHING,
    "note": _NOTHING,
    **dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "run_after"), _DATE),
}


class PrivacyGuard:
    """A middleware of Airflow's API server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        about = _ABOUT_RUNS.search(scope["path"]) if scope["type"] == "http" else None
        if about is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        dag_id, action = about.groups()
        if dag_id is not None and dag_id not in (*FORMS, "~"):
            await self._app(scope, receive, send)
            return
        body, read = await _read(receive)
        wrong = _too_much(body) or next(_wrong(scope, dag_id, action or "", body), None)
        if wrong:
            told = f"{wrong}. Nothing was done, and nothing of what was sent is kept: lead mining looks at it first."
            await JSONResponse({"detail": told}, status_code=422)(scope, receive, send)
            return
        await self._app(scope, read, send)


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The body, up to what is too much of it, and what gives it again."""
    messages: list[Message] = []
    body = b""
    while len(body) <= _MOST_BYTES:
        messages.append(await receive())
        body += messages[-1].get("body", b"")
        if not messages[-1].get("more_body"):
            break
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    return body, again


def _too_much(body: bytes) -> str | None:
    return f"At most {_MOST_BYTES:,} bytes are taken here" if len(body) > _MOST_BYTES else None


def _wrong(scope: Scope, dag_id: str | None, action: str, body: bytes) -> Iterator[str]:
    try:
        sent = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        sent = {"": "(not JSON)"}
    if dag_id not in FORMS:  # several DAGs at once, or one that the body names
        named = _named(sent)
        if not named:
            return
        dag_id = min(named)
    for key, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        yield from _not_plain(key)
        yield from _not_plain(value)
    yield from _not_plain(action)
    if action.rstrip("/") == "dagRuns" and scope["method"] == "POST":
        yield from _of_a_trigger(dag_id, sent)
    else:
        yield from _of_anything(dag_id, sent)


def _named(sent: Any) -> set[str]:
    """The privacy DAGs that are named anywhere in it."""
    if isinstance(sent, dict):
        return set().union(*map(_named, sent.values()))
    if isinstance(sent, list):
        return set().union(*map(_named, sent))
    return {sent} & FORMS.keys() if isinstance(sent, str) else set()


def _of_a_trigger(dag_id: str, sent: Any) -> Iterator[str]:
    if not isinstance(sent, dict) or sent.keys() - _OF_A_TRIGGER.keys() - {"conf"}:
        yield "Send what Airflow's own form sends: a run's dates and its conf"
        return
    yield from _of_conf(dag_id, sent.get("conf"))
    for key, allowed in _OF_A_TRIGGER.items():
        value = sent.get(key)
        if value is not None and not (isinstance(value, str) and allowed.fullmatch(value)):
            yield f"{key}: " + ("leave it out, as Airflow keeps it" if allowed is not _DATE else "it must be a date")


def _of_anything(dag_id: str, sent: Any) -> Iterator[str]:
    if isinstance(sent, dict):
        for key, value in sent.items():
            yield from _not_plain(key)
            if key in ("conf", "dag_run_conf"):
                yield from _of_conf(dag_id, value)
            elif key == "note" and value:
                yield "note: leave it out, as Airflow keeps it"
            else:
                yield from _of_anything(dag_id, value)
    elif isinstance(sent, list):
        for each in sent:
            yield from _of_anything(dag_id, each)
    elif isinstance(sent, str):
        yield from _not_plain(sent)


def _of_conf(dag_id: str, conf: Any) -> Iterator[str]:
    form = FORMS[dag_id]
    if not isinstance(conf, dict | None) or (conf or {}).keys() - form.keys():
        yield f"conf: {dag_id} takes {', '.join(form)}, and nothing else"
        return
    for name, value in (conf or {}).items():
        try:
            Param(**form[name]).resolve(value)
        except ParamValidationError:
            yield f"{form[name]['title']} ({name}) is not as it must be: {form[name]['description'].rstrip('.')}"


def _not_plain(text: str) -> Iterator[str]:
    if not _PLAIN.fullmatch(text):
        yield "Only ids, dates and states are taken here"
