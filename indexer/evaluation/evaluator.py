"""Evaluator: queries ranked over pictures in memory, measured and summed up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from topicidx.errors import QueryError
from topicidx.indexer.evaluation.measures import MEASURES, Judge, Values, chance
from topicidx.indexer.evaluation.pictures import OnProgress, Pictures
from topicidx.indexer.evaluation.ranking import (
    Float64,
    Method,
    Rows,
    Scorer,
    best_first,
    resolve,
    rows_among,
    scores_of,
)
from topicidx.indexer.evaluation.report import QueryResult, QuerySet
from topicidx.indexer.evaluation.statistics import compare, estimate
from topicidx.indexer.index import Index


@dataclass(frozen=True, slots=True)
class Query:
    """A query in the query language. relevant: the relevance, above 0, of rows of the pictures; missed: that of relevant
    pictures which are not among them."""

    id: str
    text: str
    relevant: Mapping[int, int]
    missed: tuple[int, ...] = ()


#: Called with a query, a method, rows best first, and the scores of all rows.
OnRanking = Callable[[Query, Method, Rows, Float64], None]


@dataclass(frozen=True)
class Evaluator:
    """What evaluations have in common. The first of the methods is what the others are compared with."""

    index: Index
    pictures: Pictures
    methods: tuple[Method, ...]
    seed: int = 0
    on_progress: OnProgress | None = None
    on_ranking: OnRanking | None = None

    def evaluate(self, name: str, queries: Sequence[Query], *, unanswered_count: bool = True) -> QuerySet:
        """Rank, measure and sum up.

        unanswered_count: queries that cannot be answered, such as those of which no word is known, count as having found
        nothing; otherwise they are no part of the means.
        """
        results = []
        for done, query in enumerate(queries):
            if self.on_progress:
                self.on_progress(done, len(queries), name)
            results.append(self._result(query))
        counted = [result for result in results if unanswered_count or result.problem is None]
        return QuerySet(
            name=name,
            results=tuple(results),
            counted=len(counted),
            chance={measure: _mean([result.chance[measure] for result in counted]) for measure in MEASURES},
            estimates={
                method: {measure: estimate(_column(counted, method, measure), seed=self.seed) for measure in MEASURES}
                for method in (self.methods if counted else ())
            },
            comparisons={
                method: {
                    measure: compare(
                        _column(counted, self.methods[0], measure), _column(counted, method, measure), seed=self.seed
                    )
                    for measure in MEASURES
                }
                for method in (self.methods[1:] if counted else ())
            },
        )

    def _result(self, query: Query) -> QueryResult:
        relevant = len(query.relevant) + len(query.missed)
        try:
            scorers = {method: resolve(self.index, query.text, method) for method in self.methods}
        except QueryError as error:
            nothing: Mapping[Method, Values] = {method: dict.fromkeys(MEASURES, 0.0) for method in self.methods}
            by_chance = chance(len(self.pictures), list(query.relevant.values()), query.missed)
            return QueryResult(query.id, query.text, relevant, by_chance, nothing, problem=str(error))
        rows = self._rows(next(iter(scorers.values())))
        within = query.relevant.keys() if rows is None else query.relevant.keys() & set(rows.tolist())
        found = {row: query.relevant[row] for row in sorted(within)}
        missed = (*query.missed, *(gain for row, gain in query.relevant.items() if row not in within))
        values: dict[Method, Values] = {}
        for method, scorer in scorers.items():
            scores = scores_of(scorer, self.pictures.vectors)
            order = best_first(scores, rows)
            if self.on_ranking:
                self.on_ranking(query, method, order, scores)
            values[method] = self._judge.measure(order, found, missed)
        candidates = len(self.pictures) if rows is None else len(rows)
        by_chance = chance(candidates, list(found.values()), missed)
        unknown = tuple(each.word for each in next(iter(scorers.values())).unknown)
        return QueryResult(query.id, query.text, relevant, by_chance, values, unknown=unknown)

    def _rows(self, scorer: Scorer) -> Rows | None:
        if scorer.among is None:
            return None
        return rows_among(self.pictures, self.index.store, scorer.among)

    @cached_property
    def _judge(self) -> Judge:
        return Judge(len(self.pictures))


def _column(results: Sequence[QueryResult], method: Method, measure: str) -> list[float]:
    return [result.values[method][measure] for result in results]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
