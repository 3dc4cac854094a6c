"""Reading what a form of a page has sent: the types of fields, and what is not of them."""

from __future__ import annotations

from typing import Any

import pytest

from lead_mining.form_fields import values_sent

NUMBER, MAYBE = {"type": "integer"}, {"type": ["integer", "null"]}
TEXT, TICK, LIST = {"type": ["string", "null"]}, {"type": "boolean"}, {"type": ["array", "null"]}


@pytest.mark.parametrize(
    ("schema", "sent", "value"),
    [
        (NUMBER, ["12"], 12),
        (NUMBER, [" 12 "], 12),
        (NUMBER, ["-3"], -3),
        (NUMBER, [""], ""),
        (NUMBER, [], ""),
        (NUMBER, ["1.5"], "1.5"),
        (NUMBER, ["1e9"], "1e9"),
        (NUMBER, ["٣"], "٣"),
        (NUMBER, ["9" * 5000], "9" * 5000),
        (NUMBER, ["1; DROP TABLE crm_lead"], "1; DROP TABLE crm_lead"),
        (NUMBER, ["1", "2"], 2),
        (MAYBE, [""], None),
        (MAYBE, ["7"], 7),
        (TEXT, ["  "], None),
        (TEXT, [" <b>ß "], "<b>ß"),
        ({"type": "string"}, [""], ""),
        (TICK, [], False),
        (TICK, ["yes"], True),
        (LIST, [], []),
        (LIST, ["b", "a", "b"], ["b", "a"]),
        (LIST, ["x\r\n\r\n y ", "x"], ["x", "y"]),
    ],
)
def test_a_value_is_read_as_its_type_or_stays_as_it_was_typed(
    schema: dict[str, Any], sent: list[str], value: Any
) -> None:
    assert values_sent({"field": schema}, {"field": sent}.__getitem__) == {"field": value}
