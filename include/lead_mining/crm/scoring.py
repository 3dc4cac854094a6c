"""Predictive lead scoring as in Odoo 17: how likely a new lead is won, by naive Bayes over what became of others.

Odoo counts won and lost leads a team, a field and a value (table `crm_lead_scoring_frequency`); the setting
`crm.pls_fields` names the fields. We read the counts; making them is Odoo's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from psycopg import Connection

from lead_mining.crm import settings

FIELDS_SETTING = "crm.pls_fields"

_TAG = "tag_id"  # what the counts call a tag; the setting's name for all of a lead's is tag_ids
_MIN_TAGGED = 50  # closed leads below which Odoo finds a tag's counts too few to go by
_TELLING_WHEN_EMPTY = {"email_state", "phone_state"}
_EMPTY = "False"  # as Odoo writes an empty value into the counts

_Value = tuple[str, str]  # field, and a value of it as the counts have it


@dataclass
class _FieldCounts:
    """Won and lost leads a value of one field, and of all values."""

    values: dict[str, tuple[float, float]] = field(default_factory=dict)
    won: float = 0.0
    lost: float = 0.0


_Counts = dict[str, _FieldCounts]


def probabilities(conn: Connection, team_id: int | None, leads: Iterable[Mapping[str, object]]) -> list[float]:
    """The probability in percent, two decimals, that each lead is won. Reads only.

    A lead: its columns of `crm_lead` (absent or None: NULL), and `tag_ids`, a sequence of ids; all columns that are to
    be written, for the setting may name any. The counts are those of
    the team, or of everybody where it has none. 0 without a stage, 100 in a stage that means won, else 0.01 to 99.99.

    Where no lead was won or none was lost, Odoo 17 goes on without that, but by a slip leaves the first lead of a
    batch without a probability. We give it what all others get: 50, or what the other fields say.
    """
    fields = _scored_fields(settings.read(conn, [FIELDS_SETTING]).get(FIELDS_SETTING, ""))
    distinct: dict[tuple[_Value, ...], tuple[_Value, ...]] = {}  # few, however many leads
    values = [distinct.setdefault(found, found) for found in (_values(fields, lead) for lead in leads)]
    stages = conn.execute(
        "SELECT id, coalesce(is_won, false), team_id IS NULL FROM crm_stage ORDER BY sequence, id"
    ).fetchall()
    won_stages = {("stage_id", str(id_)) for id_, is_won, _ in stages if is_won}
    first_stage = next((str(id_) for id_, _, for_all_teams in stages if for_all_teams), None)
    counts = _counts(conn, team_id, {name for lead in distinct for name, _ in lead})
    computed = {lead: _probability(lead, counts, won_stages, first_stage) for lead in distinct}
    return [computed[lead] for lead in values]


def _scored_fields(setting: str) -> list[str]:
    """Odoo splits at commas alone: a name with a space is no field, and so is left out."""
    return ["stage_id", *(name for name in setting.split(",") if name != "team_id")]


def _values(fields: Iterable[str], lead: Mapping[str, object]) -> tuple[_Value, ...]:
    """What a lead is scored by, in the order in which it is multiplied."""
    values = []
    for name in fields:
        if name == "tag_ids":
            continue
        if value := lead.get(name):
            values.append((name, str(value)))
        elif name in _TELLING_WHEN_EMPTY:
            values.append((name, _EMPTY))
    tags = lead.get("tag_ids") if "tag_ids" in fields else None
    if isinstance(tags, Sequence):
        values += [(_TAG, str(tag)) for tag in tags]
    return tuple(values)


def _counts(conn: Connection, team_id: int | None, fields: set[str]) -> _Counts:
    """The team's counts, or everybody's where the team has none of these fields.

    Sums run in Odoo's order (that of teams), so that they are the same floats. Of two rows for one value of one team
    the last counts, as in Odoo.
    """
    rows = conn.execute(
        """
        SELECT f.team_id, f.variable, f.value, coalesce(f.won_count, 0), coalesce(f.lost_count, 0)
        FROM crm_lead_scoring_frequency f
        LEFT JOIN crm_team t ON t.id = f.team_id
        WHERE f.variable = ANY(%s)
        ORDER BY t.sequence, t.create_date DESC, t.id DESC, f.id
        """,
        [sorted(fields)],
    )
    own: _Counts = {}
    everybody: _Counts = {}
    has_own = False
    for row_team, name, value, *numbers in rows:
        won, lost = map(_count, numbers)
        is_own = team_id is not None and row_team == team_id
        has_own |= is_own
        if name == _TAG and won + lost < _MIN_TAGGED:
            continue
        if is_own:
            _add(own, name, value, won, lost, replace=True)
        _add(everybody, name, value, won, lost)
    return own if has_own else everybody


def _add(counts: _Counts, name: str, value: str | None, won: float, lost: float, *, replace: bool = False) -> None:
    of_field = counts.setdefault(name, _FieldCounts())
    of_field.won += won
    of_field.lost += lost
    if value is not None:
        before = (0.0, 0.0) if replace else of_field.values.get(value, (0.0, 0.0))
        of_field.values[value] = (before[0] + won, before[1] + lost)


def _count(number: Decimal) -> float:
    """As Odoo reads it; what cannot be a count (negative, NaN, infinite) is none."""
    count = float(number)
    return count if math.isfinite(count) and count > 0 else 0.0


def _probability(lead: Sequence[_Value], counts: _Counts, won_stages: set[_Value], first_stage: str | None) -> float:
    if not any(name == "stage_id" for name, _ in lead):
        return 0.0
    if not won_stages.isdisjoint(lead):
        return 100.0
    # Every won or lost lead has been in the first stage: its counts are those of all leads.
    stage_counts = counts.get("stage_id", _FieldCounts()).values
    all_won, all_lost = stage_counts.get(first_stage or "", (0.0, 0.0))
    won, lost = 1.0, 1.0
    if all_won and all_lost:
        won, lost = all_won / (all_won + all_lost), all_lost / (all_won + all_lost)
    for name, value in lead:
        of_field = counts.get(name)
        if of_field is None or value not in of_field.values:
            continue
        total_won, total_lost = (all_won, all_lost) if name == "stage_id" else (of_field.won, of_field.lost)
        if total_won and total_lost:
            value_won, value_lost = of_field.values[value]
            won *= value_won / total_won
            lost *= value_lost / total_lost
    total = won + lost
    if not (math.isfinite(total) and total > 0):
        return 50.0  # nothing can be said; Odoo fails here
    return min(max(round(100 * (won / total), 2), 0.01), 99.99)
