"""What each step of a run came to, a line each for the log: together they are the run's story, and name nobody."""

from __future__ import annotations

from lead_mining.counting import many
from lead_mining.runs import StepResult


def told(step: str, result: StepResult) -> str:
    """The step's result in plain words. `step`: one that both a fresh run and a retry have, or `extract`."""

    def of(key: str, what: str) -> str:
        return many(result[key], what)

    match step:
        case "extract":
            how = f"ended because: {result['stopped']}" if "stopped" in result else "a free preview"
            return (
                f"{of('candidates', 'company')} in {of('pages', 'page')}, for which the provider charged"
                f" {of('provider_charged', 'credit')}; {how}"
            )
        case "validate":
            return (
                f"quality is good of {of('valid', 'company')}; turned down: {of('rejected', 'company')}, and"
                f" {of('contacts_rejected', 'contact')} of others; warnings: {result['warnings']:,}"
            )
        case "deduplicate":
            return (
                f"new: {of('accepted', 'company')}; duplicates: {result['duplicates']:,}, possible ones:"
                f" {result['possible_duplicates']:,}, suppressed: {of('suppressed', 'company')},"
                f" {of('people_suppressed', 'contact')}"
            )
        case "debit_credits":
            return f"{of('held', 'credit')} set aside for {of('leads', 'lead')} with {of('contacts', 'contact')}"
        case "load_leads":
            return (
                f"in the CRM: {of('leads', 'lead')} with {of('contacts', 'contact')}, for {of('captured', 'credit')};"
                f" duplicates that came in the meantime: {result['duplicates_since']:,}"
            )
        case _:
            return f"{of('notes', 'enrichment note')} written"
