"""Names of metrics; what is counted and when is tested with real steps in tests/integration/test_dag_steps.py."""

from __future__ import annotations

import pytest

from lead_mining.metrics import _part_of_a_name


@pytest.mark.parametrize(
    ("rule", "part"),
    [("domain_is_known", "domain_is_known"), ("Höhe: 1.5 m, =x|c", "H_he__1_5_m___x_c"), ("a\nb:1|c", "a_b_1_c")],
)
def test_whatever_a_rule_is_called_it_is_one_part_of_a_name(rule: str, part: str) -> None:
    assert _part_of_a_name(rule) == part
