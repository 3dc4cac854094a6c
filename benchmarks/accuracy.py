"""How well matching tells the same from others, on data with known truth, beside simple baselines.

    python benchmarks/accuracy.py          # the table: thresholds as the package has them, on parts not fitted on
    python benchmarks/accuracy.py --fit    # fit weights and thresholds anew on the training parts, and write them

Precision comes first: a wrong match throws away a lead that somebody wanted, a missed one costs a credit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import known_truth
import numpy as np
import persons
import yaml
from known_truth import Accuracy, NotAvailable, Pair, Truth, accuracy, equal
from scipy.optimize import minimize

from lead_mining.matching import likeness, names
from lead_mining.matching.logistic import Model

_COMPANY_MODEL = Path(names.__file__).with_name("company_model.yaml")
_LEAST_PRECISION = 0.95  # else fewer are said to be the same


class Row(NamedTuple):
    data: str
    method: str
    result: Accuracy


def matched(truth: Truth, features: Callable[[Any, Any], Sequence[float]], model: Model, at: float) -> set[Pair]:
    """The compared pairs whose probability is at least `at`."""
    known: dict[tuple[Any, Any], float] = {}  # many records are equal in all that is compared

    def probability(one: Any, other: Any) -> float:
        if (one, other) not in known:
            known[one, other] = model.probability(features(one, other))
        return known[one, other]

    return {(a, b) for a, b in truth.compared if probability(truth.records[a], truth.records[b]) >= at}


def table() -> list[Row]:
    """Accuracy on the halves that nothing was fitted on, each method on the same records."""
    rows: list[Row] = []
    for data, load, baselines in (
        ("companies (FIGI)", known_truth.companies, _company_baselines),
        ("restaurants (Fodors-Zagats)", known_truth.restaurants, _restaurant_baselines),
    ):
        try:
            truth = load(1)
        except NotAvailable as why:
            print(f"{data}: left out, {why}")
            continue
        rows += [Row(data, method, accuracy(pairs, truth)) for method, pairs in baselines(truth).items()]
        rows.append(_ours(data, truth, likeness.features, likeness.model()))
    for number in (3, 4):
        try:
            truth = known_truth.persons(number, 1)
        except NotAvailable as why:
            print(f"persons (FEBRL {number}): left out, {why}")
            continue
        data = f"persons (FEBRL {number})"
        rows.append(Row(data, "exact: number, name+birth or name+address", accuracy(_exact_persons(truth), truth)))
        rows.append(_ours(data, truth, persons.features, persons.model()))
    return rows


def _ours(data: str, truth: Truth, features: Callable[[Any, Any], Sequence[float]], model: Model) -> Row:
    return Row(data, "ours", accuracy(matched(truth, features, model, model.likely), truth))


def _company_baselines(truth: Truth) -> dict[str, set[Pair]]:
    bare = [" ".join(w for w in p.name if names.weight(w) > names.LEGAL_FORM) for p in truth.records]
    return {
        "name, letter by letter": equal([row["name"] for row in truth.raw]),
        "name, normalised, no legal form": equal(bare),
        "domain": equal([p.domain for p in truth.records]),
    }


def _restaurant_baselines(truth: Truth) -> dict[str, set[Pair]]:
    by_phone = equal([p.phone for p in truth.records])
    by_name = equal([(p.name, p.city) for p in truth.records])
    lists = [row["list"] for row in truth.raw]
    return {"phone, or name and city": {(a, b) for a, b in by_phone | by_name if lists[a] != lists[b]}}


def _exact_persons(truth: Truth) -> set[Pair]:
    people = truth.records
    return (
        equal([p.number for p in people])
        | equal([(p.name, p.born) if p.name and p.born else None for p in people])
        | equal([(r["surname"], r["address_1"], r["postcode"]) for r in truth.raw])
    )


def fit() -> None:
    """Fit on the training halves: weights by maximum likelihood, the threshold by F1 among those precise enough."""
    company = [known_truth.companies(0), known_truth.restaurants(0)]
    _write(_COMPANY_MODEL, _fitted(company, likeness.features, likeness.FEATURES), likeness.FEATURES)
    person = [known_truth.persons(3, 0), known_truth.persons(4, 0)]
    _write(persons.FILE, _fitted(person, persons.features, persons.FEATURES), persons.FEATURES)


def _fitted(truths: Sequence[Truth], features: Callable[[Any, Any], Sequence[float]], columns: Sequence[str]) -> Model:
    figures, labels, importance = [], [], []
    for truth in truths:
        rows: dict[tuple[Any, Any], list[float]] = {}  # (records): [how many pairs, how many of them the same]
        for a, b in truth.compared:
            counted = rows.setdefault((truth.records[a], truth.records[b]), [0.0, 0.0])
            counted[0] += 1
            counted[1] += (a, b) in truth.same
        figures += [features(*pair) for pair in rows]
        labels += [same / count for count, same in rows.values()]
        counts = np.sqrt([count for count, _ in rows.values()])  # a hundred copies are not a hundred witnesses
        importance += list(counts / counts.sum())
    x, y, w = np.array(figures), np.array(labels), np.array(importance) / len(truths)

    def loss(b: Any) -> tuple[float, Any]:
        z = x @ b[:-1] + b[-1]
        off = w * (1 / (1 + np.exp(-z)) - y)
        return (
            float((w * (np.logaddexp(0, z) - y * z)).sum() + 1e-5 * (b[:-1] ** 2).sum()),
            np.append(x.T @ off + 2e-5 * b[:-1], off.sum()),
        )

    # What agrees never speaks against, what differs never for: that a record lacks a field is no evidence, though in
    # one data set or another it goes with being the same.
    bounds = [(None, 0.0) if column.startswith(("strange", "other")) else (0.0, None) for column in columns]
    start = np.zeros(x.shape[1] + 1)
    best = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)], options={"maxiter": 1000}
    ).x
    model = Model(tuple(round(float(v), 3) for v in best[:-1]), round(float(best[-1]), 3), 1.0)
    return model._replace(likely=_threshold(truths, features, model))


def _threshold(truths: Sequence[Truth], features: Callable[[Any, Any], Sequence[float]], model: Model) -> float:
    def worst(at: float) -> tuple[float, float]:
        results = [accuracy(matched(truth, features, model, at), truth) for truth in truths]
        return min(min(r.precision for r in results), _LEAST_PRECISION), min(r.f1 for r in results)

    return max((round(float(1 / (1 + np.exp(-z))), 4) for z in np.arange(-2, 4, 0.1)), key=worst)


def _write(file: Path, model: Model, columns: Sequence[str]) -> None:
    text = "# Fitted by `python benchmarks/accuracy.py --fit`; not to be edited by hand.\n"
    weights = dict(zip(columns, model.weights, strict=True))
    data = {"likely": model.likely, "base": model.base, "weights": weights}
    file.write_text(text + yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="fit the models anew and write them into the package")
    if parser.parse_args().fit:
        fit()
        for module in (likeness, persons):
            module.model.cache_clear()
    print(f"{'data':28} {'method':42} precision  recall      F1")
    for row in table():
        found = row.result
        print(f"{row.data:28} {row.method:42} {found.precision:9.4f} {found.recall:7.4f} {found.f1:7.4f}")


if __name__ == "__main__":
    main()
