"""Every error that lead mining raises on purpose, in one place.

`permanent` errors are not worth a retry: the same call gives the same answer until a person changes something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lead_mining.plain import safe_lines


class LeadMiningError(Exception):
    """Base of all errors raised on purpose. `permanent` tells the caller not to retry."""

    permanent = True

    def __str__(self) -> str:
        return safe_lines(super().__str__())


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field: its name, the value given, and what is allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value!r} is not allowed; {self.allowed}"


class InvalidRequest(LeadMiningError):
    """A mining request that cannot be run. Holds one FieldProblem per wrong field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("Not valid:\n" + "\n".join(f"  - {p}" for p in self.problems))


class SearchFileError(LeadMiningError):
    """A file that holds no saved search. `problems`: all that is wrong with it, each with file, line and field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class CrmError(LeadMiningError):
    """The CRM database lacks something that mining needs (a table, a module, a sequence)."""


class CrmBusy(CrmError):
    """A lock or a statement took too long in the CRM database, or two sessions blocked each other. Worth a retry."""

    permanent = False


class AnotherRun(CrmError):
    """The CRM's database knows the id that a task was given by another run's key, or not at all."""

    def __init__(self, run_key: str, run_id: int, known: str | None) -> None:
        super().__init__(
            f"This task works for {run_key!r} as run {run_id}, and in the CRM's database run {run_id} is"
            f" {f'that of {known!r}' if known else 'not there'}: the CRM was restored from a back-up since the run"
            " began, or its connection leads to another database. Nothing was done, bought or loaded. Trigger the"
            " request as a new run if its leads are still wanted"
        )


class InsufficientCredits(LeadMiningError):
    """A credit account cannot pay, or `budget` on it. `needed` and `available` in credits."""

    def __init__(self, account: str, needed: int, available: int, budget: str | None = None) -> None:
        self.account, self.needed, self.available, self.budget = account, needed, available, budget
        what = budget or f"credit account {account!r}"
        mend = "raise it" if budget else "buy credits (DAG credits_top_up)"
        super().__init__(
            f"{what} cannot pay: {needed} credits needed, {available} available; "
            f"{mend}, ask for fewer leads, or set on_insufficient_credits to 'trim'"
        )


class LedgerError(LeadMiningError):
    """An operation the ledger refuses: a key used twice for different things, more captured than held, ..."""


class ProviderOutcomeUnknown(LeadMiningError):
    """A paid call's answer is lost and the provider may have charged for it: a person decides before more is bought."""


class ChargeDoubted(LeadMiningError):
    """A provider charged more than a call could cost, or its balance shows another charge: a person looks first."""


class CostNotApproved(LeadMiningError):
    """The cost is above `approval_threshold` and nobody approved it."""


class PolicyError(LeadMiningError):
    """The file with the installation's policy is wrong: nothing is mined until it is mended."""


class QualityError(LeadMiningError):
    """What was about to be loaded breaks a rule that an earlier step should have ensured."""


Charge = Literal["none", "unknown", "pending"]
"""Was a failed call charged? Surely not; perhaps, and the provider has ended its work on it; perhaps, or yet."""


class ProviderError(LeadMiningError):
    """Base of what a provider can do wrong. `charge`: whether the failed call may have been charged."""

    charge: Charge = "none"


class ProviderUnavailable(ProviderError):
    """Transport trouble: refused, timed out, 429, 5xx, cut off. Worth a retry, after `retry_after` seconds if given."""

    permanent = False

    def __init__(self, message: str, retry_after: float | None = None, *, charge: Charge = "unknown") -> None:
        self.retry_after, self.charge = retry_after, charge
        super().__init__(message)


class ProviderBusy(ProviderUnavailable):
    """No call is to be made before `retry_at`: a rate limit, or the provider is down. Nothing was sent or charged."""

    def __init__(self, message: str, retry_at: datetime) -> None:
        self.retry_at = retry_at
        super().__init__(message, charge="none")


class ProviderRejected(ProviderError):
    """The provider understood the request and says it is wrong (Odoo IAP: a UserError or ValueError)."""


class ProviderAccessDenied(ProviderError):
    """The provider does not accept the account (bad token, closed account)."""


class ProviderCreditsExhausted(ProviderError):
    """The provider's own account cannot pay for the call; nothing was charged."""


class MalformedAnswer(ProviderError):
    """The answer is not what the provider's contract says (not JSON, keys missing, wrong types)."""

    charge = "unknown"


class UnreadableAnswer(ProviderError):
    """An answer is kept, and cannot be read: its run buys nothing more until it can, or somebody settles the call."""

    charge = "unknown"

    def __init__(self, call_id: int, request: str | None, provider: str, why: str) -> None:
        super().__init__(
            f"The answer to provider call {call_id} of {request} is {why}. Mend the provider {provider!r}, then clear"
            " this task: the answer is read once more, and nothing is bought twice. Or give it up: trigger the DAG"
            f" credits_settle with call {call_id}, then clear this task"
        )


class MalformedRecord(ProviderError):
    """One record of an answer cannot be read as a company; `problems` holds (field, value, message) triples.

    Its text has no value: logs and Airflow's database keep it, and the value may be a person's.
    """

    def __init__(self, problems: Sequence[tuple[str, str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{field}: {message}" for field, _, message in self.problems))


class CatalogueError(ProviderError):
    """A lead catalogue file that is absent, not Parquet or CSV, or lacks a mapped column."""
