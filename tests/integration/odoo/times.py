"""Times as what they are: that of a transaction, or a moment in the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from odoo_recordings import Recording

SAVED, MINED = "transaction that saved the request", "transaction that mined"
TO_THE_SECOND, LATER = "to the second, while mining", "later, while mining"


class Times(Protocol):
    def meaning(self, at: datetime) -> str: ...


class RecordedTimes:
    """Odoo saves the request in one transaction and mines in another, which goes on for `seconds`."""

    def __init__(self, recording: Recording) -> None:
        leads = recording.written.get("crm_lead")
        request = recording.request_row
        self.saved = datetime.fromisoformat(request["create_date"])
        self.mined = datetime.fromisoformat(leads[0]["create_date"] if leads else request["write_date"])
        self.end = self.mined + timedelta(seconds=recording.seconds + 1)

    def meaning(self, at: datetime) -> str:
        if at in (self.saved, self.mined):
            return SAVED if at == self.saved else MINED
        if at.microsecond == 0 and self.mined.replace(microsecond=0) <= at <= self.end:
            return TO_THE_SECOND
        return LATER if self.mined < at <= self.end else at.isoformat()


class Step(NamedTuple):
    """A step of our pipeline: when it began and ended, by the database's clock, in UTC."""

    name: str
    start: datetime
    end: datetime


class OurTimes:
    """Each of our steps after the first writes to the CRM in one transaction: it may have but one time."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.transactions: dict[str, datetime] = {}

    def meaning(self, at: datetime) -> str:
        if at.microsecond == 0:
            mining = [step for step in self.steps if step.name != "prepare_request"]
            inside = any(step.start.replace(microsecond=0) <= at <= step.end for step in mining)
            return TO_THE_SECOND if inside else at.isoformat()
        step = next((step for step in self.steps if step.start <= at <= step.end), None)
        if step is None:
            return at.isoformat()
        if step.name == "prepare_request":
            return SAVED
        return MINED if self.transactions.setdefault(step.name, at) == at else LATER
