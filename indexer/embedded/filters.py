"""Filters as the embedded engine has them."""

import qdrant_edge as edge

from topicidx.indexer.store import PointFilter


def edge_filter(where: PointFilter | None) -> edge.Filter | None:
    """The engine's filter for these points, or None for all."""
    if where is None:
        return None
    must: list[edge.FieldCondition | edge.HasIdCondition] = []
    if where.cities:
        must.append(edge.FieldCondition("city", match=edge.MatchAny(list(where.cities))))
    if where.ids is not None:
        must.append(edge.HasIdCondition(set(where.ids)))
    return edge.Filter(must=list(must)) if must else None
