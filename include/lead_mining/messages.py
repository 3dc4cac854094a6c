"""What people are told of a run, in the words of sales: how it has ended, or that it has not ended in time.

Plain text, made of numbers and of what was asked for: nothing of leads or of people stands in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from lead_mining import vocabulary
from lead_mining.counting import many, plural
from lead_mining.credits.ledger import Spendable
from lead_mining.plain import one_line
from lead_mining.provider_calls import Call
from lead_mining.runs import Run
from lead_mining.summary import RunSummary

_AT_MOST = 3  # countries, and reasons for turning companies down, that are named

_DOING = {
    "prepare_request": "the request was checked",
    "prepare_retry": "the companies were looked up",
    "approve_cost": "a person was asked to approve the cost",
    "extract": "companies were bought from the provider",
    "validate": "the quality of the companies was checked",
    "deduplicate": "duplicates were looked for",
    "debit_credits": "credits were set aside",
    "load_leads": "leads were put into the CRM",
    "write_enrichment_notes": "the notes on the leads were written",
}
"""What went on in each task, in order."""

_WHY = {
    "duplicate": "the CRM has them already, or they were bought before",
    "possible_duplicate": "the CRM probably has them (a person can look at them, and load them without buying again)",
    "suppressed": "they asked not to be contacted, or are blocked",
    "affordable": "the credits did not suffice for them",
    "no_more_than_asked": "more came than was asked for",
    "readable_record": "what the provider sent of them could not be read",
}
"""Why a rule, or all rules whose names begin so, turned companies or contacts down."""


@dataclass(frozen=True)
class Message:
    """A subject on one line, plain lines, and the address of a page where there is more."""

    subject: str
    lines: tuple[str, ...]
    link: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", one_line(self.subject))
        object.__setattr__(self, "lines", tuple(map(one_line, self.lines)))

    @property
    def html(self) -> str:
        text = "".join(f"<p>{escape(line)}</p>" for line in self.lines)
        return text + (f'<p><a href="{escape(self.link)}">Look at the run in Airflow</a></p>' if self.link else "")

    @property
    def slack(self) -> str:
        """As Slack's `text`, in which &, < and > would begin a mention or a link."""
        lines = (f"*{self._plain(self.subject)}*", *map(self._plain, self.lines), self.link or "")
        return "\n".join(filter(None, lines))

    @staticmethod
    def _plain(text: str) -> str:
        return escape(text, quote=False)


@dataclass(frozen=True)
class Troubles:
    """What stands in the way of a run: the tasks that failed, and the state of its credits.

    `unsettled`: calls of the provider whose answer is lost. `lost`: credits that it took for answers that never came.
    `spendable`: what the run could pay now. `doubts`: what is not right about what it charged.
    """

    failed: Collection[str]
    unsettled: Sequence[Call]
    lost: int
    spendable: Spendable
    doubts: Sequence[str] = ()


def about_ended(
    run: Run, came_to: RunSummary, troubles: Troubles, rules: Mapping[str, str], link: str | None
) -> Message:
    """How a run has ended. `rules`: what each quality rule asks for, in a sentence."""
    if troubles.failed:
        return Message(f"Lead mining: {_number(run)} has failed", tuple(_of_failure(run, came_to, troubles)), link)
    if run.needs_approval and not run.approved_by:
        return Message(f"Lead mining: {_number(run)} was not approved", tuple(_of_rejection(run, came_to)), link)
    if run.dry_run:
        return Message("Lead mining: the trial run has ended", tuple(_of_trial(run, came_to, rules)), link)
    subject = f"Lead mining: {many(came_to.loaded, _lead(run), none='no')} from {_number(run)}"
    return Message(subject, tuple(_of_success(run, came_to, rules)), link)


def about_not_begun(link: str | None) -> Message:
    """Of a run whose first task has failed before there was anything to tell of."""
    lines = (
        "The request could not be begun: nothing was bought, charged or put into the CRM.",
        "What to do: the log of the run's first task names what is wrong and what is allowed. Put it right, then start"
        " the request again.",
    )
    return Message("Lead mining: a request could not be begun", lines, link)


def about_late(name: str, hours: float, done: Collection[str] | None, run: Run | None, link: str | None) -> Message:
    """That a run has not ended in time. `done`: its finished steps; None where the CRM's database does not answer."""
    began = f"{_first_upper(name)} was started {_hours(hours)} ago and has not ended."
    if run is not None and done is not None and run.needs_approval and not run.approved_by and "extract" not in done:
        lines = (
            began,
            f"It waits for a person: {_asked_for(run)} can cost up to {many(run.max_cost, 'credit')}, and somebody has"
            " to approve that. Nothing is bought until then.",
            "What to do: open the run, its task approve_cost, Required Actions, and approve or reject. Where nobody"
            " answers for 7 days, it fails, and the credits that are set aside are given back.",
        )
        return Message(f"Lead mining: {name} waits for an approval", lines, link)
    if done is None:
        where = "The CRM's database does not answer, which may be why."
    elif run is None:
        where = "Its tasks say how far it has come."
    else:
        step = next((step for step in _DOING if step not in done and step not in ("approve_cost", "prepare_retry")), "")
        where = (
            f"It is where {_DOING[step]} (task {step})." if step else "All of its work is done; only its end is not."
        )
    lines = (
        began,
        where,
        "What to do: the log of the task that runs or waits to be repeated says why: a provider that does not answer or"
        " may not be called yet, a busy database, or simply much to do. Any task can be cleared: nothing is bought"
        " twice.",
    )
    return Message(f"Lead mining: {name} has not ended in time", lines, link)


def _of_success(run: Run, came_to: RunSummary, rules: Mapping[str, str]) -> Iterator[str]:
    contacts = f" with {many(came_to.contacts, 'contact')}" if came_to.contacts else ""
    came = f"{many(came_to.loaded, _lead(run), none='No')}{contacts} came from {_asked_for(run)}"
    if came_to.loaded == 0 and came_to.candidates == 0 and run.retry_of is None:
        came += ": the provider found none"
    yield f"{came}."
    cost = f"That cost {many(came_to.credits_spent, 'credit')}" if came_to.credits_spent else "That cost nothing"
    yield f"{cost}; {_left(came_to)}."
    if came_to.lost_to_rejections:
        yield (
            f"The provider charged {came_to.provider_charged:,},"
            f" {came_to.lost_to_rejections:,} of them for what was turned down."
        )
    yield from _turned_down(came_to, rules)
    yield from (f"Note: {notice}" for notice in came_to.notices)


def _of_trial(run: Run, came_to: RunSummary, rules: Mapping[str, str]) -> Iterator[str]:
    yield "It was a trial run: nothing was bought, charged or put into the CRM."
    if came_to.would_find is None:
        yield f"How many companies there are for {_asked_for(run)}, this provider cannot tell without charging."
    else:
        yield f"The provider has {many(came_to.would_find, 'new company', none='no')} for {_asked_for(run)}."
    yield f"A real run costs at most {many(run.max_cost, 'credit')}; {_left(came_to)}."
    yield from _turned_down(came_to, rules)
    yield from (f"Note: {notice}" for notice in came_to.notices)


def _of_rejection(run: Run, came_to: RunSummary) -> Iterator[str]:
    most = many(run.max_cost, "credit")
    yield f"Nothing was bought for {_asked_for(run)}: its cost, up to {most}, was rejected, or nobody answered in time."
    yield f"The credits that were set aside are given back; {_left(came_to)}."


def _of_failure(run: Run, came_to: RunSummary, troubles: Troubles) -> Iterator[str]:
    task = next((task for task in _DOING if task in troubles.failed), min(troubles.failed))
    yield f"{_first_upper(_asked_for(run))} came to a halt where {_DOING.get(task, task)} (task {task})."
    if came_to.loaded:
        cost = many(came_to.credits_spent, "credit")
        yield f"In the CRM, and paid for with {cost}: {many(came_to.loaded, _lead(run))}."
    for call in troubles.unsettled:
        if call.kept:
            yield (
                "The answer to one call of the provider is kept, and cannot be read. What to do: whoever looks after"
                f" Airflow mends the provider {call.provider!r}, then the task {task} is cleared: nothing is bought"
                " twice."
            )
            continue
        yield (
            f"The answer to one call of the provider is lost, and it may have charged up to"
            f" {many(call.most, 'credit')} for it. What to do: whoever looks after the credits looks at the provider's"
            f" account and decides with the DAG credits_settle, call {call.id}; then the task {task} is cleared."
        )
    if troubles.lost:
        yield f"{many(troubles.lost, 'credit')} went to the provider for answers that never came."
    for doubt in troubles.doubts:
        yield (
            f"A charge is in doubt: {doubt}. Nothing more is bought. What to do: whoever looks after the credits looks"
            f" at the provider's account; then the task {task} is cleared, and what came is loaded."
        )
    if not troubles.unsettled and not troubles.lost and not troubles.doubts:
        yield f"No credits are lost: what was set aside is given back, and what was bought is kept; {_left(came_to)}."
    needed = run.max_cost - came_to.credits_spent
    if needed > troubles.spendable.credits:
        what = troubles.spendable.budget or f"the credit account {run.credit_account}"
        yield (
            f"It can cost up to {many(needed, 'credit')} more, and {what} has {troubles.spendable.credits:,} left."
            " What to do: whoever buys credits books them with the DAG credits_top_up, or a budget is raised; then the"
            f" task {task} is cleared. Or start it again for fewer leads."
        )
    elif not troubles.unsettled and not troubles.doubts:
        yield (
            f"What to do: whoever looks after Airflow finds in the log of the task {task} what is wrong and what mends"
            " it, and then clears the task: the run goes on where it stopped, and buys nothing twice."
        )


def _turned_down(came_to: RunSummary, rules: Mapping[str, str]) -> Iterator[str]:
    for of in ("company", "contact"):
        reasons: Counter[str] = Counter()
        for each in came_to.rejected():
            if each.of == of:
                reasons[_why(each.rule, rules)] += each.count
        if reasons:
            named = [f"{count:,} because {why}" for why, count in reasons.most_common(_AT_MOST)]
            more = len(reasons) - len(named)
            named += [f"others for {many(more, 'other reason')}"] if more > 0 else []
            yield f"Turned down of {plural(of)}: {'; '.join(named)}."


def _why(rule: str, rules: Mapping[str, str]) -> str:
    for begins, why in _WHY.items():
        if rule.startswith(begins):
            return why
    asked = rules.get(rule, rule)
    return f"this does not hold: {asked.rstrip('.')}"


def _asked_for(run: Run) -> str:
    request = run.mining_request
    if run.retry_of is not None:
        were = "was" if run.lead_number == 1 else "were"
        return f"{many(run.lead_number, 'company')} of {_number(run)} that {were} tried again"
    if request.saved_search:
        return f"the saved search {request.saved_search!r} ({_number(run)})"
    names = vocabulary.countries()
    countries = [names[code] for code in request.countries]
    more = len(countries) - _AT_MOST
    where = ", ".join(countries[:_AT_MOST]) + (f" and {many(more, 'more country')}" if more > 0 else "")
    people = " and their contacts" if request.search_type == "people" else ""
    return f"{_number(run)} ({many(run.lead_number, 'company')}{people} in {where})"


def _number(run: Run) -> str:
    return f"request {run.request_number}" if run.request_number else "the trial request"


def _lead(run: Run) -> str:
    return run.crm_context.lead_type


def _left(came_to: RunSummary) -> str:
    are = "is" if came_to.credits_left == 1 else "are"
    return f"{many(came_to.credits_left, 'credit', none='no')} {are} left in the account {came_to.credit_account}"


def _hours(hours: float) -> str:
    return many(round(hours), "hour") if hours >= 1 else many(round(hours * 60), "minute")


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
