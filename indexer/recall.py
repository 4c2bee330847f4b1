"""Recall: how much of what an exact search finds the configured search finds, for the queries that people send."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import StoreError
from topicidx.indexer.index import Index
from topicidx.indexer.scoring import LIFT_FLOOR
from topicidx.indexer.store import Float32, VectorStore

#: Results of which recall is measured, queries of each kind, and the share of them that fares worst.
AT, QUERIES, WORST = 10, 200, 0.1


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@10 of a kind of queries: the mean, and the mean of the tenth that fares worst."""

    queries: int
    mean: float
    worst_decile: float


@dataclass(frozen=True, slots=True)
class RecallReport:
    """What a store's configured search finds of the 10 best. search: exact, or what it goes through. pushed_down: words with a
    negative weight."""

    search: str
    points: int
    words: Recall
    pushed_down: Recall
    pictures: Recall

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def measure_recall(index: Index, *, queries: int = QUERIES, seed: int = 0) -> RecallReport:
    """Compare the search that `index` is set to with an exact one, which takes some seconds for a million points.

    Queries are the lift vectors of words of the vocabulary, drawn by how many captions hold them, and the vectors of pictures
    of the store, as they are when a picture is a query. Raises StoreError for an empty store.
    """
    info, rng = index.store.info(), np.random.default_rng(seed)
    if not info.points:
        raise StoreError(
            f"the store {info.location} holds no pictures whose search could be measured; ingest some first"
        )
    counts = np.array([word.documents for word in index.space.words.vocabulary.words], dtype=np.float64)
    chosen = rng.choice(len(counts), min(queries, len(counts)), replace=False, p=counts / counts.sum())
    words = index.space.words.vectors("lift", chosen.tolist())
    pictures = index.space.as_terms(_pictures(index.store, info.points, queries, rng))
    return RecallReport(
        search="exact" if index.exact else info.approximate or "exact",
        points=info.points,
        words=_recall(index, words),
        pushed_down=_recall(index, -words),
        pictures=_recall(index, pictures),
    )


def _pictures(store: VectorStore, points: int, queries: int, rng: np.random.Generator) -> Float32:
    """Vectors of pictures drawn at random."""
    wanted = set(rng.choice(points, min(queries, points), replace=False).tolist())
    ids = [record.id for place, record in enumerate(store.scroll([])) if place in wanted]
    return store.vectors(ids)


def _recall(index: Index, vectors: Float32) -> Recall:
    expected = index.store.search(vectors, AT)
    found = expected if index.exact else index.store.search(vectors, AT, exact=False)
    floor = LIFT_FLOOR if index.space.scores == "lift" else 0.0
    each = np.array([_of(one.scores, other.scores, floor) for one, other in zip(expected, found, strict=True)])
    worst = np.sort(each)[: max(1, round(WORST * len(each)))]
    return Recall(len(each), float(each.mean()), float(worst.mean()))


def _of(expected: NDArray[np.float64], found: NDArray[np.float64], floor: float) -> float:
    """The share of the expected that was found, by score: of pictures that score alike any will do."""
    if not len(expected):
        return 1.0
    # Lifts below the floor score alike, those of words that are pushed down (negative) too.
    worst = np.minimum(expected[-1], -floor) if expected[-1] < 0 else np.maximum(expected[-1], floor)
    counted = np.minimum(found, -floor) if expected[-1] < 0 else np.maximum(found, floor)
    return min(1.0, float((counted >= worst - 1e-6 * abs(worst)).sum()) / len(expected))
