"""Exact ranking by products of lifts, with nothing asked of a store but its best points for a vector."""

from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.store import Float32, PointFilter, VectorStore

#: Lifts below this count as this: a hundred times rarer than average is as good as absent, and keeps logarithms finite.
LIFT_FLOOR = 0.01

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoredPoint:
    """A point and its score."""

    id: UUID
    score: float


def geometric_mean(lifts: Float64, weights: Float64) -> Float64:
    """Weighted geometric mean of lifts: exp(sum of a ln lift / sum of |a|) over the last axis; float64 (..., terms) -> (...).

    Lifts are floored at LIFT_FLOOR. Negative weights divide.
    """
    logs = np.log(np.maximum(lifts, LIFT_FLOOR))
    mean: Float64 = np.exp(logs @ weights / np.abs(weights).sum())
    return mean


def rank_by_product(
    store: VectorStore,
    vectors: Float32,
    weights: Float64,
    limit: int,
    where: PointFilter | None = None,
    *,
    exact: bool = True,
) -> list[ScoredPoint]:
    """The `limit` points of highest geometric mean of lifts, exactly unless told otherwise, best first.

    Equal scores come in the order of ids; of equal scores at the cut, any.

    vectors: lift vectors, float32 (terms, dimensions); weights: float64 (terms,), not 0. Each term's best points (for a
    negative weight, its worst) are fetched to some depth and scored by all terms; once no point below that depth can do
    better than the last of the best, the ranking is exact, otherwise the depth grows, at most to the whole collection.
    Source: Fagin, Lotem and Naor, "Optimal aggregation algorithms for middleware" (2003), the threshold algorithm.
    """
    signs = np.sign(weights)
    signed = (vectors * signs[:, None]).astype(np.float32)
    depth = limit if len(weights) == 1 else max(4 * limit, 128)
    while True:
        lists = store.search(signed, depth, where, exact=exact)
        columns = [dict(zip(found.ids, found.scores, strict=True)) for found in lists]
        if not columns[0]:
            return []
        # What a point that no list holds can have at most.
        last = np.array([min(column.values()) for column in columns]) * signs
        best = _scored(store, columns, signed, signs, weights, where)[:limit]
        every_point = any(len(column) < depth for column in columns)
        if every_point or (len(best) == limit and best[-1].score >= geometric_mean(last, weights)):
            return best
        depth *= 8


def rank_by_dot_product(
    store: VectorStore, vector: Float32, limit: int, where: PointFilter | None = None, *, exact: bool = True
) -> list[ScoredPoint]:
    """The `limit` points of highest dot product with `vector`, float32 (dimensions,), best first; all of them where `exact`."""
    (found,) = store.search(vector[None], limit, where, exact=exact)
    return _sorted(found.ids, found.scores)


def _scored(
    store: VectorStore, columns: list[dict[UUID, float]], signed: Float32, signs: Float64, weights: Float64,
    where: PointFilter | None,
) -> list[ScoredPoint]:  # fmt: skip
    ids = sorted(set().union(*columns))
    for row, column in enumerate(columns):
        missing = frozenset(ids) - column.keys()
        if missing:
            among = replace(where, ids=missing) if where else PointFilter(ids=missing)
            (found,) = store.search(signed[row : row + 1], len(missing), among)
            column.update(zip(found.ids, found.scores, strict=True))
    lifts = np.array([[column[point] for column in columns] for point in ids]) * signs
    return _sorted(ids, geometric_mean(lifts, weights))


def _sorted(ids: list[UUID], scores: Float64) -> list[ScoredPoint]:
    pairs = sorted(zip(ids, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [ScoredPoint(point, score) for point, score in pairs]
