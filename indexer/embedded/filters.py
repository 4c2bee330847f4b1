"""Filters of Qdrant Edge: which points are meant, in the embedded engine's words."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from topicidx.indexer.conditions import Between
from topicidx.indexer.engine_filters import engine_filter
from topicidx.indexer.store import PointFilter

_Condition = edge.FieldCondition | edge.IsEmptyCondition | edge.HasIdCondition


def edge_filter(where: PointFilter | None) -> edge.Filter | None:
    """The engine's filter for the points that `where` means; None for all of them.

    Raises FilterSyntaxError for a field whose name the engine cannot be asked for.
    """
    return engine_filter(where, _EdgeWords())


class _EdgeWords:
    def one_of(self, path: str, values: list[str] | list[int]) -> _Condition:
        return edge.FieldCondition(path, match=edge.MatchAny(values))

    def is_flag(self, path: str, flag: bool) -> _Condition:
        # The engine takes Python's own True for the number 1, but NumPy's for what it is.
        return edge.FieldCondition(path, match=edge.MatchValue(np.bool_(flag)))  # type: ignore[arg-type]

    def between(self, path: str, bounds: Between) -> _Condition:
        within = edge.RangeFloat(gt=bounds.gt, gte=bounds.gte, lt=bounds.lt, lte=bounds.lte)
        return edge.FieldCondition(path, range=within)

    def during(self, path: str, gte: datetime | None, lt: datetime | None) -> _Condition:
        within = edge.RangeDateTime(gte=_iso(gte), lt=_iso(lt))
        return edge.FieldCondition(path, range=within)

    def missing(self, path: str) -> _Condition:
        return edge.IsEmptyCondition(path)

    def among(self, ids: Iterable[UUID]) -> _Condition:
        return edge.HasIdCondition(set(ids))

    def group(
        self,
        *,
        must: Sequence[_Condition | edge.Filter] = (),
        should: Sequence[_Condition | edge.Filter] = (),
        must_not: Sequence[_Condition | edge.Filter] = (),
    ) -> edge.Filter:
        return edge.Filter(
            must=list(must) if must else None,
            should=list(should) if should else None,
            must_not=list(must_not) if must_not else None,
        )


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
