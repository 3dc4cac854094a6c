"""The list of mining requests, and a request: what it found and cost, its leads, and what to do next."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from lead_mining.approval import asked_for
from lead_mining.mined_leads import MinedLead
from lead_mining.pages.quality import reasons, worst_first
from lead_mining.pages.rendering import render
from lead_mining.request import MiningRequest
from lead_mining.request_list import MinedRequest, State
from lead_mining.summary import RunSummary

_LOGINS = {"Salesperson", "Acting user"}  # often people's addresses


class Filters(NamedTuple):
    """What the list was asked for; empty where it is not limited. `crm_of`: the run whose CRM it is."""

    search: str = ""
    number: str = ""
    state: str = ""
    crm_of: str = ""

    def address(self, **more: object) -> str:
        """The list so filtered, as a link from itself."""
        values = self._asdict() | more
        return "?" + urlencode({name: value for name, value in values.items() if value not in ("", None)})


@dataclass(frozen=True)
class RequestReport:
    """All that the page of a request shows. `lead_address`: a lead's page in the CRM but for its id, if it has one."""

    request: MinedRequest
    state: State
    run: RunSummary
    refunded: int
    leads: Sequence[MinedLead]
    more_leads: bool
    first_leads: bool
    lead_address: str | None
    retries: Sequence[MinedRequest]


def fingerprint(requests: Sequence[tuple[MinedRequest, State]]) -> str:
    """The same for as long as nothing has changed."""
    changing = [(one.run_key, state, one.funnel, one.held, one.spent, sorted(one.steps)) for one, state in requests]
    return hashlib.sha256(repr(changing).encode()).hexdigest()[:16]


def requests_page(
    requests: Sequence[tuple[MinedRequest, State]],
    filters: Filters,
    searches: Sequence[str],
    up: str,
    *,
    older: bool,
    newer: bool,
    before: int | None = None,
    after: int | None = None,
) -> str:
    """Requests, newest first, with their states, and the way to older and newer ones, if there are.

    `searches`: saved searches to choose from; `before`, `after`: the ids that this page was asked for by.
    """
    ids = [request.id for request, _ in requests if request.id is not None]
    return render(
        "requests.html.j2",
        up=up,
        requests=requests,
        shown=fingerprint(requests),
        before=before,
        after=after,
        moving=sum(state.kind in ("running", "waiting") for _, state in requests),
        older=min(ids) if older and ids else None,
        newer=max(ids) if newer and ids else None,
        filters=filters,
        searches=searches,
    )


def request_page(report: RequestReport, up: str, *, sees_people: bool, may_retry: bool) -> str:
    """A request that was prepared. Without `sees_people` there are no notes and nobody's log-in on it."""
    request, run = report.request, report.run
    asked = asked_for(MiningRequest.parse(request.request))
    return render(
        "request.html.j2",
        up=up,
        of=report,
        request=request,
        state=report.state,
        run=run,
        shown=fingerprint([(request, report.state)]),
        asked=[(what, value) for what, value in asked if sees_people or what not in _LOGINS],
        counts=sorted(run.rejections, key=worst_first),
        reasons=reasons(),
        sees_people=sees_people,
        may_retry=may_retry,
    )


def unprepared_page(request: MinedRequest, state: State, up: str) -> str:
    """A request that has not got to the database: it is on its way, or was not accepted."""
    shown = fingerprint([(request, state)])
    return render("request_unprepared.html.j2", up=up, request=request, state=state, shown=shown)


def note_page(html: str) -> str:
    """An enrichment note, which is HTML already, by itself."""
    return render("note.html.j2", note=html)
