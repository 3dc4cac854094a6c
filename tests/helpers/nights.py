"""Three saved searches, for the whole stack to mine night after night."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

FIRE = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)
"""The hour of the night: far from now, so that no run by schedule comes in between."""

SEARCHES = {
    "german_software": ("German software", "countries: [DE], lead_number: 6"),
    "french_companies": ("French companies", "countries: [FR], lead_number: 5, credit_account: emea"),
    "american_chiefs": (
        "American chiefs",
        "countries: [US], lead_number: 3, search_type: people, contact_number: 1, preferred_role: CEO",
    ),
}


def write_searches(folder: Path) -> None:
    folder.mkdir()
    for key, (name, params) in SEARCHES.items():
        (folder / f"{key}.yaml").write_text(
            f"name: {name}\nowner: Sales\nschedule: {{cron: 0 {FIRE.hour} * * *}}\nbudget: 100\nparams: {{{params}}}\n"
        )
