"""The parts that a run's candidates fall into."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lead_mining import candidates


@given(number=st.integers(0, 60_000_000))
def test_parts_hold_every_candidate_once_and_are_not_too_many(number: int) -> None:
    parts = candidates.in_parts(number)
    assert (parts[0].first, parts[-1].last) == (1, max(number, 1))
    assert all(later.first == earlier.last + 1 for earlier, later in pairwise(parts))
    assert {part.of for part in parts} == {len(parts)}
    assert len(parts) <= 1024
    assert len(parts) == 1 or min(part.last - part.first for part in parts[:-1]) >= candidates.CHUNK - 1


@given(number=st.integers(0, 60_000_000))
def test_the_last_part_has_all_that_follow_and_no_other_has(number: int) -> None:
    parts = candidates.in_parts(number)
    assert parts[-1].through == candidates.WHOLE.last
    assert [part.through for part in parts[:-1]] == [part.last for part in parts[:-1]]
