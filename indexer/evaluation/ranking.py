"""Exact rankings of pictures that are held in memory, by the scores that search gives."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.evaluation.pictures import Pictures
from topicidx.indexer.index import Index
from topicidx.indexer.results import Unknown
from topicidx.indexer.store import Float32, PointFilter, VectorStore
from topicidx.settings import Match

Float64 = NDArray[np.float64]
Rows = NDArray[np.intp]
#: How pictures are scored: the two ways to match of search, or by the L2 distance from the mean of the words' topic
#: distributions, which the published method was compared with.
Method = Match | Literal["l2"]

#: Vectors that are scored at once: few enough that their copies in float64 stay in a processor's cache (7 times as fast).
_AT_ONCE = 512


class Scorer(Protocol):
    """A query that has been resolved: what `Index.compile` gives."""

    @property
    def among(self) -> PointFilter | None: ...

    @property
    def unknown(self) -> tuple[Unknown, ...]: ...

    def score(self, points: Float32) -> Float64:
        """Scores of stored vectors, float32 (n, dimensions) -> float64 (n,)."""


@dataclass(frozen=True)
class Distance:
    """Minus the L2 distance from `target`, float64 (dimensions,)."""

    target: Float64
    unknown: tuple[Unknown, ...] = ()
    among: PointFilter | None = None

    def score(self, points: Float32) -> Float64:
        """float32 (n, dimensions) -> float64 (n,)."""
        distances: Float64 = np.linalg.norm(points.astype(np.float64) - self.target, axis=1)
        return -distances


def resolve(index: Index, query: str, method: Method) -> Scorer:
    """How a query scores pictures. Raises what search does; L2 distance takes plain words alone."""
    if method != "l2":
        return index.compile(query, match=method)
    unknown = index.compile(query, match="mean").unknown
    words = Counter(word for _, word in index.space.words.find(query) if word is not None)
    weights = np.array(list(words.values()), dtype=np.float64)
    mean = weights @ index.space.words.vectors("topics", list(words)).astype(np.float64) / weights.sum()
    return Distance(mean, unknown)


def scores_of(scorer: Scorer, vectors: Float32) -> Float64:
    """Scores of all vectors, float32 (n, dimensions) -> float64 (n,), a block at a time."""
    blocks = [scorer.score(vectors[begin : begin + _AT_ONCE]) for begin in range(0, len(vectors), _AT_ONCE)]
    return np.concatenate(blocks) if blocks else np.empty(0)


def best_first(scores: Float64, rows: Rows | None = None) -> Rows:
    """Rows by falling score, of equal ones the lower first: all, or those among `rows`, ascending."""
    if rows is None:
        return np.argsort(-scores, kind="stable")
    order: Rows = rows[np.argsort(-scores[rows], kind="stable")]
    return order


def rows_among(pictures: Pictures, store: VectorStore, among: PointFilter) -> Rows:
    """The rows of the pictures that a query's own conditions hold of, ascending."""
    passing = {record.id for record in store.scroll([], among)}
    rows: Rows = np.array(
        [row for row, picture in enumerate(pictures.pictures) if picture.id in passing], dtype=np.intp
    )
    return rows
