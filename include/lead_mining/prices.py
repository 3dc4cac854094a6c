"""What a lead and a contact cost, in credits: the one place that says so.

A run keeps the prices of the moment when it was prepared. Its plan, hold, capture, refunds and the audit go by these.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAD_CREDITS = 1
CONTACT_CREDITS = 1


@dataclass(frozen=True)
class Prices:
    """Credits for a lead and for each of its contacts."""

    lead: int
    contact: int

    def cost(self, leads: int, contacts: int) -> int:
        """Return what so many leads and contacts cost, in credits."""
        return leads * self.lead + contacts * self.contact


def prices_now() -> Prices:
    """Return the prices that a run gets that is prepared now."""
    return Prices(LEAD_CREDITS, CONTACT_CREDITS)
