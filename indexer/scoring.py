"""What a picture scores for a query: a weighted geometric mean of lifts, or one dot product."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.store import Float32

#: Lifts below this count as this: a hundred times rarer than average is as good as absent, and keeps logarithms finite.
LIFT_FLOOR = 0.01
#: Of a term that is pushed down, beside others that are not, a picture with less than average has none: it is not lifted by
#: having still less. (Measured: benchmarks/README.md.)
PUSHED_DOWN_FLOOR = 1.0

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """A query as its terms' vectors, float32 (terms, dimensions), and weights, float64 (terms,), none of them 0.

    product: `geometric_mean` of the terms' lifts. dot: the dot product with the weighted mean of the vectors.
    """

    vectors: Float32
    weights: Float64
    rule: Literal["product", "dot"]

    def lifts(self, points: Float32) -> Float64:
        """The dot product of each point's vector, float32 (n, dimensions), with each term's: float64 (n, terms)."""
        # Double precision, so that a point's score does not depend on how many it is scored with.
        lifts: Float64 = points.astype(np.float64) @ self.vectors.T.astype(np.float64)
        return lifts

    def score(self, points: Float32) -> Float64:
        """The score of each point, from its vector: float32 (n, dimensions) -> float64 (n,)."""
        return self.combine(self.lifts(points))

    def combine(self, lifts: Float64) -> Float64:
        """The scores that follow from `lifts`: float64 (n, terms) -> (n,)."""
        if self.rule == "product":
            return geometric_mean(lifts, self.weights)
        mean: Float64 = _weighted(lifts, self.weights)
        return mean

    @property
    def mean_vector(self) -> Float32:
        """The one vector whose dot product is the score by the rule `dot`: float32 (dimensions,)."""
        mean: Float32 = (self.weights @ self.vectors.astype(np.float64) / np.abs(self.weights).sum()).astype(np.float32)
        return mean


def geometric_mean(lifts: Float64, weights: Float64) -> Float64:
    """Weighted geometric mean of lifts: exp(sum of a ln lift / sum of |a|) over the last axis; float64 (..., terms) -> (...).

    Negative weights divide. Lifts are floored by `floors`.
    """
    logs = np.log(np.maximum(lifts, floors(weights)))
    mean: Float64 = np.exp(_weighted(logs, weights))
    return mean


def _weighted(values: Float64, weights: Float64) -> Float64:
    """The weighted mean over the last axis. No matrix product: the last digits of one depend on how many rows there are."""
    mean: Float64 = (values * weights).sum(axis=-1) / np.abs(weights).sum()
    return mean


def floors(weights: Float64) -> Float64:
    """What lifts below count as: float64 (terms,).

    LIFT_FLOOR; PUSHED_DOWN_FLOOR for negative weights beside positive ones: alone, they rank by how little of them there is.
    """
    return np.where((weights < 0) & (weights > 0).any(), PUSHED_DOWN_FLOOR, LIFT_FLOOR)
