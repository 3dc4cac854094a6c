"""Matching on data with known truth: never worse than what the README says, on records that nothing was fitted on."""

from __future__ import annotations

import known_truth
import persons
import pytest
from accuracy import matched
from known_truth import Accuracy, NotAvailable, accuracy, equal

from lead_mining.matching import likeness


def of_companies(load: object) -> tuple[Accuracy, known_truth.Truth]:
    try:
        truth = load(1)  # type: ignore[operator]
    except NotAvailable as why:
        pytest.skip(str(why))
    model = likeness.model()
    return accuracy(matched(truth, likeness.features, model, model.likely), truth), truth


def test_real_companies_are_told_apart_far_better_than_by_their_names() -> None:
    ours, truth = of_companies(known_truth.companies)
    by_name = accuracy(equal([row["name"] for row in truth.raw]), truth)
    assert ours.f1 >= 0.918
    assert ours.precision >= 0.95  # where two share classes of a company count as two companies
    assert ours.f1 > by_name.f1 + 0.1


def test_restaurants_of_two_guides() -> None:
    ours, _ = of_companies(known_truth.restaurants)
    assert ours.f1 >= 0.98
    assert ours.precision == 1


@pytest.mark.parametrize(("data_set", "least"), [(3, 0.998), (4, 0.999)])
def test_persons_with_slips_in_every_field(data_set: int, least: float) -> None:
    try:
        truth = known_truth.persons(data_set, 1)
    except NotAvailable as why:
        pytest.skip(str(why))
    ours = accuracy(matched(truth, persons.features, persons.model(), persons.model().likely), truth)
    assert ours.f1 >= least
    assert ours.precision >= 0.999
