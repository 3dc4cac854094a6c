"""Ruling out by place within a batch finds what comparing all with all finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lead_mining.matching.likeness import Profile, elsewhere_is_another, model, probability
from lead_mining.matching.lookalikes import _Block

_PROFILES = st.builds(
    Profile,
    st.sampled_from([("acme",), ("acme", "gmbh"), ("acme", "energy")]),
    st.sampled_from([None, "DE", "FR"]),
    *[st.sampled_from([None, "1", "2"])] * 4,
)


@given(_PROFILES, st.lists(_PROFILES, max_size=12))
def test_nothing_likely_is_left_out(mine: Profile, others: list[Profile]) -> None:
    block = _Block()
    for number, other in enumerate(others):
        block.add(number, other)
    looked_at = {number for number, _ in block.that_may_be_like(mine)}
    likely = {number for number, other in enumerate(others) if probability(mine, other) >= model().likely}
    assert likely <= looked_at


def test_a_company_elsewhere_is_not_even_looked_at() -> None:
    assert elsewhere_is_another()
    block = _Block()
    for number in range(100):
        block.add(number, Profile(("acme",), "DE", f"city {number}", f"zip {number}"))
    assert [number for number, _ in block.that_may_be_like(Profile(("acme",), "DE", "city 7", "zip"))] == [7]
