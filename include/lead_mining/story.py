"""What each step of a run came to, a line each for the log: together they are the run's story, and name nobody."""

from __future__ import annotations

from lead_mining.runs import StepResult


def told(step: str, result: StepResult) -> str:
    """The step's result in plain words. `step`: one that both a fresh run and a retry have, or `extract`."""
    r = {name: f"{value:,}" if isinstance(value, int) else value for name, value in result.items()}
    match step:
        case "extract":
            how = f"ended because: {r['stopped']}" if "stopped" in r else "a free preview"
            return (
                f"{r['candidates']} companies in {r['pages']} page(s), for which the provider charged"
                f" {r['provider_charged']} credit(s); {how}"
            )
        case "validate":
            return (
                f"quality is good of {r['valid']} companies; turned down: {r['rejected']} companies, and"
                f" {r['contacts_rejected']} contact(s) of others; warnings: {r['warnings']}"
            )
        case "deduplicate":
            return (
                f"{r['accepted']} companies are new; duplicates: {r['duplicates']}, possible ones:"
                f" {r['possible_duplicates']}, suppressed: {r['suppressed']} companies,"
                f" {r['people_suppressed']} people"
            )
        case "debit_credits":
            return f"{r['held']} credit(s) set aside for {r['leads']} lead(s) with {r['contacts']} contact(s)"
        case "load_leads":
            return (
                f"{r['leads']} lead(s) with {r['contacts']} contact(s) are in the CRM, for {r['captured']} credit(s);"
                f" duplicates that came in the meantime: {r['duplicates_since']}"
            )
        case _:
            return f"{r['notes']} enrichment note(s) written"
