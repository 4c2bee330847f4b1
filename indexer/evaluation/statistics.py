"""What values of a sample of queries say: means with intervals, and whether two ways to score differ."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Resamples of bootstraps and permutation tests.
RESAMPLES = 10_000
CONFIDENCE = 0.95
#: Numbers that are held at once while resampling.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % interval; none where a single query says nothing of how queries differ."""

    mean: float
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The estimate in JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second of two ways to score against the first, on the same queries.

    ratio: of the means, None where the first is 0. difference: of the means, with its 95 % interval. p: two-sided, that of a
    difference this large if the two were alike.
    """

    ratio: float | None
    difference: Estimate
    p: float

    def to_json(self) -> dict[str, Any]:
        """The comparison in JSON values."""
        return asdict(self)


def estimate(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """The mean of values (one a query, at least one) with its interval: percentile bootstrap over queries, seeded."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Estimate(mean)
    from scipy.stats import bootstrap

    found = bootstrap(
        (sample,), np.mean, n_resamples=RESAMPLES, batch=_batch(len(sample)), vectorized=True, method="percentile",
        confidence_level=CONFIDENCE, rng=np.random.default_rng(seed),
    )  # fmt: skip
    interval = found.confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high))


def compare(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Comparison:
    """`second` against `first`, values of the same queries in the same order: a paired permutation test, seeded.

    Where there are few queries every one of the 2^n exchanges is made, so that p is exact; otherwise RESAMPLES of them.
    """
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    mean = float(before.mean())
    return Comparison(
        ratio=float(after.mean()) / mean if mean else None,
        difference=estimate((after - before).tolist(), seed=seed),
        p=_p_value(after - before, seed),
    )


def _p_value(differences: "np.ndarray[Any, np.dtype[np.float64]]", seed: int) -> float:
    if len(differences) < 2 or not differences.any():
        return 1.0
    from scipy.stats import permutation_test

    # Exchanging the two values of a query turns the sign of their difference.
    found = permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        batch=_batch(len(differences)), alternative="two-sided", rng=np.random.default_rng(seed),
    )  # fmt: skip
    return min(1.0, float(found.pvalue))


def _batch(values: int) -> int:
    return max(1, math.floor(_AT_ONCE / values))
