"""Filters of a Qdrant server: which points are meant, in the words of its client."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from qdrant_client import models

from topicidx.indexer.conditions import Between
from topicidx.indexer.engine_filters import engine_filter
from topicidx.indexer.store import PointFilter

_Condition = models.FieldCondition | models.IsEmptyCondition | models.HasIdCondition


def served_filter(where: PointFilter | None) -> models.Filter | None:
    """The server's filter for the points that `where` means; None for all of them.

    Raises FilterSyntaxError for a field whose name the server cannot be asked for.
    """
    return engine_filter(where, _ServerWords())


class _ServerWords:
    def one_of(self, path: str, values: list[str] | list[int]) -> _Condition:
        return models.FieldCondition(key=path, match=models.MatchAny(any=values))

    def is_flag(self, path: str, flag: bool) -> _Condition:
        return models.FieldCondition(key=path, match=models.MatchValue(value=flag))

    def between(self, path: str, bounds: Between) -> _Condition:
        within = models.Range(gt=bounds.gt, gte=bounds.gte, lt=bounds.lt, lte=bounds.lte)
        return models.FieldCondition(key=path, range=within)

    def during(self, path: str, gte: datetime | None, lt: datetime | None) -> _Condition:
        return models.FieldCondition(key=path, range=models.DatetimeRange(gte=gte, lt=lt))

    def missing(self, path: str) -> _Condition:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=path))

    def among(self, ids: Iterable[UUID]) -> _Condition:
        return models.HasIdCondition(has_id=[str(point) for point in ids])

    def group(
        self,
        *,
        must: Sequence[_Condition | models.Filter] = (),
        should: Sequence[_Condition | models.Filter] = (),
        must_not: Sequence[_Condition | models.Filter] = (),
    ) -> models.Filter:
        return models.Filter(
            must=list(must) if must else None,
            should=list(should) if should else None,
            must_not=list(must_not) if must_not else None,
        )
