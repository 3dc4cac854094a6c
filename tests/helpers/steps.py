"""The tasks of the DAG `lead_mining`, in order, as the design names them."""

from __future__ import annotations

STEPS = (
    "prepare_request",
    "approve_cost",
    "extract",
    "validate",
    "deduplicate",
    "debit_credits",
    "load_leads",
    "write_enrichment_notes",
    "release",
)
