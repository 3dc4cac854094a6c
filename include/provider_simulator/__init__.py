"""A lead provider to mine from without paying: a generated catalogue of companies, sold over four providers' contracts.

Stands alone: it shares no code and no data with ``lead_mining``, so that it cannot share its faults. See README.md.
"""

EMPTY_200, HIDDEN_CONTACTS = "pdl-empty-200", "pdl-hidden-contacts"
QUIRKS = (EMPTY_200, HIDDEN_CONTACTS)
