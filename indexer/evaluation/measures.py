"""Retrieval measures of one ranking, and what they come to by chance."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ir_measures import Measure

#: Measures by their names in ir_measures; the mean of AP over queries is mAP.
MEASURES = ("AP", "P@5", "P@10", "P@100", "nDCG@10")
#: Values by measure.
Values = dict[str, float]


class Judge:
    """Measures rankings of a collection of `pictures` rows."""

    def __init__(self, pictures: int) -> None:
        self._names = np.array([str(row) for row in range(pictures)], dtype=np.object_)
        # Minus the rank, not the score: the library would break ties in its own way.
        self._falling = [-float(rank) for rank in range(pictures)]

    def measure(self, order: NDArray[np.intp], gains: Mapping[int, int], missed: Sequence[int] = ()) -> Values:
        """The measures of a ranking.

        order: rows, best first, intp (n,). gains: the relevance of each relevant row, above 0. missed: the relevance of
        relevant pictures that no ranking can hold, and that count as not found.
        """
        import ir_measures

        qrels = {str(row): gain for row, gain in gains.items()}
        qrels |= {f"missed {number}": gain for number, gain in enumerate(missed)}
        run = dict(zip(self._names[order].tolist(), self._falling, strict=False))
        if not run:
            return dict.fromkeys(MEASURES, 0.0)
        found = ir_measures.iter_calc(list(self._measures.values()), {"query": qrels}, {"query": run})
        values = {metric.measure: float(metric.value) for metric in found}
        return {name: values[wanted] for name, wanted in self._measures.items()}

    @cached_property
    def _measures(self) -> "dict[str, Measure]":
        from ir_measures import AP, P, nDCG

        return dict(zip(MEASURES, (AP, P @ 5, P @ 10, P @ 100, nDCG @ 10), strict=True))


def chance(candidates: int, gains: Sequence[int], missed: Sequence[int] = ()) -> Values:
    """The expected measures of a random order of `candidates` pictures, exactly.

    gains: the relevance of those of them that are relevant, above 0; missed: as in `Judge.measure`.
    """
    relevant = len(gains)
    if not relevant:
        return dict.fromkeys(MEASURES, 0.0)
    # A relevant picture stands at rank i as often as at any other, and another one above it as often as among all others.
    harmonic = float((1 / np.arange(1, candidates + 1)).sum())
    above = (relevant - 1) / (candidates - 1) * (candidates - harmonic) if candidates > 1 else 0.0
    expected = {"AP": relevant / (relevant + len(missed)) * (harmonic + above) / candidates}
    for depth in (5, 10, 100):
        expected[f"P@{depth}"] = relevant / candidates * min(depth, candidates) / depth
    best = sorted([*gains, *missed], reverse=True)[:10]
    ideal = float((np.array(best) * _discounts(len(best))).sum())
    expected["nDCG@10"] = sum(gains) / candidates * float(_discounts(min(10, candidates)).sum()) / ideal
    return expected


def _discounts(ranks: int) -> NDArray[np.float64]:
    discounts: NDArray[np.float64] = 1 / np.log2(np.arange(2, ranks + 2))
    return discounts
