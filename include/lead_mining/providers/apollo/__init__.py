"""Apollo. Contract: docs.apollo.io/reference, API v1.

Not proven against the live service, and assumed here: a page of a company search that has no company is free; a state
is asked for as `California, US`; an account without credits is refused by 402, or by 422 with an `error` that names
credits; matches come with `credits_consumed`. A company search cannot leave out companies that are known: they are left
out of the enrichment, which is where a company is paid for.
"""

from lead_mining.providers.apollo.adapter import Apollo

__all__ = ["Apollo"]
