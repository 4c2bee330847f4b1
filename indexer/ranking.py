"""Exact ranking of a whole collection, with nothing asked of a store but its best points for a vector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.scoring import Float64, Scoring
from topicidx.indexer.store import Float32, PointFilter, ScoredIds, VectorStore

#: Points that are fetched of each term at first, where two, three or more terms lead: what settles most queries over 150,000
#: pictures (benchmarks/search.py). Among some of them, such as those of a city, one step less settles them.
FIRST_DEPTHS = (2_048, 4_096, 8_192)
#: How many times deeper it goes where that was not deep enough.
_DEEPER = 4
#: Scores that differ by less than this share of them are equal.
_EQUAL = 1e-9

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScoredPoint:
    """A point and its score."""

    id: UUID
    score: float


def rank(
    store: VectorStore,
    scoring: Scoring,
    limit: int,
    among: PointFilter | None = None,
    *,
    exact: bool = True,
    first_depth: int | None = None,
    rounds: int | None = None,
) -> list[ScoredPoint]:
    """The `limit` points of highest score, exactly unless told otherwise, best first; equal scores in the order of ids.

    The first n of a longer ranking are the ranking of n, so that pages fit together.

    Each term's best points are fetched to some depth (candidates). What a candidate may score at most follows from the
    lists it is in and from how the others end; those that may be among the best are looked up by id in every list. Once no
    point below that depth can do as well as the last of the best, the ranking is exact, otherwise the depth grows, at most to
    the whole collection. Terms that are pushed down can only lower a score, so beside others they give no candidates.
    exact=False lets the candidates be found by what the store has for that; scores are exact always. first_depth and rounds,
    after which the best so far are given, are for measuring.
    Source: Fagin, Lotem and Naor, "Optimal aggregation algorithms for middleware" (2003): the threshold algorithm, with
    the bounds of their combined algorithm.
    """
    scoring = as_asked(scoring)
    leading = np.flatnonzero(scoring.weights > 0) if (scoring.weights > 0).any() else np.arange(len(scoring.weights))
    depth = first_depth or _first_depth(scoring, len(leading), limit, whole=among is None)
    while True:
        candidates = _Candidates(store, scoring, leading, among, depth, exact)
        best = candidates.best(limit)
        rounds = None if rounds is None else rounds - 1
        if candidates.are_all or rounds == 0:
            return best
        if len(best) == limit and candidates.unseen < best[-1].score - abs(best[-1].score) * _EQUAL:
            return best
        depth *= _DEEPER


def rank_these(store: VectorStore, scoring: Scoring, ids: Sequence[UUID], limit: int) -> list[ScoredPoint]:
    """As `rank`, among points that are known to be there, by a scoring `as_asked`."""
    if not ids:
        return []
    vectors, signs = _searched(scoring)
    row = {point: number for number, point in enumerate(ids)}
    lifts = np.empty((len(row), len(vectors)))
    for term, found in enumerate(store.search(vectors, len(row), PointFilter(ids=frozenset(row)))):
        lifts[[row[point] for point in found.ids], term] = found.scores
    return _in_order(row, scoring.combine(lifts * signs), limit)


def as_asked(scoring: Scoring) -> Scoring:
    """The scoring as it is asked for: one vector is all that the rule `dot` needs."""
    return Scoring(scoring.mean_vector[None], np.ones(1), "dot") if scoring.rule == "dot" else scoring


def _searched(scoring: Scoring) -> tuple[Float32, Float64]:
    """The vectors that a store is searched for, and the signs with which its answers count: what has a negative weight is asked
    for by the negative of its vector."""
    signs = np.where(scoring.weights < 0, -1.0, 1.0)
    return (scoring.vectors * signs[:, None]).astype(np.float32), signs


def _in_order(ids: Iterable[UUID], scores: Float64, limit: int) -> list[ScoredPoint]:
    pairs = zip(scores.tolist(), ids, strict=True)
    return [ScoredPoint(point, score) for score, point in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))][:limit]


def _first_depth(scoring: Scoring, leading: int, limit: int, *, whole: bool) -> int:
    if leading > 1:
        settling = FIRST_DEPTHS[min(leading, 1 + len(FIRST_DEPTHS)) - 2]
        return max(4 * limit, settling if whole else settling // _DEEPER)
    return limit + 1 if leading == len(scoring.weights) else max(4 * limit, 128)


class _Candidates:
    """The points in the first `depth` of each leading term's list, and what is known of them."""

    def __init__(
        self, store: VectorStore, scoring: Scoring, leading: Rows, among: PointFilter | None, depth: int, exact: bool
    ) -> None:  # fmt: skip
        self._store = store
        self._scoring = scoring
        self._among = among
        self._vectors, self._signs = _searched(scoring)
        lists = store.search(self._vectors[leading], depth, among, exact=exact)
        self.are_all = any(len(found.ids) < depth for found in lists)
        self.ids = list(dict.fromkeys(point for found in lists for point in found.ids))
        self._row = {point: row for row, point in enumerate(self.ids)}
        # The most that a point can have of a term whose list does not tell: of a leading one what its list ends with, of one
        # that is pushed down, nothing.
        most = np.zeros(len(scoring.weights))
        if self.ids:
            most[leading] = [found.scores[-1] for found in lists]
        self.unseen = float(scoring.combine((most * self._signs)[None])[0]) if self.ids else 0.0
        self._lifts = np.broadcast_to(most, (len(self.ids), len(most))).copy()
        self._known = np.zeros(self._lifts.shape, dtype=bool)
        for term, found in zip(leading, lists, strict=True):
            self._note(int(term), found)

    def best(self, limit: int) -> list[ScoredPoint]:
        """The best of the candidates, by their exact scores."""
        if not self.ids:
            return []
        bounds = self._scores()
        order = np.argsort(-bounds, kind="stable")
        self._look_up(order[: max(2 * limit, 256)])
        scores = self._scores()
        exactly = np.sort(scores[self._known.all(axis=1)])[::-1]
        if len(exactly) >= limit:
            least = exactly[limit - 1]
            order = np.flatnonzero(bounds >= least - abs(least) * _EQUAL)
        self._look_up(order)
        rows = np.flatnonzero(self._known.all(axis=1))
        return _in_order((self.ids[row] for row in rows), self._scores()[rows], limit)

    def _scores(self) -> Float64:
        return self._scoring.combine(self._lifts * self._signs)

    def _look_up(self, rows: Rows) -> None:
        """Know every lift of these candidates."""
        rows = rows[~self._known[rows].all(axis=1)]
        terms = np.flatnonzero(~self._known[rows].all(axis=0))
        if not len(rows) or not len(terms):
            return
        ids = frozenset(self.ids[row] for row in rows)
        among = replace(self._among, ids=ids) if self._among else PointFilter(ids=ids)
        found = self._store.search(self._vectors[terms], len(ids), among)
        for term, column in zip(terms.tolist(), found, strict=True):
            self._note(term, column)

    def _note(self, term: int, found: ScoredIds) -> None:
        rows = [self._row[point] for point in found.ids]
        self._lifts[rows, term] = found.scores
        self._known[rows, term] = True
