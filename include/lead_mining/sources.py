"""The providers of a run, in the order in which they are asked, and what they say before anything is paid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.providers.base import Identity, Provider, Query
from lead_mining.request import MiningRequest

_SOMEBODYS: Identity = (None, "company.example")
"""A company as whoever finds contacts of others' companies is asked of it."""


@dataclass(frozen=True)
class Source:
    """A provider, and the Airflow connection that stands for it."""

    conn_id: str
    provider: Provider


@dataclass(frozen=True)
class Offer:
    """`notices`: what is done roughly. `most`: so many leads to the most credits that any of the providers can take."""

    notices: Sequence[str]
    most: Callable[[int], int]


def offer(sources: Sequence[Source], request: MiningRequest) -> Offer:
    """What the providers say of the request, free and without a network.

    Raises InvalidRequest where one cannot do a part of it. One that sells no contacts may be among them where another
    sells them before it, or finds those of its companies after it.
    """
    query = request.query()
    notices: list[str] = []
    wrong: list[FieldProblem] = []
    for place, source in enumerate(sources):
        for misfit in source.provider.misfits(query):
            about = f"{misfit.field} {misfit.value!r} at {source.conn_id!r}"
            if misfit.roughly:
                notices.append(f"{about}: {misfit.why}")
            elif misfit.field == "search_type" and (instead := _whose_contacts(sources, place, query)):
                notices.append(f"{about}: {instead}")
            else:
                wrong.append(FieldProblem(misfit.field, misfit.value, f"{source.conn_id!r} cannot do it: {misfit.why}"))
    if wrong:
        raise InvalidRequest(wrong)
    return Offer(notices, lambda leads: max(source.provider.most(query, leads, None) for source in sources))


def _whose_contacts(sources: Sequence[Source], place: int, query: Query) -> str | None:
    """Where contacts come from if the source at `place` sells none; None where there would be none of anybody."""
    for later in sources[place + 1 :]:
        if later.provider.contacts_of(query, [_SOMEBODYS]) is not None:
            return f"the contacts of its companies are asked of {later.conn_id!r}"
    if any(_sells_contacts(earlier, query) for earlier in sources[:place]):
        return "what it adds to the companies of those before it comes without contacts"
    return None


def _sells_contacts(source: Source, query: Query) -> bool:
    return not any(misfit.field == "search_type" and not misfit.roughly for misfit in source.provider.misfits(query))
