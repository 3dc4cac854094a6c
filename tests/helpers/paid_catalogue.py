"""A provider that sells a file of companies, for a credit each; it leaves known ones out, or it does not."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from lead_mining.providers.base import Exclusions, Page, Query
from lead_mining.providers.lead_catalog import LeadCatalog

_LETTERS = str.maketrans("0123456789", "klmnopqrst")


class PaidCatalogue(LeadCatalog):
    """`paid`: credits taken so far. Without `excludes_known` each search begins with the first company of the file."""

    charges = True

    def __init__(self, path: Path, *, excludes_known: bool) -> None:
        super().__init__(path)
        self.excludes_known = excludes_known
        self.paid = 0

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        page = super().fetch(query, limit, cursor, exclude if self.excludes_known else Exclusions())
        charged = len(page.records)
        self.paid += charged
        return Page(page.raw, page.records, charged, page.next_cursor)


def write_catalogue(path: Path, companies: int, *, bad_every: int = 0) -> Path:
    """Companies in Germany with names of their own; each `bad_every`th has a mail service's domain, so it is rejected."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "reveal_id"])
        for number in range(1, companies + 1):
            bad = bad_every and number % bad_every == 0
            domain = "gmail.com" if bad else f"firm-{number}.example"
            writer.writerow([name_of(number), domain, "DE", f"r{number}"])
    return path


def name_of(number: int) -> str:
    """A company's name, unlike all others."""
    letters = hashlib.sha256(str(number).encode()).hexdigest()[:10].translate(_LETTERS)
    return f"{letters.capitalize()} Werke GmbH"
