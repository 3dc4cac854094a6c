"""Recordings of Odoo 17's own lead mining: what was asked, what the provider answered, every row that Odoo wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Row = dict[str, Any]

FOLDER = Path(__file__).parents[3] / "shared" / "odoo17" / "golden"

REQUEST_TABLE = "crm_iap_lead_mining_request"


@dataclass(frozen=True)
class Recording:
    """One request to a real Odoo. Ids in it belong to the database that it was made in."""

    name: str
    content: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def create_vals(self) -> dict[str, Any]:
        """The request as it was given to Odoo's `create`."""
        vals: dict[str, Any] = self.content["create_vals"]
        return vals

    @property
    def sent(self) -> dict[str, Any] | None:
        """The JSON-RPC call that reached the provider; None where none did."""
        return self.content.get("iap_request")

    @property
    def answer(self) -> dict[str, Any] | None:
        """What the provider answered: `http`, the status, and `body`; None where it did not."""
        response = self.content.get("iap_response")
        return response if response and response.get("http") and "body" in response else None

    @property
    def companies(self) -> list[dict[str, Any]]:
        """The records of the answer: `company_data`, and `people_data` where people were asked for."""
        body = self.answer["body"] if self.answer else None
        result = body.get("result") if isinstance(body, dict) else None
        return (result.get("data") or []) if isinstance(result, dict) else []

    @property
    def error(self) -> str | None:
        """The name of the exception that Odoo raised, if it did."""
        error = self.content.get("error")
        return error["name"] if error else None

    @property
    def seconds(self) -> float:
        """How long Odoo took, without saving the request."""
        return float(self.content["seconds"])

    @property
    def request_row(self) -> Row:
        row: Row = self.content["request_row_after"]
        return row

    @cached_property
    def written(self) -> dict[str, list[Row]]:
        """Every row that Odoo inserted, by table, as it was at the end.

        Raises NotImplementedError for a recording in which Odoo changes or deletes what was there before: none is known.
        """
        found: dict[str, list[Row]] = defaultdict(list)
        for part in ("created_by_create_call", "changed_by_action_submit"):
            for table, change in self.content[part]["tables"].items():
                found[table] += change.get("inserted") or []
                updated = {row["id"] for row in change.get("updated") or []}
                if change.get("deleted") or updated - ({self.request_row["id"]} if table == REQUEST_TABLE else set()):
                    raise NotImplementedError(f"{self.name}: rows of {table} that were there before are changed")
        found[REQUEST_TABLE] = [self.request_row]
        return dict(found)


def recordings() -> list[Recording]:
    """All that are on this machine, in the order of their names."""
    return [
        Recording(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json"))
    ]
