"""The providers of a run, in the order in which they are asked, and what they say before anything is paid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.providers.base import Misfit, Provider
from lead_mining.request import MiningRequest


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

    Raises InvalidRequest where one cannot do a part of it; that it sells no contacts matters only where none does.
    """
    query = request.query()
    misfits = [(source, misfit) for source in sources for misfit in source.provider.misfits(query)]
    no_contacts = {source.conn_id for source, misfit in misfits if _is_of_contacts(misfit)}
    one_has_contacts = len(no_contacts) < len(sources)
    wrong = [
        FieldProblem(misfit.field, misfit.value, f"{source.conn_id!r} cannot do it: {misfit.why}")
        for source, misfit in misfits
        if not (misfit.roughly or (_is_of_contacts(misfit) and one_has_contacts))
    ]
    if wrong:
        raise InvalidRequest(wrong)
    return Offer(
        notices=[f"{misfit.field} {misfit.value!r} at {source.conn_id!r}: {misfit.why}" for source, misfit in misfits],
        most=lambda leads: max(source.provider.most(query, leads, None) for source in sources),
    )


def _is_of_contacts(misfit: Misfit) -> bool:
    return misfit.field == "search_type" and not misfit.roughly
