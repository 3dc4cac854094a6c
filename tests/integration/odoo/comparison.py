"""Every row of every table that either side wrote, paired and compared column by column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from database_diff import Changes, Row
from odoo_recordings import Recording

from . import note_facts
from .meaning import MESSAGE, NOTE, Side, has_ids

ROW = "(row)"
CHANGED = "(row that was there before)"
ORDER = "(order of ids)"
OPENING = "body, opening line"
PICTURES = "body, pictures"
WIRE = "(call of the provider)"
OUTCOME = "(outcome)"

_ABSENT = "(no such column)"


@dataclass(frozen=True)
class Difference:
    """One column of one row, or a whole row (column `ROW`; the side that lacks it has None), a row that we
    changed or deleted (column `CHANGED`: before and after), or the order of the rows.

    `rejection`: the rule by which we rejected the company that the row is about. `rows`: all pairs of the table.
    """

    scenario: str
    table: str
    column: str
    row: str
    recorded: Any
    ours: Any
    rejection: str | None = None
    rows: Mapping[str, tuple[Row, Row]] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.scenario}: {self.table}.{self.column} of {self.row}: Odoo {self.recorded!r}, we {self.ours!r}"


@dataclass
class TableComparison:
    """What came of one table. `columns`: those compared; none where no row has its counterpart."""

    table: str
    recorded_rows: int
    our_rows: int
    columns: list[str]
    differences: list[Difference]


@dataclass(frozen=True)
class Comparison:
    """Both sides of one recording. `rejections`: place of a company in the answer to the rule we rejected it by."""

    recording: Recording
    recorded: Side
    ours: Side
    our_changes: Mapping[str, Changes]
    rejections: Mapping[int, str]

    def tables(self) -> list[TableComparison]:
        return [self._table(name) for name in sorted(self.recorded.written.keys() | self.our_changes.keys())]

    def _difference(self, table: str, column: str, row: str, recorded: Any, ours: Any, **more: Any) -> Difference:
        lead = re.search(r"\blead (\d+)", row)
        rejection = self.rejections.get(int(lead[1])) if lead else None
        return Difference(self.recording.name, table, column, row, recorded, ours, rejection, **more)

    def _table(self, table: str) -> TableComparison:
        recorded, ours = self.recorded.rows(table), self.ours.rows(table)
        if table == MESSAGE:
            self._read_notes(recorded, ours)
        pairs = {name: (recorded[name], ours[name]) for name in recorded if name in ours}
        found = [
            self._difference(table, ROW, name, recorded.get(name), ours.get(name))
            for name in recorded | ours
            if name not in pairs
        ]
        for name, (expected, got) in pairs.items():
            for column in expected | got:
                a, b = expected.get(column, _ABSENT), got.get(column, _ABSENT)
                if a != b:
                    found.append(self._difference(table, column, name, a, b, rows=pairs))
        order = [name for name in ours if name in pairs]
        if has_ids(self.ours.written.get(table, [])) and order != list(pairs):
            found.append(self._difference(table, ORDER, "all", list(pairs), order))
        found += self._changed(table)
        columns = sorted({column for pair in pairs.values() for row in pair for column in row})
        return TableComparison(table, len(recorded), len(ours), columns, found)

    def _changed(self, table: str) -> list[Difference]:
        """Rows that were there before: Odoo leaves all of them as they are."""
        changes = self.our_changes.get(table, Changes())
        changed = [*changes.updated, *((before, None) for before in changes.deleted)]
        return [self._difference(table, CHANGED, "one", before, after) for before, after in changed]

    def _read_notes(self, recorded: dict[str, Row], ours: dict[str, Row]) -> None:
        """Of a note, compare the opening line, the number of pictures, and what else it says."""
        for name in [name for name in recorded | ours if name.startswith(f"{NOTE} of lead ")]:
            company = self.recording.companies[int(name.removeprefix(f"{NOTE} of lead ")) - 1]
            odoo = recorded[name]["body"] if name in recorded else None
            if odoo is not None:
                recorded[name] |= {
                    OPENING: note_facts.opening_line(odoo),
                    PICTURES: note_facts.pictures(odoo),
                    "body": [],
                }
            if name in ours:
                body = ours[name]["body"]
                ours[name] |= {
                    OPENING: note_facts.opening_line(body),
                    PICTURES: note_facts.pictures(body),
                    "body": note_facts.body_problems(company, odoo, body),
                }


def compare_calls(recording: Recording, sent: list[dict[str, Any]]) -> TableComparison:
    """What reached the provider: the recorded call, key by key."""
    recorded = _flat(recording.sent) if recording.sent else {}
    ours = _flat(sent[0]) if sent else {}
    found = [
        Difference(recording.name, WIRE, key, "the call", recorded.get(key, _ABSENT), ours.get(key, _ABSENT))
        for key in sorted(recorded | ours)
        if recording.sent and recorded.get(key, _ABSENT) != ours.get(key, _ABSENT)
    ]
    return TableComparison(WIRE, bool(recording.sent), len(sent), sorted(recorded | ours), found)


def compare_outcomes(recording: Recording, error: Exception | None) -> TableComparison:
    """Whether it ended with an error."""
    recorded, ours = recording.error and "error", error and "error"
    found = [Difference(recording.name, OUTCOME, "error", type(error).__name__, recorded, ours)]
    return TableComparison(OUTCOME, 1, 1, ["error"], found if recorded != ours else [])


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested objects by their dotted paths; lists are leaves."""
    if not isinstance(value, dict):
        return {path: value}
    return {leaf: v for key, inner in value.items() for leaf, v in _flat(inner, f"{path}.{key}".lstrip(".")).items()}
