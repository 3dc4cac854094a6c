"""A provider's id proves that a company is the same only where it gives that to one company."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lead_mining.identifiers import registered_domain
from lead_mining.provider_ids import without_ids_of_several
from lead_mining.providers.base import Company, Contact

NAMES = st.sampled_from([None, "Alpha", "Beta"])
COMPANIES = st.builds(
    Company,
    reveal_id=st.sampled_from([None, "", " ", "1", "2"]),
    name=NAMES,
    domain=st.sampled_from([None, "alpha.example", "www.alpha.example", "beta.example", "gmail.com"]),
)


@given(companies=st.lists(COMPANIES, max_size=6))
def test_nothing_but_ids_changes_and_who_shares_one_shares_domain_or_name(companies: list[Company]) -> None:
    left = without_ids_of_several(companies)
    assert left == [
        before.model_copy(update={"reveal_id": after.reveal_id}) for before, after in zip(companies, left, strict=True)
    ]
    for before, after in zip(companies, left, strict=True):
        bearers = [one for one in companies if one.reveal_id == before.reveal_id]
        if all(one == before for one in bearers):
            assert after.reveal_id == (before.reveal_id or None)
        if after.reveal_id is not None:
            domains = {registered_domain(one.domain or "") for one in bearers}
            assert len(domains) == 1
            assert domains != {None} or len({one.name for one in bearers}) == 1


def test_a_company_that_came_twice_keeps_its_id_and_two_that_share_one_lose_it() -> None:
    twice = Company(reveal_id="1", name="Alpha", contacts=(Contact(full_name="Ann"),))
    assert [one.reveal_id for one in without_ids_of_several([twice, twice.without_contacts({0})])] == ["1", "1"]
    other = Company(reveal_id="1", name="Beta")
    assert [one.reveal_id for one in without_ids_of_several([twice, other, twice])] == [None, None, None]
