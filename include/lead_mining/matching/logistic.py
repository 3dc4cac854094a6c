"""A logistic model whose weights stand in a data file: how likely two records are one and the same.

`python benchmarks/accuracy.py --fit` writes such files: it fits the weights on the training parts of data with known
truth. Without `--fit` it says how well they do on the parts that were not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import NamedTuple

import yaml


class Model(NamedTuple):
    """`weights`: one a feature. From the probability `likely` on, two records may well be the same."""

    weights: tuple[float, ...]
    base: float
    likely: float

    @property
    def needed(self) -> float:
        """The evidence at which the probability is `likely`."""
        return math.log(self.likely / (1 - self.likely))

    def probability(self, features: Sequence[float]) -> float:
        evidence = self.base + sum(w * f for w, f in zip(self.weights, features, strict=True))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, evidence))))


def read_model(file: Traversable, features: Sequence[str]) -> Model:
    """The model of a file, its weights in the order of `features`."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Model(tuple(data["weights"][feature] for feature in features), data["base"], data["likely"])
