"""Exact rankings for many queries at once, by one pass over all vectors instead of a search for each term of each query."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

import numpy as np

from topicidx.embedders.prefetch import map_ahead
from topicidx.indexer.ranking import ScoredPoint, as_asked, rank, rank_these
from topicidx.indexer.scoring import Scoring, floors
from topicidx.indexer.store import Float32, PointFilter, VectorBlock, VectorStore

#: Terms that queries must have together for a pass to be worth it: reading a point takes as long as scoring it for so many.
WORTH = 300
#: Scores that are kept at once: 4 bytes each.
_SCORES = 8_000_000
#: Single precision errs by less than this: in logarithms of lifts, and as a share of a vector's largest component.
_LOG_SLACK, _DOT_SLACK = 1e-4, 1e-5
#: Candidates of a query for each picture that is wanted; with more (whole crowds of equal pictures) it is ranked by itself.
_CROWD = 8
#: Candidates are sorted out once one in so many is new: sorting takes as long as scoring a block.
_UNPRUNED = 5


@runtime_checkable
class ScannableStore(VectorStore, Protocol):
    """A store whose vectors are at hand, so that reading all of them is cheap."""

    def scan(self, where: PointFilter | None = None) -> Iterator[VectorBlock]:
        """Ids and vectors of every point, in blocks."""


Ranked = tuple[Scoring, PointFilter | None]


def rank_many(
    store: VectorStore, asked: Sequence[Ranked], limit: int, *, exact: bool = True
) -> list[list[ScoredPoint]]:
    """For each scoring, with the points it is among, what `rank` finds.

    Queries among the same points share a pass over their vectors, where the store is in this process and they have enough
    terms (WORTH); it gives candidates in single precision, whose scores are then looked up as `rank` does. Memory is bounded by
    _SCORES, whatever the number of points. Other queries are ranked one by one.
    """
    ranked: dict[int, list[ScoredPoint]] = {}
    if isinstance(store, ScannableStore):
        groups: dict[PointFilter | None, list[int]] = defaultdict(list)
        for number, (_, among) in enumerate(asked):
            groups[among].append(number)
        for among, numbers in groups.items():
            scorings = [as_asked(asked[number][0]) for number in numbers]
            if sum(len(scoring.weights) for scoring in scorings) >= WORTH:
                found = _candidates(store.scan(among), scorings, limit)
                for number, scoring, ids in zip(numbers, scorings, found, strict=True):
                    if ids is not None:
                        ranked[number] = rank_these(store, scoring, ids, limit)
    return [
        ranked[number] if number in ranked else rank(store, scoring, limit, among, exact=exact)
        for number, (scoring, among) in enumerate(asked)
    ]


def _candidates(blocks: Iterable[VectorBlock], scorings: Sequence[Scoring], limit: int) -> list[list[UUID] | None]:
    """For each scoring ids among which its best are, None where these would be too many."""
    terms = _Terms(scorings)
    best = _Best(limit, terms.slack)
    size = max(_SCORES // len(scorings), 1)

    def add(block: VectorBlock) -> None:
        for begin in range(0, len(block), size):
            best.add(terms.scores(block.vectors[begin : begin + size]), block, begin)

    # Reading holds the interpreter lock, scoring leaves it: one block is scored while the next is read.
    for _ in map_ahead(add, blocks, threads=1, ahead=1):
        pass
    return best.found()


class _Terms:
    """The terms of all scorings, each once, and what scorings make of them."""

    def __init__(self, scorings: Sequence[Scoring]) -> None:
        from scipy.sparse import csr_array

        vectors: dict[bytes, int] = {}
        rows: dict[tuple[int, float | None], int] = {}
        entries: list[tuple[int, int, float]] = []
        for number, scoring in enumerate(scorings):
            product = scoring.rule == "product"
            share = np.abs(scoring.weights).sum()
            for vector, weight, floor in zip(scoring.vectors, scoring.weights, floors(scoring.weights), strict=True):
                place = vectors.setdefault(vector.astype(np.float32).tobytes(), len(vectors))
                row = rows.setdefault((place, float(floor) if product else None), len(rows))
                entries.append((number, row, weight / share))
        self._vectors = np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])
        self._places = np.array([place for place, _ in rows])
        self._each_once = len(rows) == len(vectors)  # then rows are in the order of their vectors
        self._floors = np.array([np.nan if floor is None else floor for _, floor in rows], dtype=np.float32)[:, None]
        self._logged = ~np.isnan(self._floors[:, 0])
        numbers, columns, weights = zip(*entries, strict=True)
        shape = (len(scorings), len(rows))
        self._weights = csr_array((np.array(weights, dtype=np.float32), (numbers, columns)), shape=shape)
        #: By how much the scores of each scoring may be wrong: float32 (scorings,).
        self.slack = np.array(
            [
                _LOG_SLACK if scoring.rule == "product" else _DOT_SLACK * np.abs(scoring.vectors).max()
                for scoring in scorings
            ],
            dtype=np.float32,
        )

    def scores(self, points: Float32) -> Float32:
        """Scores by the rule `dot`, logarithms of those by `product`: float32 (n, dimensions) -> (scorings, n)."""
        terms = self._vectors @ points.T
        if not self._each_once:
            terms = terms[self._places]
        if self._logged.all():
            np.log(np.maximum(terms, self._floors, out=terms), out=terms)
        elif self._logged.any():
            terms[self._logged] = np.log(np.maximum(terms[self._logged], self._floors[self._logged]))
        scores: Float32 = self._weights @ terms
        return scores


class _Best:
    """For each scoring, the points so far that may be among its best."""

    def __init__(self, limit: int, slack: Float32) -> None:
        self._limit = limit
        self._slack = slack
        self._least: Float32 = np.full(len(slack), -np.inf, dtype=np.float32)
        self._crowded = np.zeros(len(slack), dtype=bool)
        self._rows = np.empty(0, dtype=np.int64)
        self._ids = np.empty(0, dtype=object)
        self._scores = np.empty(0, dtype=np.float32)
        self._unpruned = 0

    def add(self, scores: Float32, block: VectorBlock, begin: int) -> None:
        """The points of a block from row `begin` on, with their scores: float32 (scorings, n)."""
        count = scores.shape[1]
        if not len(self._rows) and count > self._limit:
            kth = np.partition(scores, count - self._limit, axis=1)[:, count - self._limit]
            self._least = kth - self._slack
        places = np.flatnonzero(scores >= self._least[:, None])  # several times as fast as nonzero of two dimensions
        if not len(places):
            return
        rows, columns = np.divmod(places, count)
        found, which = np.unique(columns, return_inverse=True)
        ids = np.array([block.id_of(begin + row) for row in found.tolist()], dtype=object)
        self._rows = np.concatenate([self._rows, rows])
        self._ids = np.concatenate([self._ids, ids[which]])
        self._scores = np.concatenate([self._scores, scores.ravel()[places]])
        self._unpruned += len(places)
        if self._unpruned * _UNPRUNED >= len(self._rows):
            self._prune()

    def found(self) -> list[list[UUID] | None]:
        """Ids for each scoring, None for those with crowds."""
        self._prune()
        cuts = np.cumsum(np.bincount(self._rows, minlength=len(self._slack)))[:-1]
        parts = np.split(self._ids, cuts)  # rows are in order
        return [None if crowded else part.tolist() for part, crowded in zip(parts, self._crowded, strict=True)]

    def _prune(self) -> None:
        order = np.lexsort((-self._scores, self._rows))
        self._rows, self._ids, self._scores = self._rows[order], self._ids[order], self._scores[order]
        counts = np.bincount(self._rows, minlength=len(self._slack))
        full = counts >= self._limit
        kth = (np.cumsum(counts) - counts + self._limit - 1)[full]
        self._least[full] = self._scores[kth] - self._slack[full]
        keep = self._scores >= self._least[self._rows]
        self._crowded |= np.bincount(self._rows[keep], minlength=len(self._slack)) > _CROWD * self._limit + 64
        self._least[self._crowded] = np.inf
        keep &= ~self._crowded[self._rows]
        self._rows, self._ids, self._scores = self._rows[keep], self._ids[keep], self._scores[keep]
        self._unpruned = 0
