"""A lead provider to mine from without paying: a generated catalogue of companies, sold over Odoo 17's IAP contract.

Stands alone: it shares no code and no data with ``lead_mining``, so that it cannot share its faults. See README.md.
"""
